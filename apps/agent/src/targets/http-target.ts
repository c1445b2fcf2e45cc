import { ExchangeFailure } from "@drawbridge/protocol";
import {
  cancelledNotification,
  EVENT_STREAM_MEDIA_TYPE,
  FrameTooLargeError,
  HttpHeader,
  JSON_MEDIA_TYPE,
  type McpMessage,
  type McpRequest,
  parseMessage,
} from "@drawbridge/mcp";
import { setTimeout as sleep } from "node:timers/promises";
import { Backlog } from "./backlog.js";
import { AnswerReader, isEventStream, isJson } from "./answer-reader.js";
import { type HttpAnswer, HttpClient } from "./http-client.js";
import { asExchangeError, asSendError, CANCELLED, errorOfStatus, ExchangeError } from "./http-failures.js";
import type { OutgoingMessage, Target, TargetListener } from "./target.js";

/** From when it was to be sent, not from its turn: however many there are, the last one is over by then. */
const NOTIFICATION_TIMEOUT_MS = 30_000;
/** How long a request waits for the notifications and responses that were sent before it. */
const ORDER_PATIENCE_MS = 10_000;
const FAREWELL_TIMEOUT_MS = 2_000;
const LISTEN_PATIENCE_MS = 500;
const RESUME_DELAY_MS = 1_000;
// A server may ask for no delay at all and end every stream at once.
const SHORTEST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 30_000;
const MAX_RESUMES = 100;

export interface HttpTargetOptions {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** What may wait to be sent until the server takes it. */
  readonly maxMessageBytes: number;
  /** Longest message of the target that is kept whole. */
  readonly wholeMessageBytes: number;
  readonly listener: TargetListener;
}

interface Call {
  readonly exchange: number;
  readonly request: McpRequest;
  readonly signal: AbortSignal;
}

interface Pending {
  readonly abort: AbortController;
  /** Until then the server has nothing of it. */
  isSent: boolean;
}

/** An MCP server over Streamable HTTP (2025 revisions): one POST a message, answers as JSON or as an event stream. */
export class HttpTarget implements Target {
  readonly #listener: TargetListener;
  readonly #http: HttpClient;
  readonly #answers: AnswerReader;
  readonly #backlog: Backlog;
  readonly #closing = new AbortController();
  readonly #requests = new Map<number, Pending>();
  /** The target's own session; the client's has another id and never gets here. */
  #sessionId: string | undefined;
  #protocolVersion = "";
  /** Resolves when every notification and response sent so far has been taken by the server: nothing overtakes them. */
  #delivered: Promise<void> = Promise.resolve();
  #undelivered = 0;
  #listening = false;

  constructor(options: HttpTargetOptions) {
    this.#listener = options.listener;
    this.#http = new HttpClient(options.url, options.headers);
    this.#answers = new AnswerReader({ ...options, splitsBatches: true });
    this.#backlog = new Backlog(options.maxMessageBytes);
  }

  send(message: OutgoingMessage): void {
    if (message.protocolVersion !== "") this.#protocolVersion = message.protocolVersion;
    const { exchange, parsed } = message;
    const problem = this.#backlog.problem;
    if (problem !== undefined) this.#listener.exchangeFailed(exchange, ExchangeFailure.NOT_SENT, problem);
    else if (parsed.kind === "request") void this.#exchange(exchange, parsed);
    else this.#deliverNext(parsed);
  }

  cancel(exchange: number, request: Pick<McpRequest, "id" | "method">, reason: string): void {
    const pending = this.#requests.get(exchange);
    pending?.abort.abort();
    if (pending?.isSent === false) {
      const reason = "it was given up before it was sent: the target does not take what came before";
      this.#listener.exchangeFailed(exchange, ExchangeFailure.NOT_SENT, reason);
      return;
    }
    if (request.method === "initialize") return;
    this.#deliverNext(parseMessage(cancelledNotification(request.id, reason)));
  }

  pause(): void {
    this.#http.pause();
  }

  resume(): void {
    this.#http.resume();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#http.resume();
    for (const { abort } of this.#requests.values()) abort.abort();
    if (this.#sessionId !== undefined) {
      const signal = AbortSignal.timeout(FAREWELL_TIMEOUT_MS);
      await this.#http
        .request({ method: "DELETE", headers: this.#sessionHeaders(), signal })
        .then((answer) => answer.discard())
        .catch(() => undefined);
    }
    await this.#http.close();
  }

  // ── requests ───────────────────────────────────────────────────────────────────────────────────────────────────

  async #exchange(exchange: number, request: McpRequest): Promise<void> {
    const abort = new AbortController();
    const pending: Pending = { abort, isSent: false };
    this.#requests.set(exchange, pending);
    try {
      const answer = await this.#backlog.hold(request.bytes.length, async () => {
        await this.#awaitTurn(abort.signal);
        pending.isSent = true;
        return this.#post(request, abort.signal);
      });
      if (request.method === "initialize") this.#sessionId = answer.header(HttpHeader.sessionId);
      await this.#readAnswer({ exchange, request, signal: abort.signal }, answer);
    } catch (error) {
      const { failure, message } = abort.signal.aborted ? CANCELLED : asExchangeError(error);
      this.#listener.exchangeFailed(exchange, failure, message);
    } finally {
      this.#requests.delete(exchange);
    }
  }

  /** What was sent before goes first. Throws ExchangeError when the server does not take it, or when aborted. */
  async #awaitTurn(signal: AbortSignal): Promise<void> {
    if (this.#undelivered > 0) {
      const isOver = new AbortController();
      const late = sleep(ORDER_PATIENCE_MS, "late", { signal: AbortSignal.any([signal, isOver.signal]) });
      const first = await Promise.race([this.#delivered, late]).finally(() => isOver.abort());
      if (first === "late") throw NOT_TAKEN;
    }
    signal.throwIfAborted();
  }

  async #post(message: McpMessage, signal: AbortSignal): Promise<HttpAnswer> {
    const isInitialize = message.kind === "request" && message.method === "initialize";
    const headers = {
      ...(isInitialize ? {} : this.#sessionHeaders()),
      accept: `${JSON_MEDIA_TYPE}, ${EVENT_STREAM_MEDIA_TYPE}`,
      "content-type": JSON_MEDIA_TYPE,
    };
    try {
      return await this.#http.request({ method: "POST", headers, body: message.bytes, signal });
    } catch (error) {
      throw asSendError(error);
    }
  }

  async #readAnswer(call: Call, answer: HttpAnswer): Promise<void> {
    if (isEventStream(answer)) {
      await this.#readStream(call, answer);
    } else if (answer.status === 200 && isJson(answer)) {
      await this.#answers.readResponse(answer, call.exchange);
    } else {
      await this.#readFailure(call, answer);
    }
  }

  /** Messages go on as they come. A stream that ends early is resumed where the server gave its events ids. */
  async #readStream({ exchange, signal }: Call, first: HttpAnswer): Promise<void> {
    let answer = first;
    for (let resumes = 0; ; resumes++) {
      const { lastEventId, retry } = await this.#answers.readEvents(answer, exchange);
      const isAnswered = !this.#listener.isWaiting(exchange);
      if (isAnswered || signal.aborted) return;
      if (lastEventId === undefined || resumes >= MAX_RESUMES) break;
      await sleep(bounded(retry ?? RESUME_DELAY_MS), undefined, { signal });
      answer = await this.#get(signal, lastEventId);
      if (isEventStream(answer)) continue;
      await answer.discard();
      break;
    }
    throw new ExchangeError(
      ExchangeFailure.OUTCOME_UNKNOWN,
      "the target ended its answer before the call's response",
    );
  }

  async #readFailure({ exchange, request }: Call, answer: HttpAnswer): Promise<void> {
    if (answer.status === 404 && this.#sessionId !== undefined) {
      await answer.discard();
      throw new ExchangeError(
        ExchangeFailure.SESSION_GONE,
        "the target no longer knows the session: initialize again",
      );
    }
    await this.#answers.readFailure(answer, exchange, request);
  }

  // ── notifications and responses of the client ──────────────────────────────────────────────────────────────────

  #deliverNext(message: McpMessage): void {
    const before = this.#delivered;
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(NOTIFICATION_TIMEOUT_MS)]);
    this.#undelivered += 1;
    this.#delivered = this.#backlog.hold(message.bytes.length, async () => {
      await before;
      await this.#deliver(message, signal);
      this.#undelivered -= 1;
    });
  }

  async #deliver(message: McpMessage, signal: AbortSignal): Promise<void> {
    try {
      const answer = await this.#post(message, signal);
      await answer.discard();
      if (answer.status >= 300) this.#notDelivered(errorOfStatus(answer.status).message);
      else if (isInitialized(message)) await this.#listen();
    } catch (error) {
      if (!this.#closing.signal.aborted) this.#notDelivered(asExchangeError(error).message);
    }
  }

  #notDelivered(reason: string): void {
    this.#listener.exchangeFailed(0, ExchangeFailure.OUTCOME_UNKNOWN, reason);
  }

  // ── what the server says unasked ───────────────────────────────────────────────────────────────────────────────

  /**
   * Resolves when the server has the stream, or says that it has none: what a call asks its client may come there, and
   * some servers drop it when nobody listens yet.
   */
  async #listen(): Promise<void> {
    if (this.#listening) return;
    this.#listening = true;
    const answered = Promise.withResolvers<void>();
    void this.#keepListening(answered.resolve);
    // Some send no headers before there is something to say.
    await Promise.race([answered.promise, sleep(LISTEN_PATIENCE_MS, undefined, { ref: false })]);
  }

  async #keepListening(onAnswer: () => void): Promise<void> {
    const { signal } = this.#closing;
    let lastEventId: string | undefined;
    let delayMs = RESUME_DELAY_MS;
    while (!signal.aborted) {
      try {
        const answer = await this.#get(signal, lastEventId).finally(onAnswer);
        if (!isEventStream(answer)) {
          await answer.discard();
          // 405 and the like: the server has no such stream. Other trouble may pass.
          if (answer.status >= 400 && answer.status < 500 && answer.status !== 429) return;
        } else {
          const position = await this.#answers.readEvents(answer, 0);
          lastEventId = position.lastEventId ?? lastEventId;
          delayMs = position.retry ?? RESUME_DELAY_MS;
        }
      } catch (error) {
        if (error instanceof FrameTooLargeError) this.#listener.rubbish(error.message, 0);
        delayMs *= 2;
      }
      await sleep(bounded(delayMs) * (0.5 + Math.random()), undefined, { signal }).catch(() => undefined);
    }
  }

  #get(signal: AbortSignal, lastEventId: string | undefined): Promise<HttpAnswer> {
    const headers = {
      ...this.#sessionHeaders(),
      accept: EVENT_STREAM_MEDIA_TYPE,
      ...(lastEventId === undefined ? {} : { [HttpHeader.lastEventId]: lastEventId }),
    };
    return this.#http.request({ method: "GET", headers, signal });
  }

  #sessionHeaders(): Record<string, string> {
    return {
      ...(this.#sessionId === undefined ? {} : { [HttpHeader.sessionId]: this.#sessionId }),
      ...(this.#protocolVersion === "" ? {} : { [HttpHeader.protocolVersion]: this.#protocolVersion }),
    };
  }
}

const NOT_TAKEN = new ExchangeError(
  ExchangeFailure.NOT_SENT,
  "the target does not take what was sent before the call: try again",
);

function bounded(delayMs: number): number {
  return Math.max(SHORTEST_DELAY_MS, Math.min(delayMs, LONGEST_DELAY_MS));
}

function isInitialized(message: McpMessage): boolean {
  return message.kind === "notification" && message.method === "notifications/initialized";
}
