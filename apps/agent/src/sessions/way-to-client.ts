import { ExchangeFailure, type SessionRequest } from "@drawbridge/protocol";
import type { Era, McpMessage, McpRequest } from "@drawbridge/mcp";
import type { Masker } from "@drawbridge/masking";
import type { LargeMessageSink } from "../targets/target.js";
import type { Brake } from "./brake.js";
import type { Exchanges, Route } from "./exchanges.js";
import type { FailedInitialize } from "./failed-initialize.js";
import type { LargeMessageOwner } from "./large-message.js";
import { LargeResults } from "./large-results.js";
import { type MaskedMessage, maskOrWithhold, type Withheld } from "./masked-message.js";
import type { Outbox } from "./outbox.js";
import { isOwnExchange } from "./own-request.js";
import { readMessage } from "./read-message.js";
import type { Reports } from "./reports.js";
import type { SessionTools } from "./session-tools.js";
import type { SparseLog } from "./sparse-log.js";

const LIST_TOO_LONG = "its list of tools is too long";
/** Takes what nobody wants. */
export const IGNORED_MESSAGE: LargeMessageSink = {
  push: () => undefined,
  end: () => undefined,
  abort: () => undefined,
};

export interface WayToClientOptions {
  readonly era: Era;
  readonly exchanges: Exchanges;
  readonly tools: SessionTools;
  /** Of a legacy session. */
  readonly initialize: FailedInitialize | undefined;
  readonly masker: Masker;
  /** Longest message that goes in one frame. */
  readonly maxMessageBytes: () => number;
  /** Longest response, as the target sends it. */
  readonly maxResultBytes: number;
  readonly reports: Reports;
  readonly outbox: Outbox<SessionRequest>;
  readonly brake: Brake;
  /** A request of the target will not reach the client. */
  readonly onWithheldRequest: (request: McpRequest) => void;
  /** The target sent something that is no message; `exchange` as far as it is known. */
  readonly onRubbish: (problem: string, exchange: number | undefined) => void;
  readonly fail: (exchange: number, failure: ExchangeFailure, reason: string) => void;
  readonly log: SparseLog;
}

/**
 * The way of what the target says to the client of its session: read, kept where the agent itself asked for it, given to
 * its exchange, masked, and sent on: in one frame or in pieces, a list of tools with what the control plane is told of it.
 */
export class WayToClient {
  readonly #options: WayToClientOptions;
  readonly #large: LargeResults;

  constructor(options: WayToClientOptions) {
    this.#options = options;
    this.#large = new LargeResults({
      outbox: options.outbox,
      brake: options.brake,
      masker: options.masker,
      maxBytes: options.maxResultBytes,
      maxFrameBytes: options.maxMessageBytes,
      owner: this.#largeMessageOwner,
    });
  }

  /** A large result is on its way that another stream would cut off. */
  get isTransferring(): boolean {
    return this.#large.isUnderWay;
  }

  /** After the outbox was told. */
  streamLost(): void {
    this.#large.streamLost();
  }

  /** What the target has not finished it never will. */
  abort(reason: string): void {
    this.#large.abort(reason);
  }

  /** One message of the target; `known`: its exchange, where the transport says so. */
  take(payload: Uint8Array, known: number | undefined): void {
    const parsed = this.#read(payload, known);
    if (!parsed || this.#isForAgent(parsed, known)) return;
    const route = this.#route(parsed, known);
    if (!route) return;
    const masked = this.#mask(parsed, route);
    if (!masked) return;
    const { exchanges, initialize } = this.#options;
    exchanges.touch(route.exchange);
    if (this.#takesList(parsed, route, masked)) return;
    if (initialize?.isFailure(parsed, route))
      void initialize.explain(route.exchange, () => this.#deliver(route, masked));
    else this.#deliver(route, masked);
  }

  /** A message begins that is too large to be kept. */
  takeLarge(known: number | undefined): LargeMessageSink {
    if (!isOwnExchange(known)) return this.#large.begin(known);
    this.#options.tools.failed(LIST_TOO_LONG, known);
    return IGNORED_MESSAGE;
  }

  #read(payload: Uint8Array, known: number | undefined): McpMessage | undefined {
    const { tools, exchanges, onRubbish, log } = this.#options;
    const read = readMessage(payload, log);
    if (read.kind !== "unreadable") return read;
    const { id, problem } = read;
    if (id && tools.isAnsweredBy(id)) tools.failed("its answer is no message");
    else onRubbish(problem, known ?? (id && exchanges.exchangeOfId(id)));
    return undefined;
  }

  /** What a target says beside an answer to the agent belongs to the session, and a modern one has no stream of its own. */
  #isForAgent(message: McpMessage, known: number | undefined): boolean {
    const { tools, era } = this.#options;
    if (message.kind === "notification" && message.method === "notifications/tools/list_changed")
      tools.changed();
    if (message.kind === "response") return tools.take(message);
    return isOwnExchange(known) && era === "modern";
  }

  #route(parsed: McpMessage, known: number | undefined): Route | undefined {
    const { exchanges, log } = this.#options;
    const route = exchanges.route(parsed, isOwnExchange(known) ? 0 : known);
    if (route) return route;
    if (parsed.kind === "response") log.warn({}, "a response of the target to no request was dropped");
    else log.debug("a message of the target that nobody subscribed to was dropped");
    return undefined;
  }

  #mask(parsed: McpMessage, route: Route): MaskedMessage | undefined {
    const { masker, maxMessageBytes, exchanges } = this.#options;
    const mayBeLarge = route.final && exchanges.mayBeLarge(route.exchange);
    const maxBytes = mayBeLarge ? Number.POSITIVE_INFINITY : maxMessageBytes();
    const masked = maskOrWithhold(parsed.bytes, { masker, maxBytes });
    if (!("failure" in masked)) return masked;
    this.#withhold(parsed, route, masked);
    return undefined;
  }

  #withhold(parsed: McpMessage, { exchange, final }: Route, { failure, reason }: Withheld): void {
    const { fail, onWithheldRequest, log } = this.#options;
    if (final) {
      fail(exchange, failure, reason);
      return;
    }
    log.warn({ failure }, "a message of the target was withheld");
    if (parsed.kind === "request") onWithheldRequest(parsed);
  }

  /** True for a list of tools that a client asked for: it is shown together with what the control plane is told of it. */
  #takesList(response: McpMessage, route: Route, masked: MaskedMessage): boolean {
    if (response.kind !== "response" || !route.final) return false;
    const { tools, exchanges, reports } = this.#options;
    const answer = { response, masked: masked.payload };
    const isList = tools.readList(route.exchange, answer, (list) => {
      if ("fault" in list) reports.exchangeFailed(route.exchange, ExchangeFailure.BAD_TARGET, list.fault);
      else reports.message(route, masked, list.shown);
    });
    // Whoever sent it is done with it.
    if (isList) exchanges.end(route.exchange);
    return isList;
  }

  #deliver(route: Route, masked: MaskedMessage): void {
    const { exchanges, maxMessageBytes, reports } = this.#options;
    const { exchange, final } = route;
    if (final && !exchanges.isOpen(exchange)) return;
    if (final) exchanges.end(exchange);
    if (masked.payload.length > maxMessageBytes()) this.#large.send(exchange, masked);
    else reports.message(route, masked);
  }

  readonly #largeMessageOwner: LargeMessageOwner = {
    touch: (exchange) => {
      const { exchanges } = this.#options;
      for (const each of exchange === undefined ? exchanges.open : [exchange]) exchanges.touch(each);
    },
    answeredBy: (id, exchange) => {
      const { tools, exchanges } = this.#options;
      if (tools.isAnsweredBy(id)) tools.failed(LIST_TOO_LONG);
      return exchanges.answeredBy(id, exchange);
    },
    mayBeLarge: (exchange) => this.#options.exchanges.mayBeLarge(exchange),
    onlyOpen: () => {
      const { open } = this.#options.exchanges;
      return open.length === 1 ? open[0] : undefined;
    },
    answered: (exchange) => this.#options.exchanges.end(exchange),
    fail: (exchange, failure, reason) => this.#options.fail(exchange, failure, reason),
    dropped: (reason) => this.#options.log.warn({ reason }, "a large message of the target was dropped"),
  };
}
