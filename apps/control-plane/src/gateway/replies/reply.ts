import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import {
  EVENT_STREAM_HEADERS,
  EventStream,
  eventId,
  messageEvent,
  primingEvent,
  STALLED_MS,
  writeAll,
} from "./event-stream.js";
import type { LargeMessage } from "./large-message.js";
import type { UnreadAnswers } from "./unread-answers.js";

// A client that sees no header for 60 s gives up; proxies cut connections that are silent for as long.
const STREAM_AFTER_MS = 20_000;
// Where the answer is a stream anyway, only the status of an error is worth waiting for.
const PRIMED_STREAM_AFTER_MS = 1_000;

const SESSION_HEADER = "Mcp-Session-Id";
/** The session as the REST API names it, which is also its recording: what a person quotes to an auditor. */
export const RECORDING_HEADER = "Drawbridge-Session";

/** What the event stream of an exchange is like, if it becomes one. */
export interface StreamTerms {
  /** Names the stream in the ids of its events. */
  readonly exchange: number;
  /** 2025-11-25: the answer is an event stream in any case, and its first event is there to come back with. */
  readonly isPrimed: boolean;
  /** After so long a primed stream is closed and the client comes back. 0: never. */
  readonly lastsMs: number;
}

/** Where what belongs to an exchange is said to the client. `index`: the message's place in the recording. */
export interface ExchangeReply {
  /** Whether somebody still listens. */
  readonly open: boolean;
  /** Whether the client was given an id with which it may come back for what it misses. */
  readonly resumable: boolean;
  /** Calls back once, when the connection is over, whoever ended it. */
  whenClosed(closed: () => void): void;
  /** From here on its events have ids. */
  begin(terms: StreamTerms): void;
  /** A message before the last one. Resolves when the client's side has taken it in. */
  push(message: Uint8Array, index?: number): Promise<void>;
  /** The last message. `status` counts while nothing was sent. */
  finish(message: Uint8Array, status?: number, index?: number): Promise<void>;
  /** The last message, read while it is sent. @throws what reading threw; the connection is cut then */
  finishLarge(message: LargeMessage, index?: number): Promise<void>;
  /** An answer without a message. */
  finishEmpty(status: number): void;
  /** Ends without an answer: the client does not want one, or gets it elsewhere. */
  abandon(): void;
  /** The session was not opened after all. */
  forgetSession(): void;
}

/**
 * The answer to one POST. It stays undecided between plain JSON and an event stream until it must choose: the first
 * message before the last, or 20 s of silence, make it a stream. At 2025-11-25 only a refusal is JSON.
 */
export class Reply implements ExchangeReply {
  private stream: EventStream | undefined;
  private timer: NodeJS.Timeout;
  private closing: NodeJS.Timeout | undefined;
  private done = false;
  private hasGivenId = false;
  private terms: StreamTerms | undefined;
  private readonly headers: OutgoingHttpHeaders = {};

  constructor(
    private readonly response: ServerResponse,
    private readonly unread: UnreadAnswers,
  ) {
    this.timer = setTimeout(() => this.startStream(), STREAM_AFTER_MS);
    response.once("close", () => this.end());
  }

  get open(): boolean {
    return !this.done && !this.response.destroyed;
  }

  get resumable(): boolean {
    return this.hasGivenId;
  }

  whenClosed(closed: () => void): void {
    if (this.response.destroyed) closed();
    else this.response.once("close", closed);
  }

  /** The answer to initialize tells the client its session. */
  announceSession(sessionId: string, recordingId: string): void {
    this.headers[SESSION_HEADER] = sessionId;
    this.headers[RECORDING_HEADER] = recordingId;
  }

  forgetSession(): void {
    delete this.headers[SESSION_HEADER];
    delete this.headers[RECORDING_HEADER];
  }

  /** However long it takes, nothing is said before the answer. */
  keepStatus(): void {
    clearTimeout(this.timer);
  }

  begin(terms: StreamTerms): void {
    this.terms = terms;
    if (!terms.isPrimed || this.stream || !this.open) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.startStream(), PRIMED_STREAM_AFTER_MS);
  }

  async push(message: Uint8Array, index?: number): Promise<void> {
    if (this.open) await this.startStream().send(message, this.idOf(index));
  }

  /** As `push`. @throws what reading it threw; the connection is cut then */
  async pushLarge(message: LargeMessage): Promise<void> {
    if (this.open) await this.startStream().sendLarge(message);
  }

  async finish(message: Uint8Array, status = 200, index?: number): Promise<void> {
    if (!this.open) return;
    this.end();
    if (this.stream) {
      await this.stream.send(message, this.idOf(index));
      this.stream.end();
    } else if (this.terms?.isPrimed) {
      const events = [primingEvent(this.terms.exchange), messageEvent(message, this.idOf(index))];
      this.answer(200, Buffer.concat(events), EVENT_STREAM_HEADERS);
    } else this.answer(status, message, JSON_HEADERS);
  }

  async finishLarge(message: LargeMessage, index?: number): Promise<void> {
    if (!this.open) return;
    this.end();
    if (this.stream || this.terms?.isPrimed) {
      const stream = this.startStream();
      await stream.sendLarge(message, this.idOf(index));
      stream.end();
      return;
    }
    this.response.writeHead(200, { ...this.headers, ...JSON_HEADERS, "Content-Length": message.bytes });
    this.response.setTimeout(STALLED_MS);
    await writeAll(this.response, message.pieces());
    if (!this.response.destroyed) this.response.end();
  }

  abandon(): void {
    if (!this.open) return;
    this.end();
    this.stream ??= new EventStream(this.response, this.headers);
    this.stream.end();
  }

  /** Lets go of the response: somebody else answers. */
  release(): void {
    this.end();
  }

  /** A refusal, with the headers that go with it. */
  async refuse(status: number, body: Uint8Array, headers: OutgoingHttpHeaders): Promise<void> {
    Object.assign(this.headers, headers);
    if (this.stream || !this.open) return this.finish(body, status);
    this.end();
    this.answer(status, body, JSON_HEADERS);
  }

  finishEmpty(status: number): void {
    if (!this.open) return;
    this.end();
    if (this.stream) this.stream.end();
    else this.response.writeHead(status, { ...this.headers, "Content-Length": 0 }).end();
  }

  /** All of it at once: the ordinary small answer is one write. */
  private answer(status: number, body: Uint8Array, headers: OutgoingHttpHeaders): void {
    this.response.writeHead(status, { ...this.headers, ...headers, "Content-Length": body.length });
    this.response.end(body);
    this.response.setTimeout(STALLED_MS);
    this.unread.add(this.response);
  }

  private startStream(): EventStream {
    if (this.stream) return this.stream;
    clearTimeout(this.timer);
    const { terms } = this;
    if (!terms?.isPrimed) return (this.stream = new EventStream(this.response, this.headers));
    this.hasGivenId = true;
    if (terms.lastsMs > 0) this.closing = setTimeout(() => this.abandon(), terms.lastsMs);
    return (this.stream = new EventStream(this.response, this.headers, primingEvent(terms.exchange)));
  }

  private idOf(index: number | undefined): string | undefined {
    if (index === undefined || !this.terms) return undefined;
    this.hasGivenId = true;
    return eventId(this.terms.exchange, index);
  }

  private end(): void {
    this.done = true;
    clearTimeout(this.timer);
    clearTimeout(this.closing);
  }
}

const JSON_HEADERS = { "Content-Type": "application/json", "Cache-Control": "no-store" } as const;
