import { ExchangeFailure } from "@drawbridge/protocol";
import {
  EVENT_STREAM_MEDIA_TYPE,
  HttpHeader,
  JSON_MEDIA_TYPE,
  type McpMessage,
  type McpRequest,
  parameterHeaders as onlyParameters,
  standardHeaders,
} from "@drawbridge/mcp";
import { Backlog } from "./backlog.js";
import { AnswerReader, isEventStream, isJson } from "./answer-reader.js";
import { type HttpAnswer, HttpClient } from "./http-client.js";
import { asExchangeError, asSendError, CANCELLED, errorOfStatus, ExchangeError } from "./http-failures.js";
import type { HttpTargetOptions } from "./http-target.js";
import type { OutgoingMessage, Target, TargetListener } from "./target.js";

const NOTIFICATION_TIMEOUT_MS = 30_000;

/**
 * An MCP server over Streamable HTTP at 2026-07-28: one POST a request and nothing between them. Its answer is the
 * response, or an event stream that ends with it; to close it is to cancel.
 */
export class ModernHttpTarget implements Target {
  readonly #listener: TargetListener;
  readonly #http: HttpClient;
  readonly #answers: AnswerReader;
  readonly #backlog: Backlog;
  readonly #closing = new AbortController();
  readonly #requests = new Map<number, AbortController>();

  constructor(options: HttpTargetOptions) {
    this.#listener = options.listener;
    this.#http = new HttpClient(options.url, options.headers);
    this.#answers = new AnswerReader({ ...options, splitsBatches: false });
    this.#backlog = new Backlog(options.maxMessageBytes);
  }

  send({ exchange, parsed, parameterHeaders }: OutgoingMessage): void {
    const problem = this.#backlog.problem;
    if (problem !== undefined) this.#listener.exchangeFailed(exchange, ExchangeFailure.NOT_SENT, problem);
    // Whoever sent them, nothing but parameters goes on this way.
    else if (parsed.kind === "request")
      void this.#exchange(exchange, parsed, onlyParameters(parameterHeaders));
    else void this.#deliver(parsed);
  }

  cancel(exchange: number): void {
    this.#requests.get(exchange)?.abort();
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
    await this.#http.close();
  }

  async #exchange(
    exchange: number,
    request: McpRequest,
    parameterHeaders: Readonly<Record<string, string>>,
  ): Promise<void> {
    const abort = new AbortController();
    this.#requests.set(exchange, abort);
    try {
      const headers = { ...parameterHeaders, ...standardHeaders(request) };
      const answer = await this.#post(request, headers, abort.signal);
      await this.#readAnswer(answer, exchange, request);
    } catch (error) {
      const { failure, message } = abort.signal.aborted ? CANCELLED : asExchangeError(error);
      this.#listener.exchangeFailed(exchange, failure, message);
    } finally {
      this.#requests.delete(exchange);
    }
  }

  async #post(
    message: McpMessage,
    ownHeaders: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<HttpAnswer> {
    const headers = {
      ...ownHeaders,
      accept: `${JSON_MEDIA_TYPE}, ${EVENT_STREAM_MEDIA_TYPE}`,
      [HttpHeader.contentType]: JSON_MEDIA_TYPE,
    };
    try {
      return await this.#backlog.hold(message.bytes.length, () =>
        this.#http.request({ method: "POST", headers, body: message.bytes, signal }),
      );
    } catch (error) {
      throw asSendError(error);
    }
  }

  async #readAnswer(answer: HttpAnswer, exchange: number, request: McpRequest): Promise<void> {
    if (isEventStream(answer)) {
      await this.#answers.readEvents(answer, exchange);
      if (!this.#listener.isWaiting(exchange)) return;
      const reason = "the target ended its answer before the call's response";
      throw new ExchangeError(ExchangeFailure.OUTCOME_UNKNOWN, reason);
    }
    if (answer.status === 200 && isJson(answer)) await this.#answers.readResponse(answer, exchange);
    else await this.#answers.readFailure(answer, exchange, request);
  }

  /** A notification of the client. Cancelling is closing the answer, and responses are not for a server of this era. */
  async #deliver(message: McpMessage): Promise<void> {
    if (message.kind !== "notification" || message.method === "notifications/cancelled") return;
    try {
      const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(NOTIFICATION_TIMEOUT_MS)]);
      const answer = await this.#post(message, standardHeaders(message), signal);
      await answer.discard();
      if (answer.status >= 300) throw errorOfStatus(answer.status);
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      this.#listener.exchangeFailed(0, ExchangeFailure.OUTCOME_UNKNOWN, asExchangeError(error).message);
    }
  }
}
