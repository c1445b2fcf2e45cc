import { type Era, errorResponse, type McpRequest, parseMessage, RpcErrorCode } from "@drawbridge/mcp";
import { ExchangeFailure } from "@drawbridge/protocol";
import { TargetRefusedError } from "../targets/target-refused-error.js";
import type { OutgoingMessage, Target } from "../targets/target.js";
import type { RequestHead } from "./exchanges.js";
import { type EraQuestions, ModernGate } from "./modern-gate.js";
import { isOwnExchange } from "./own-request.js";
import { SessionTools, type SessionToolsOptions } from "./session-tools.js";
import type { SparseLog } from "./sparse-log.js";

const WITHHELD_REQUEST = {
  code: RpcErrorCode.InternalError,
  message: "the request was withheld by the gateway",
};

export interface WayToTargetOptions extends EraQuestions {
  readonly era: Era;
  /** Starts or reaches the target. */
  readonly openTarget: () => Target;
  /** What may wait at each station. */
  readonly heldBytes: number;
  readonly tools: Pick<SessionToolsOptions, "mask" | "maxFrameBytes" | "requestOf" | "say" | "brake">;
  readonly isOver: () => boolean;
  /** A message was not sent. */
  readonly refuse: (exchange: number, failure: ExchangeFailure, reason: string) => void;
  readonly log: SparseLog;
}

/**
 * The way of one session to its target. Whatever is sent in a modern session waits until the target is known to speak its
 * era; a call of the client until the target shows the definition of its tool that was accepted. The target is opened
 * with the first message that can be sent.
 */
export class WayToTarget {
  readonly tools: SessionTools;
  readonly #options: WayToTargetOptions;
  readonly #gate: ModernGate | undefined;
  #target: Target | undefined;

  constructor(options: WayToTargetOptions) {
    this.#options = options;
    this.tools = this.#createTools();
    if (options.era === "modern") this.#gate = this.#createGate();
  }

  /** Sends a message of the client. */
  send(message: OutgoingMessage): void {
    if (!this.#gate) this.#sendWhenPinned(message);
    else if (!this.#gate.send(message))
      this.#refuse(message, "too much waits for the target to start: try again");
  }

  /** True when the request of this exchange was still on its way and now never arrives. */
  withdraw(exchange: number): boolean {
    return this.#gate?.withdraw(exchange) === true || this.tools.withdraw(exchange);
  }

  /** Nobody waits any more for a request that was sent. */
  cancel(exchange: number, request: RequestHead, reason: string): void {
    this.#target?.cancel(exchange, request, reason);
  }

  /** The target waits for an answer the client will never give. */
  answerWithheld(request: McpRequest): void {
    const answer = parseMessage(errorResponse(request.id, WITHHELD_REQUEST));
    this.#target?.send({ exchange: 0, parsed: answer, protocolVersion: "", parameterHeaders: {} });
  }

  pause(): void {
    this.#target?.pause();
  }

  resume(): void {
    this.#target?.resume();
  }

  async close(): Promise<void> {
    await this.#target?.close();
  }

  #createTools(): SessionTools {
    const { era, definition, heldBytes, refuse, tools } = this.#options;
    return new SessionTools({
      ...tools,
      era,
      transport: definition.transport?.$case,
      heldBytes,
      now: () => performance.now(),
      pass: (message) => this.#dispatch(message),
      send: (message) => this.#sendOwn(message),
      cancel: (exchange, request, reason) => this.#cancelOwn(exchange, request, reason),
      refuse,
    });
  }

  #createGate(): ModernGate {
    const { definition, revisions, heldBytes, onLearned, onNotSpoken } = this.#options;
    return new ModernGate({
      definition,
      revisions,
      heldBytes,
      pass: (message) =>
        isOwnExchange(message.exchange) ? this.#dispatch(message) : this.#sendWhenPinned(message),
      onLearned,
      onNotSpoken,
      onUnknown: ({ exchange }, error) => this.#targetRefused(exchange, error),
    });
  }

  /** A call goes out when the target shows the definition of its tool that was accepted. */
  #sendWhenPinned(message: OutgoingMessage): void {
    if (this.#options.isOver()) return;
    // What cannot be used at all need not be asked for its tools to say why.
    if (this.#targetFor(message.exchange) && !this.tools.send(message))
      this.#refuse(message, "too much waits for the target to list its tools: try again");
  }

  #sendOwn(message: OutgoingMessage): void {
    if (!this.#gate) this.#dispatch(message);
    else if (!this.#gate.send(message)) this.tools.failed("too much waits for it to start", message.exchange);
  }

  #cancelOwn(exchange: number, request: RequestHead, reason: string): void {
    if (!this.#gate?.withdraw(exchange)) this.cancel(exchange, request, reason);
  }

  #dispatch(message: OutgoingMessage): void {
    if (!this.#options.isOver()) this.#targetFor(message.exchange)?.send(message);
  }

  #targetFor(exchange: number): Target | undefined {
    if (this.#target) return this.#target;
    const { openTarget, tools } = this.#options;
    try {
      this.#target = openTarget();
      if (tools.brake.isHeld) this.#target.pause();
      return this.#target;
    } catch (error) {
      // A defect of ours in starting one target must not end the sessions of the others.
      this.#targetRefused(exchange, error);
      return undefined;
    }
  }

  #targetRefused(exchange: number, error: unknown): void {
    const { refuse, log } = this.#options;
    const refusal =
      error instanceof TargetRefusedError
        ? error
        : new TargetRefusedError("TARGET_UNAVAILABLE", "the agent could not use it: look at the agent's log");
    if (refusal !== error)
      log.error({ error: error instanceof Error ? error.name : "unknown" }, "a target could not be used");
    log.warn({ reason: refusal.message }, "a target was refused");
    refuse(exchange, ExchangeFailure[refusal.failure], refusal.message);
  }

  #refuse({ exchange }: OutgoingMessage, reason: string): void {
    this.#options.refuse(exchange, ExchangeFailure.NOT_SENT, reason);
  }
}
