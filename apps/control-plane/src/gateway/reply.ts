import { once } from "node:events";
import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import { encodeSse, sseComment } from "@drawbridge/mcp";

// A client that sees no header for 60 s gives up; proxies cut streams that are silent for as long.
const STREAM_AFTER_MS = 20_000;
const KEEP_ALIVE_MS = 15_000;
// A client that takes nothing of what is written for this long is gone, whatever its socket says.
const STALLED_MS = 60_000;

const SESSION_HEADER = "Mcp-Session-Id";
// The session as the REST API names it, which is also its recording: what a person quotes to an auditor.
const RECORDING_HEADER = "Drawbridge-Session";

export const EVENT_STREAM_HEADERS = {
  "Content-Type": "text/event-stream",
  "Cache-Control": "no-cache",
  "X-Accel-Buffering": "no",
} as const;

/**
 * The answer to one POST. It stays undecided between plain JSON and an event stream until it must choose: the first
 * message before the last, or 20 s of silence, make it a stream.
 */
export class Reply {
  private stream: EventStream | undefined;
  private readonly timer: NodeJS.Timeout;
  private done = false;
  private readonly headers: OutgoingHttpHeaders = {};

  constructor(private readonly response: ServerResponse) {
    this.timer = setTimeout(() => this.startStream(), STREAM_AFTER_MS);
    response.once("close", () => this.end());
  }

  /** Whether somebody still listens. */
  get open(): boolean {
    return !this.done && !this.response.destroyed;
  }

  /** The answer to initialize tells the client its session. */
  announceSession(sessionId: string, recordingId: string): void {
    this.headers[SESSION_HEADER] = sessionId;
    this.headers[RECORDING_HEADER] = recordingId;
  }

  /** The session was not opened after all. */
  forgetSession(): void {
    delete this.headers[SESSION_HEADER];
    delete this.headers[RECORDING_HEADER];
  }

  /** A message before the last one. Resolves when the client's side has taken it in. */
  async push(message: Uint8Array): Promise<void> {
    if (this.open) await this.startStream().send(message);
  }

  /** The last message. */
  async finish(message: Uint8Array, status = 200): Promise<void> {
    if (!this.open) return;
    this.end();
    if (this.stream) {
      await this.stream.send(message);
      this.stream.end();
      return;
    }
    this.response.writeHead(status, {
      ...this.headers,
      "Content-Type": "application/json",
      "Content-Length": message.length,
      "Cache-Control": "no-store",
    });
    this.response.end(message);
    this.response.setTimeout(STALLED_MS);
  }

  /** Ends without an answer: the client has said that it does not want one. */
  abandon(): void {
    if (!this.open) return;
    this.end();
    this.startStream().end();
  }

  /** Lets go of the response: somebody else answers. */
  release(): void {
    this.end();
  }

  /** A refusal, with the headers that go with it. */
  refuse(status: number, body: Uint8Array, headers: OutgoingHttpHeaders): Promise<void> {
    Object.assign(this.headers, headers);
    return this.finish(body, status);
  }

  /** An answer without a message. */
  finishEmpty(status: number): void {
    if (!this.open) return;
    this.end();
    this.response.writeHead(status, { ...this.headers, "Content-Length": 0 }).end();
  }

  private startStream(): EventStream {
    this.stream ??= new EventStream(this.response, this.headers);
    return this.stream;
  }

  private end(): void {
    this.done = true;
    clearTimeout(this.timer);
  }
}

/** An open `text/event-stream` with keep-alive comments, headers flushed at once. */
export class EventStream {
  private readonly keepAlive: NodeJS.Timeout;

  constructor(
    private readonly response: ServerResponse,
    headers: OutgoingHttpHeaders = {},
  ) {
    response.writeHead(200, { ...headers, ...EVENT_STREAM_HEADERS });
    response.flushHeaders();
    response.setTimeout(STALLED_MS);
    // Unheard, the error of a response would end the process.
    response.on("error", () => response.destroy());
    // Not behind what waits for the client: a comment would count as a sign that the client still reads.
    this.keepAlive = setInterval(() => {
      if (this.open && response.writableLength === 0) response.write(sseComment());
    }, KEEP_ALIVE_MS);
    response.once("close", () => clearInterval(this.keepAlive));
  }

  get open(): boolean {
    return !this.response.destroyed && !this.response.writableEnded;
  }

  /** Resolves when the client's side has taken the message in, or is gone. */
  async send(message: Uint8Array): Promise<void> {
    if (!this.open || this.response.write(encodeSse({ data: Buffer.from(message).toString("utf8") }))) return;
    const taken = new AbortController();
    const { signal } = taken;
    await Promise.race([
      once(this.response, "drain", { signal }),
      once(this.response, "close", { signal }),
    ]).catch(() => undefined);
    taken.abort();
  }

  /** "close" comes only when the client has read the rest: nothing may be written until then. */
  end(): void {
    clearInterval(this.keepAlive);
    if (this.open) this.response.end();
  }
}
