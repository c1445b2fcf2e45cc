import { ExchangeFailure } from "@drawbridge/protocol";
import {
  cancelledNotification,
  EVENT_STREAM_MEDIA_TYPE,
  HttpHeader,
  isEventStreamContentType,
  isJsonContentType,
  JSON_MEDIA_TYPE,
  type McpMessage,
  type McpRequest,
  parseMessage,
  SseEventTooLargeError,
  SseParser,
} from "@drawbridge/mcp";
import { setTimeout as sleep } from "node:timers/promises";
import { BodyTooLargeError, type HttpAnswer, HttpClient, UnreadableBodyError } from "./http-client.js";
import { certainlyNotSent, describeNetworkError } from "./network-error.js";
import type { OutgoingMessage, Target, TargetListener } from "./target.js";

const NOTIFICATION_TIMEOUT_MS = 30_000;
const FAREWELL_TIMEOUT_MS = 2_000;
const RESUME_DELAY_MS = 1_000;
// A server may ask for no delay at all and end every stream at once.
const SHORTEST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 30_000;
const MAX_RESUMES = 100;

export interface HttpTargetOptions {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly maxMessageBytes: number;
  readonly listener: TargetListener;
}

/** A failure of one exchange, with what is known about whether it ran. */
class ExchangeError extends Error {
  override readonly name = "ExchangeError";
  readonly failure: ExchangeFailure;

  constructor(failure: ExchangeFailure, message: string) {
    super(message);
    this.failure = failure;
  }
}

interface Call {
  readonly exchange: number;
  readonly request: McpRequest;
  readonly signal: AbortSignal;
}

const CANCELLED = new ExchangeError(
  ExchangeFailure.OUTCOME_UNKNOWN,
  "the call was cancelled; whether it ran is not known",
);

/** An MCP server over Streamable HTTP (2025 revisions): one POST a message, answers as JSON or as an event stream. */
export class HttpTarget implements Target {
  readonly #options: HttpTargetOptions;
  readonly #listener: TargetListener;
  readonly #http: HttpClient;
  readonly #closing = new AbortController();
  readonly #requests = new Map<number, AbortController>();
  /** The target's own session; the client's has another id and never gets here. */
  #sessionId: string | undefined;
  #protocolVersion = "";
  /** Resolves when every notification and response sent so far has been taken by the server: nothing overtakes them. */
  #delivered: Promise<void> = Promise.resolve();
  #listening = false;

  constructor(options: HttpTargetOptions) {
    this.#options = options;
    this.#listener = options.listener;
    this.#http = new HttpClient(options.url, options.headers, options.maxMessageBytes);
  }

  send(message: OutgoingMessage): void {
    if (message.protocolVersion !== "") this.#protocolVersion = message.protocolVersion;
    if (message.parsed.kind === "request") {
      void this.#exchange(message.exchange, message.parsed);
    } else {
      const { parsed } = message;
      this.#delivered = this.#delivered.then(() => this.#deliver(parsed));
    }
  }

  cancel(exchange: number, request: Pick<McpRequest, "id" | "method">, reason: string): void {
    this.#requests.get(exchange)?.abort();
    if (request.method === "initialize") return;
    const cancelled = parseMessage(cancelledNotification(request.id, reason));
    this.#delivered = this.#delivered.then(() => this.#deliver(cancelled));
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
    for (const request of this.#requests.values()) request.abort();
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
    this.#requests.set(exchange, abort);
    try {
      await this.#delivered;
      abort.signal.throwIfAborted();
      const answer = await this.#post(request, abort.signal);
      if (request.method === "initialize") this.#sessionId = answer.header(HttpHeader.sessionId);
      await this.#readAnswer({ exchange, request, signal: abort.signal }, answer);
    } catch (error) {
      const { failure, message } = abort.signal.aborted ? CANCELLED : asExchangeError(error);
      if (failure === ExchangeFailure.RESULT_TOO_LARGE) this.#listener.large(exchange).abort(message);
      else this.#listener.exchangeFailed(exchange, failure, message);
    } finally {
      this.#requests.delete(exchange);
    }
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
      if (!certainlyNotSent(error)) throw error;
      const reason = `the target cannot be reached (${describeNetworkError(error)}): look whether it runs`;
      throw new ExchangeError(ExchangeFailure.TARGET_UNAVAILABLE, reason);
    }
  }

  async #readAnswer(call: Call, answer: HttpAnswer): Promise<void> {
    const contentType = answer.header(HttpHeader.contentType);
    if (answer.status === 200 && isEventStreamContentType(contentType)) {
      await this.#readStream(call, answer);
    } else if (answer.status === 200 && isJsonContentType(contentType)) {
      this.#deliverResponse(call.exchange, await answer.readWhole());
    } else {
      await this.#readFailure(call, answer);
    }
  }

  #deliverResponse(exchange: number, body: Uint8Array): void {
    this.#listener.message(body, exchange);
    // Had it been the response, the exchange would be over now; telling an ended exchange that it failed is nothing.
    this.#listener.exchangeFailed(
      exchange,
      ExchangeFailure.BAD_TARGET,
      "the target did not answer with the call's response",
    );
  }

  /** Messages go on as they come. A stream that ends early is resumed where the server gave its events ids. */
  async #readStream({ exchange, signal }: Call, first: HttpAnswer): Promise<void> {
    let answer = first;
    for (let resumes = 0; ; resumes++) {
      const parser = await this.#readEvents(answer, exchange);
      const isAnswered = !this.#listener.isWaiting(exchange);
      if (isAnswered || signal.aborted) return;
      if (parser.lastEventId === undefined || resumes >= MAX_RESUMES) break;
      await sleep(bounded(parser.retry ?? RESUME_DELAY_MS), undefined, { signal });
      answer = await this.#get(signal, parser.lastEventId);
      if (isEventStream(answer)) continue;
      await answer.discard();
      break;
    }
    throw new ExchangeError(
      ExchangeFailure.OUTCOME_UNKNOWN,
      "the target ended its answer before the call's response",
    );
  }

  async #readEvents(answer: HttpAnswer, exchange: number): Promise<SseParser> {
    const parser = new SseParser(this.#options.maxMessageBytes + EVENT_OVERHEAD);
    for await (const chunk of answer.chunks()) {
      for (const event of parser.push(chunk)) {
        if (event.event === "message" && event.data.length > 0) this.#listener.message(event.data, exchange);
      }
    }
    return parser;
  }

  async #readFailure({ exchange, request }: Call, answer: HttpAnswer): Promise<void> {
    if (answer.status === 404 && this.#sessionId !== undefined) {
      await answer.discard();
      throw new ExchangeError(
        ExchangeFailure.SESSION_GONE,
        "the target no longer knows the session: initialize again",
      );
    }
    if (answer.status >= 400 && isJsonContentType(answer.header(HttpHeader.contentType))) {
      const error = errorResponseTo(request, await answer.readWhole());
      if (error) this.#listener.message(error, exchange);
      if (!this.#listener.isWaiting(exchange)) return;
    } else {
      await answer.discard();
    }
    throw new ExchangeError(failureOfStatus(answer.status), describeStatus(answer.status));
  }

  // ── notifications and responses of the client ──────────────────────────────────────────────────────────────────

  async #deliver(message: McpMessage): Promise<void> {
    try {
      const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(NOTIFICATION_TIMEOUT_MS)]);
      const answer = await this.#post(message, signal);
      await answer.discard();
      if (answer.status >= 300) this.#notDelivered(describeStatus(answer.status));
      else if (isInitialized(message)) this.#listen();
    } catch (error) {
      if (!this.#closing.signal.aborted) this.#notDelivered(asExchangeError(error).message);
    }
  }

  #notDelivered(reason: string): void {
    this.#listener.exchangeFailed(0, ExchangeFailure.OUTCOME_UNKNOWN, reason);
  }

  // ── what the server says unasked ───────────────────────────────────────────────────────────────────────────────

  #listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    void this.#keepListening();
  }

  async #keepListening(): Promise<void> {
    const { signal } = this.#closing;
    let lastEventId: string | undefined;
    let delayMs = RESUME_DELAY_MS;
    while (!signal.aborted) {
      try {
        const answer = await this.#get(signal, lastEventId);
        if (!isEventStream(answer)) {
          await answer.discard();
          // 405 and the like: the server has no such stream. Other trouble may pass.
          if (answer.status >= 400 && answer.status < 500 && answer.status !== 429) return;
        } else {
          const parser = await this.#readEvents(answer, 0);
          lastEventId = parser.lastEventId ?? lastEventId;
          delayMs = parser.retry ?? RESUME_DELAY_MS;
        }
      } catch (error) {
        if (error instanceof SseEventTooLargeError) this.#listener.large(0).abort(error.message);
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

// Field names and line ends beside the data of one event.
const EVENT_OVERHEAD = 64 * 1024;

function bounded(delayMs: number): number {
  return Math.max(SHORTEST_DELAY_MS, Math.min(delayMs, LONGEST_DELAY_MS));
}

function isEventStream(answer: HttpAnswer): boolean {
  return answer.status === 200 && isEventStreamContentType(answer.header(HttpHeader.contentType));
}

function isInitialized(message: McpMessage): boolean {
  return message.kind === "notification" && message.method === "notifications/initialized";
}

/** The JSON-RPC error a failed POST carries, with the id of the request where the server left it out. */
function errorResponseTo(request: McpRequest, body: Uint8Array): Uint8Array | undefined {
  try {
    const message = parseMessage(body);
    if (message.kind !== "response" || !message.isError) return undefined;
    if (message.id || !message.ranges.error) return body;
    const head = Buffer.from(`{"jsonrpc":"2.0","id":${request.id.text},"error":`);
    return Buffer.concat([head, body.subarray(...message.ranges.error), Buffer.from("}")]);
  } catch {
    return undefined;
  }
}

function asExchangeError(error: unknown): ExchangeError {
  if (error instanceof ExchangeError) return error;
  if (error instanceof BodyTooLargeError || error instanceof SseEventTooLargeError) {
    return new ExchangeError(ExchangeFailure.RESULT_TOO_LARGE, "the result is too large");
  }
  if (error instanceof UnreadableBodyError)
    return new ExchangeError(ExchangeFailure.BAD_TARGET, error.message);
  const reason = `the connection to the target failed (${describeNetworkError(error)})`;
  return new ExchangeError(ExchangeFailure.OUTCOME_UNKNOWN, reason);
}

/** Answers that say the server refused before it did anything. */
const REFUSALS: ReadonlyMap<number, string> = new Map([
  [401, "the target does not accept the agent's credentials (HTTP 401): look at the target's definition"],
  [403, "the target forbids what the agent may do (HTTP 403): look at the target's definition"],
  [404, "there is no MCP server at the target's URL (HTTP 404): look at the target's definition"],
  [405, "there is no MCP server at the target's URL (HTTP 405): look at the target's definition"],
  [406, "the target does not speak Streamable HTTP (HTTP 406)"],
  [415, "the target does not speak Streamable HTTP (HTTP 415)"],
  [429, "the target has too much to do (HTTP 429): try again later"],
]);

function isRedirect(status: number): boolean {
  return status >= 300 && status < 400;
}

function failureOfStatus(status: number): ExchangeFailure {
  if (status < 300) return ExchangeFailure.BAD_TARGET;
  const refused = isRedirect(status) || REFUSALS.has(status);
  return refused ? ExchangeFailure.TARGET_UNAVAILABLE : ExchangeFailure.OUTCOME_UNKNOWN;
}

function describeStatus(status: number): string {
  if (status < 300) return `the target answered the call with HTTP ${status} and no message`;
  if (isRedirect(status)) {
    return `the target redirects (HTTP ${status}) and redirects are not followed: put the final URL into its definition`;
  }
  return REFUSALS.get(status) ?? `the target answered HTTP ${status}`;
}
