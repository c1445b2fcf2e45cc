import { ExchangeFailure } from "@drawbridge/protocol";
import {
  cancelledNotification,
  EVENT_STREAM_MEDIA_TYPE,
  type Frame,
  HttpHeader,
  JSON_MEDIA_TYPE,
  type McpRequest,
  SseFramer,
} from "@drawbridge/mcp";
import { isEventStream } from "./answer-reader.js";
import { type HttpAnswer, HttpClient } from "./http-client.js";
import { asExchangeError, asSendError, errorOfStatus } from "./http-failures.js";
import { MessageFrames, splittingBatches } from "./message-frames.js";
import type { OutgoingMessage, Target, TargetListener } from "./target.js";

const ENDPOINT_TIMEOUT_MS = 30_000;
const NOTIFICATION_TIMEOUT_MS = 30_000;
const MAX_ENDPOINT_BYTES = 8 * 1024;

export interface SseTargetOptions {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** What may wait to be sent until the server takes it. */
  readonly maxMessageBytes: number;
  /** Longest message of the target that is kept whole. */
  readonly wholeMessageBytes: number;
  /** The URL to post to if this host's rules allow it, or in words why not. */
  readonly checkEndpoint: (url: URL) => URL | string;
  readonly listener: TargetListener;
}

/** What makes the target unusable from now on. The message is for the caller. */
class StreamError extends Error {
  override readonly name = "StreamError";
}

/**
 * An MCP server over the HTTP+SSE transport of 2024-11-05: one event stream, whose first event says where to post to and
 * on which every answer comes. The stream is the session: when it ends, the server has forgotten it.
 */
export class SseTarget implements Target {
  readonly #options: SseTargetOptions;
  readonly #listener: TargetListener;
  readonly #http: HttpClient;
  readonly #frames: MessageFrames;
  readonly #closing = new AbortController();
  readonly #endpoint = Promise.withResolvers<URL>();
  /** POSTs of requests under way: some servers answer them only when the call is over. */
  readonly #posts = new Map<number, AbortController>();
  #hasEndpoint = false;
  #spoke = false;
  #waitingBytes = 0;
  /** Resolves when every notification and response sent so far has been taken by the server: nothing overtakes them. */
  #delivered: Promise<void> = Promise.resolve();

  constructor(options: SseTargetOptions) {
    this.#options = options;
    this.#listener = options.listener;
    this.#http = new HttpClient(options.url, options.headers);
    this.#frames = new MessageFrames(
      splittingBatches({
        message: (payload) => this.#listener.message(payload),
        large: () => this.#listener.large(),
        rubbish: (reason) => this.#listener.rubbish(reason),
      }),
    );
    // Whoever waits for it is told by `ended`.
    this.#endpoint.promise.catch(() => undefined);
    void this.#run();
  }

  send({ exchange, parsed }: OutgoingMessage): void {
    if (this.#waitingBytes > this.#options.maxMessageBytes) {
      const reason = "the target does not take what it is sent: wait for its other calls to end";
      this.#listener.exchangeFailed(exchange, ExchangeFailure.NOT_SENT, reason);
      return;
    }
    if (parsed.kind === "request") void this.#request(exchange, parsed);
    else this.#notify(parsed.bytes);
  }

  cancel(exchange: number, request: Pick<McpRequest, "id" | "method">, reason: string): void {
    this.#posts.get(exchange)?.abort();
    // The protocol forbids to cancel initialize.
    if (request.method !== "initialize") this.#notify(cancelledNotification(request.id, reason));
  }

  pause(): void {
    this.#http.pause();
  }

  resume(): void {
    this.#http.resume();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#endpoint.reject(new StreamError("the session was ended"));
    this.#http.resume();
    await this.#http.close();
  }

  // ── the stream ─────────────────────────────────────────────────────────────────────────────────────────────────

  async #run(): Promise<void> {
    const reason = await this.#listen().then(
      () => "the target closed its event stream",
      (error: unknown) => (error instanceof StreamError ? error.message : asExchangeError(error).message),
    );
    this.#frames.abort(reason);
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#listener.ended({ reason, neverWorked: !this.#spoke });
    this.#endpoint.reject(new StreamError(reason));
    await this.#http.close();
  }

  async #listen(): Promise<void> {
    const { signal } = this.#closing;
    const connecting = new AbortController();
    const tooLate = setTimeout(() => connecting.abort(), ENDPOINT_TIMEOUT_MS);
    try {
      const answer = await this.#connect(AbortSignal.any([signal, connecting.signal]));
      void this.#endpoint.promise.then(() => clearTimeout(tooLate)).catch(() => undefined);
      await this.#readEvents(answer);
    } catch (error) {
      if (!connecting.signal.aborted) throw error;
      throw new StreamError("the target named no address to post to in time: is it one of HTTP+SSE?");
    } finally {
      clearTimeout(tooLate);
    }
  }

  async #connect(signal: AbortSignal): Promise<HttpAnswer> {
    const headers = { accept: EVENT_STREAM_MEDIA_TYPE };
    const answer = await this.#http.request({ method: "GET", headers, signal }).catch((error: unknown) => {
      throw asSendError(error);
    });
    if (isEventStream(answer)) return answer;
    await answer.discard();
    if (answer.status === 200) throw new StreamError("the target answered with no event stream");
    throw errorOfStatus(answer.status);
  }

  async #readEvents(answer: HttpAnswer): Promise<void> {
    const framer = new SseFramer(this.#options.wholeMessageBytes);
    for await (const chunk of answer.chunks()) {
      for (const frame of framer.push(chunk)) this.#readFrame(frame);
    }
  }

  #readFrame(frame: Frame): void {
    if (frame.kind === "whole" && frame.event !== "message") {
      if (frame.event === "endpoint") this.#readEndpoint(frame.bytes);
      return;
    }
    if (!this.#hasEndpoint) throw new StreamError("the target sent a message before its address to post to");
    this.#spoke = true;
    this.#frames.take(frame);
  }

  /** Only the first counts: an address that changed under way would take the agent's credentials elsewhere. */
  #readEndpoint(data: Uint8Array): void {
    if (this.#hasEndpoint) return;
    const text = Buffer.from(data).toString("utf8").trim();
    const { url } = this.#options;
    if (data.length > MAX_ENDPOINT_BYTES || !URL.canParse(text, url.href))
      throw new StreamError("the target named an address to post to that is none");
    const endpoint = new URL(text, url.href);
    if (endpoint.origin !== url.origin)
      throw new StreamError("the target wants its messages sent to another host: refused");
    const checked = this.#options.checkEndpoint(endpoint);
    if (typeof checked === "string")
      throw new StreamError(`the address the target wants messages posted to: ${checked}`);
    this.#hasEndpoint = true;
    this.#endpoint.resolve(checked);
  }

  // ── what the client sends ──────────────────────────────────────────────────────────────────────────────────────

  async #request(exchange: number, request: McpRequest): Promise<void> {
    const abort = new AbortController();
    this.#posts.set(exchange, abort);
    try {
      await this.#delivered;
      await this.#post(request.bytes, abort.signal);
    } catch (error) {
      // Its answer may still come on the stream.
      if (abort.signal.aborted || this.#closing.signal.aborted) return;
      const { failure, message } = asExchangeError(error);
      this.#listener.exchangeFailed(exchange, failure, message);
    } finally {
      this.#posts.delete(exchange);
    }
  }

  #notify(body: Uint8Array): void {
    // From now on, not from its turn: however many there are, the last one is over by then.
    const signal = AbortSignal.timeout(NOTIFICATION_TIMEOUT_MS);
    this.#delivered = this.#delivered
      .then(() => this.#post(body, signal))
      .catch((error: unknown) => {
        if (this.#closing.signal.aborted) return;
        this.#listener.exchangeFailed(0, ExchangeFailure.OUTCOME_UNKNOWN, asExchangeError(error).message);
      });
  }

  async #post(body: Uint8Array, giveUp: AbortSignal): Promise<void> {
    this.#waitingBytes += body.length;
    try {
      const url = await this.#endpoint.promise;
      const signal = AbortSignal.any([this.#closing.signal, giveUp]);
      const headers = { accept: ACCEPT, [HttpHeader.contentType]: JSON_MEDIA_TYPE };
      const answer = await this.#http.request({ method: "POST", url, headers, body, signal });
      await answer.discard();
      if (answer.status >= 300) throw errorOfStatus(answer.status);
    } catch (error) {
      throw asSendError(error);
    } finally {
      this.#waitingBytes -= body.length;
    }
  }
}

const ACCEPT = `${JSON_MEDIA_TYPE}, ${EVENT_STREAM_MEDIA_TYPE}`;
