import { ExchangeFailure } from "@drawbridge/protocol";
import {
  cancelledNotification,
  type JsonRpcId,
  jsonRpcId,
  MalformedMessageError,
  type McpNotification,
  type McpRequest,
  type McpResponse,
  parseMessage,
  rewriteIds,
} from "@drawbridge/mcp";
import { LargeIdRewriter } from "./large-id-rewriter.js";
import { hasNoEffect, StdioChannel, type StdioChannelOptions } from "./stdio-channel.js";
import type { LargeMessageSink, OutgoingMessage, Target, TargetListener } from "./target.js";

/** Exchanges that nobody waits for any more are forgotten when there are so many. */
const SWEEP_AT = 256;

const ODD_SUBSCRIPTION = "the target's answer names another subscription than its own";

/** What has to be put back into what the server says about an exchange. */
interface Entry {
  readonly id: JsonRpcId;
  readonly progressToken: JsonRpcId | undefined;
}

/**
 * An MCP server as a child process at 2026-07-28. Several clients of one principal share it, so the ids they chose may
 * be the same: the server sees the number of the exchange instead, as id, progress token and subscription, and what it
 * says gets the client's own back.
 */
export class ModernStdioTarget implements Target {
  readonly #listener: TargetListener;
  readonly #channel: StdioChannel;
  readonly #entries = new Map<number, Entry>();

  constructor(options: StdioChannelOptions, listener: TargetListener) {
    this.#listener = listener;
    this.#channel = new StdioChannel(options, {
      message: (payload) => this.#receive(payload),
      large: () => this.#receiveLarge(),
      rubbish: (reason) => listener.rubbish(reason),
      stderr: (text) => listener.stderr(text),
      ended: (end) => listener.ended(end),
    });
  }

  send({ exchange, parsed }: OutgoingMessage): void {
    if (parsed.kind === "request") this.#sendRequest(exchange, parsed);
    else this.#sendOther(parsed);
  }

  cancel(exchange: number, _request: Pick<McpRequest, "id" | "method">, reason: string): void {
    if (this.#entries.has(exchange))
      this.#channel.writeCancellation(cancelledNotification(jsonRpcId(exchange), reason));
  }

  pause(): void {
    this.#channel.pause();
  }

  resume(): void {
    this.#channel.resume();
  }

  close(): Promise<void> {
    return this.#channel.close();
  }

  // ── from the client ────────────────────────────────────────────────────────────────────────────────────────────

  #sendRequest(exchange: number, request: McpRequest): void {
    this.#sweep();
    this.#entries.set(exchange, { id: request.id, progressToken: request.progressToken });
    const id = jsonRpcId(exchange);
    const bytes = rewriteIds(request, { id, progressToken: id });
    const problem = hasNoEffect(request) ? this.#channel.write(bytes) : this.#channel.writeCall(bytes);
    if (problem === undefined) return;
    this.#entries.delete(exchange);
    this.#listener.exchangeFailed(exchange, ExchangeFailure.NOT_SENT, problem);
  }

  /** Which of the clients that share the server cancels a request is not to be told from its id: `cancel` knows. */
  #sendOther(message: McpNotification | McpResponse): void {
    if (message.kind === "notification" && message.method === "notifications/cancelled") return;
    const problem = this.#channel.write(message.bytes);
    if (problem !== undefined) this.#listener.exchangeFailed(0, ExchangeFailure.NOT_SENT, problem);
  }

  #sweep(): void {
    if (this.#entries.size < SWEEP_AT) return;
    for (const exchange of this.#entries.keys())
      if (!this.#listener.isWaiting(exchange)) this.#entries.delete(exchange);
  }

  // ── from the server ────────────────────────────────────────────────────────────────────────────────────────────

  #receive(payload: Uint8Array): void {
    try {
      const message = parseMessage(payload);
      if (message.kind === "response") this.#receiveResponse(message);
      else if (message.kind === "notification") this.#receiveNotification(message);
      else this.#listener.message(message.bytes);
    } catch (error) {
      const known = error instanceof MalformedMessageError ? error : undefined;
      this.#receiveRubbish(known?.message ?? "it could not be read", known?.id);
    }
  }

  #receiveRubbish(reason: string, id: JsonRpcId | undefined): void {
    this.#listener.rubbish(reason, exchangeOf(id));
  }

  #receiveResponse(response: McpResponse): void {
    if (response.id === undefined) return this.#listener.message(response.bytes);
    const found = this.#find(response.id);
    // Late, or never asked for.
    if (!found) return;
    this.#entries.delete(found.exchange);
    const { id } = found.entry;
    this.#listener.message(rewriteIds(response, { id, subscriptionId: id }), found.exchange);
  }

  #receiveNotification(notification: McpNotification): void {
    const tag = tagOf(notification);
    if (tag === undefined) return this.#listener.message(notification.bytes);
    const found = this.#find(tag);
    if (!found) return;
    const { id, progressToken } = found.entry;
    if (notification.method === "notifications/progress" && progressToken === undefined) return;
    const bytes = rewriteIds(notification, { requestId: id, subscriptionId: id, progressToken });
    this.#listener.message(bytes, found.exchange);
  }

  #find(id: JsonRpcId): { readonly exchange: number; readonly entry: Entry } | undefined {
    const exchange = exchangeOf(id);
    const entry = exchange === undefined ? undefined : this.#entries.get(exchange);
    return exchange === undefined || entry === undefined ? undefined : { exchange, entry };
  }

  #receiveLarge(): LargeMessageSink {
    const sink = this.#listener.large();
    let exchange: number | undefined;
    let subscription: number | undefined;
    const rewriter = new LargeIdRewriter((id, place) => {
      const found = this.#find(id);
      if (place === "subscriptionId") {
        subscription = found?.exchange ?? 0;
      } else {
        exchange = found?.exchange;
      }
      return found?.entry.id;
    });
    return {
      push: (chunk) => {
        for (const piece of rewriter.push(chunk)) sink.push(piece);
      },
      end: () => {
        if (exchange === undefined) return sink.abort("it answers no call that is under way");
        this.#entries.delete(exchange);
        if (subscription === undefined || subscription === exchange) return sink.end(exchange);
        // It names what another client asked for, or nobody: its client must not take that for its own.
        sink.abort(ODD_SUBSCRIPTION);
        this.#listener.exchangeFailed(exchange, ExchangeFailure.BAD_TARGET, ODD_SUBSCRIPTION);
      },
      abort: (reason) => sink.abort(reason),
    };
  }
}

/** Exchanges are numbers, and the server was given nothing else. */
function exchangeOf(id: JsonRpcId | undefined): number | undefined {
  const exchange = Number(id?.text);
  return id !== undefined && /^[1-9][0-9]{0,15}$/.test(id.text) && Number.isSafeInteger(exchange)
    ? exchange
    : undefined;
}

/** What ties a notification to one exchange, if anything does. */
function tagOf(notification: McpNotification): JsonRpcId | undefined {
  if (notification.method === "notifications/progress") return notification.progressToken;
  if (notification.method === "notifications/cancelled") return notification.requestId;
  return notification.subscriptionId;
}
