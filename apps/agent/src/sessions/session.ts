import {
  ExchangeFailure,
  type SessionRequest,
  type SessionResponse,
  type SessionResponse_Message as ClientMessage,
  type TargetDefinition,
} from "@drawbridge/protocol";
import {
  errorResponse,
  MalformedMessageError,
  type McpMessage,
  type McpRequest,
  parseMessage,
  RpcErrorCode,
} from "@drawbridge/mcp";
import type { Masker } from "@drawbridge/masking";
import type { Logger } from "pino";
import type { Target, TargetEnd, TargetListener } from "../targets/target.js";
import { TargetRefusedError } from "../targets/target-refused-error.js";
import { boundedTimeouts, Exchanges, type ExchangeTimeouts, type Lateness, type Route } from "./exchanges.js";
import { exchangeOfExcerpt } from "./oversized-message.js";
import { Outbox, type Sink } from "./outbox.js";

const ERROR_RESPONSE_OF_TARGET_REQUEST = {
  code: RpcErrorCode.InternalError,
  message: "the request was withheld by the gateway",
};
const RESULT_REPEAT_WINDOW_MS = 15_000;

export interface SessionOptions {
  readonly id: string;
  /** Starts or reaches the target. Throws TargetRefusedError when this host does not allow it or cannot do it. */
  readonly openTarget: (definition: TargetDefinition, listener: TargetListener) => Target;
  readonly masker: Masker;
  readonly bufferedBytes: number;
  readonly timeouts: ExchangeTimeouts;
  /** The smaller of what the control plane and this host allow. */
  readonly maxMessageBytes: () => number;
  /** Whether the control plane's permission to operate holds. */
  readonly mayOperate: () => boolean;
  /** The target is gone or was never allowed to come: the session is over and its last frame is on its way. */
  readonly onTargetEnded: (reason: string) => void;
  readonly log: Logger;
}

/**
 * One session: a principal's use of one target. Everything between the two passes through here, in one order: what the
 * client sends is checked and handed to the target; what the target sends is validated, masked whole and sent on.
 */
export class Session implements TargetListener {
  readonly id: string;
  readonly #options: SessionOptions;
  readonly #log: Logger;
  readonly #exchanges: Exchanges;
  readonly #outbox: Outbox<SessionRequest>;
  #definition: TargetDefinition | undefined;
  #target: Target | undefined;
  #lastStderrLine = "";
  #isOver = false;

  constructor(options: SessionOptions) {
    this.id = options.id;
    this.#options = options;
    this.#log = options.log.child({ session: options.id });
    this.#exchanges = new Exchanges((exchange, after) => this.#timedOut(exchange, after));
    this.#outbox = new Outbox({
      highWaterBytes: options.bufferedBytes,
      repeatWindowMs: RESULT_REPEAT_WINDOW_MS,
      now: () => performance.now(),
      onCongestion: (congested) => (congested ? this.#target?.pause() : this.#target?.resume()),
    });
  }

  /** True once the control plane has said what the target is: from then on a new stream resumes. */
  get isOpen(): boolean {
    return this.#definition !== undefined;
  }

  /** Nothing more will come and all of it has been taken by a stream. */
  get isFinished(): boolean {
    return this.#isOver && this.#outbox.isEmpty;
  }

  connect(sink: Sink<SessionRequest>): void {
    this.#outbox.connect(sink);
  }

  disconnect(): void {
    this.#outbox.disconnect();
  }

  /** The stream takes frames again. */
  ready(): void {
    this.#outbox.ready();
  }

  /** A frame of the control plane. Close is not for the session: whoever holds its stream ends it. */
  receive(frame: NonNullable<SessionResponse["frame"]>): void {
    switch (frame.$case) {
      case "open":
        // The target of a resumed session stays what it is.
        this.#definition ??= frame.value.target;
        return;
      case "message":
        this.#forward(frame.value);
        return;
      case "cancelExchange":
        this.#cancel(frame.value.exchange, frame.value.reason);
        return;
      case "close":
        return;
      default:
        frame satisfies never;
    }
  }

  /** Ends the target and everything still open. Resolves when nothing of the session is left on this host. */
  async end(reason: string): Promise<void> {
    this.#fail(this.#exchanges.open, ExchangeFailure.OUTCOME_UNKNOWN, `the session was ended: ${reason}`);
    if (!this.#isOver) this.#say({ $case: "targetEnded", value: { reason } });
    this.#isOver = true;
    await this.#target?.close();
  }

  // ── from the client to the target ──────────────────────────────────────────────────────────────────────────────

  #forward(message: ClientMessage): void {
    const parsed = this.#check(message);
    if (!parsed || !this.#beginExchange(message.exchange, parsed)) return;
    const target = this.#targetFor(message.exchange);
    target?.send({ exchange: message.exchange, parsed, protocolVersion: message.protocolVersion });
  }

  #check(message: ClientMessage): McpMessage | undefined {
    const problem = this.#problemWith(message);
    if (problem !== undefined) {
      this.#refuse(message.exchange, problem);
      return undefined;
    }
    try {
      const parsed = parseMessage(message.payload);
      if ((parsed.kind === "request") === (message.exchange !== 0)) return parsed;
      this.#refuse(message.exchange, "only a request has an exchange");
    } catch (error) {
      this.#refuse(message.exchange, `the message is not valid: ${this.#problemOf(error)}`);
    }
    return undefined;
  }

  #problemWith(message: ClientMessage): string | undefined {
    if (this.#isOver) return "the session is over: initialize again";
    if (!this.#options.mayOperate()) return "the agent lost touch with the control plane: try again";
    if (message.payload.length > this.#options.maxMessageBytes()) {
      return `the message is larger than the agent's limit of ${this.#options.maxMessageBytes()} bytes`;
    }
    return undefined;
  }

  #refuse(exchange: number, reason: string): void {
    if (exchange === 0) this.#log.warn({ reason }, "a message of the client was dropped");
    else if (!this.#exchanges.isOpen(exchange)) this.#sayFailed(exchange, ExchangeFailure.NOT_SENT, reason);
  }

  #beginExchange(exchange: number, parsed: McpMessage): boolean {
    if (parsed.kind !== "request") return true;
    const beginning = this.#exchanges.begin(exchange, parsed, this.#timeouts());
    if (beginning === "seen_before")
      this.#log.warn({ exchange }, "a request arrived twice and was sent once");
    if (beginning === "id_in_use") {
      this.#refuse(exchange, "another request with this id is still in flight: use a new id");
    }
    return beginning === "begun";
  }

  #timeouts(): ExchangeTimeouts {
    const wanted = {
      totalMs: this.#definition?.exchangeTimeoutMs ?? 0,
      idleMs: this.#definition?.idleTimeoutMs ?? 0,
    };
    return boundedTimeouts(wanted, this.#options.timeouts);
  }

  #targetFor(exchange: number): Target | undefined {
    if (this.#target) return this.#target;
    try {
      if (!this.#definition)
        throw new TargetRefusedError("NOT_SENT", "the control plane sent no target definition");
      this.#target = this.#options.openTarget(this.#definition, this);
      if (this.#outbox.isCongested) this.#target.pause();
      return this.#target;
    } catch (error) {
      if (!(error instanceof TargetRefusedError)) throw error;
      this.#log.warn({ reason: error.message }, "a target was refused");
      this.exchangeFailed(exchange, ExchangeFailure[error.failure], error.message);
      return undefined;
    }
  }

  #cancel(exchange: number, reason: string): void {
    const request = this.#exchanges.requestOf(exchange);
    if (!request || this.#exchanges.isCancelled(exchange)) return;
    this.#exchanges.cancel(exchange);
    this.#target?.cancel(exchange, request, reason);
  }

  #timedOut(exchange: number, after: Lateness): void {
    const { failure, reason } = LATENESS[after];
    this.#cancel(exchange, reason);
    this.exchangeFailed(exchange, failure, reason);
  }

  // ── from the target to the client ──────────────────────────────────────────────────────────────────────────────

  message(payload: Uint8Array, exchange?: number): void {
    if (this.#isOver) return;
    const parsed = this.#parse(payload, exchange);
    if (!parsed) return;
    const route = this.#routeOf(parsed, exchange);
    if (!route) {
      this.#log.warn("a response of the target to no request was dropped");
      return;
    }
    const masked = this.#mask(parsed, route);
    if (!masked) return;
    this.#exchanges.touch(route.exchange);
    if (route.final) this.#exchanges.end(route.exchange);
    this.#say({
      $case: "message",
      value: {
        exchange: route.exchange,
        payload: asBuffer(masked.payload),
        masked: masked.masked,
        final: route.final,
      },
    });
  }

  exchangeFailed(exchange: number, failure: ExchangeFailure, reason: string): void {
    this.#fail(exchange === 0 ? [] : [exchange], failure, reason);
    if (exchange === 0) this.#log.warn({ reason }, "a message of the client did not reach the target");
  }

  rubbish(reason: string, exchange?: number): void {
    this.#log.warn({ reason }, "the target sent something that is not MCP");
    this.#fail(
      exchange === undefined ? this.#exchanges.open : [exchange],
      ExchangeFailure.BAD_TARGET,
      reason,
    );
  }

  isWaiting(exchange: number): boolean {
    return this.#exchanges.isOpen(exchange);
  }

  oversized(exchange?: number, excerpt?: string): void {
    const affected = exchange ?? exchangeOfExcerpt(this.#exchanges, excerpt ?? "");
    if (affected === undefined)
      this.#log.warn("a message of the target was larger than the limit and was dropped");
    else this.#fail([affected], ExchangeFailure.RESULT_TOO_LARGE, this.#tooLarge());
  }

  stderr(text: string): void {
    // Nobody waits for these lines: they must not fill the memory of a session whose stream is stuck.
    if (this.#isOver || this.#outbox.isCongested) return;
    try {
      const masked = this.#options.masker.maskText(text).text;
      this.#lastStderrLine = masked.trimEnd().split("\n").at(-1)?.slice(0, 500) ?? "";
      this.#say({ $case: "stderr", value: { text: Buffer.from(masked) } });
    } catch {
      this.#log.warn("lines of the target's stderr could not be masked and were dropped");
    }
  }

  ended(end: TargetEnd): void {
    if (this.#isOver) return;
    const failure = end.neverWorked ? ExchangeFailure.TARGET_UNAVAILABLE : ExchangeFailure.OUTCOME_UNKNOWN;
    this.#fail(this.#exchanges.open, failure, this.#describe(end));
    this.#say({ $case: "targetEnded", value: { reason: end.reason } });
    this.#isOver = true;
    this.#options.onTargetEnded(end.reason);
  }

  #describe(end: TargetEnd): string {
    if (!end.neverWorked || this.#lastStderrLine === "") return end.reason;
    return `${end.reason}; the last it wrote to stderr: ${this.#lastStderrLine}`;
  }

  #parse(payload: Uint8Array, exchange: number | undefined): McpMessage | undefined {
    try {
      return parseMessage(payload);
    } catch (error) {
      const id = error instanceof MalformedMessageError ? error.id : undefined;
      const answered = exchange ?? (id && this.#exchanges.exchangeOfId(id));
      this.rubbish(this.#problemOf(error), answered);
      return undefined;
    }
  }

  /** What is wrong with a message. A defect of ours in reading it must not end the other sessions of this process. */
  #problemOf(error: unknown): string {
    if (error instanceof MalformedMessageError) return error.message;
    this.#log.error(
      { error: error instanceof Error ? error.name : "unknown" },
      "a message could not be read",
    );
    return "it could not be read";
  }

  /** A transport that knows the exchange is believed, except about which message is the response. */
  #routeOf(parsed: McpMessage, exchange: number | undefined): Route | undefined {
    if (parsed.kind === "response" || exchange === undefined) return this.#exchanges.route(parsed);
    return { exchange, final: false };
  }

  #mask(parsed: McpMessage, route: Route): ReturnType<Masker["maskMessage"]> | undefined {
    if (parsed.bytes.length > this.#options.maxMessageBytes()) {
      this.#withhold(parsed, route, ExchangeFailure.RESULT_TOO_LARGE);
      return undefined;
    }
    try {
      const masked = this.#options.masker.maskMessage(parsed.bytes);
      if (masked.payload.length <= this.#options.maxMessageBytes()) return masked;
      this.#withhold(parsed, route, ExchangeFailure.RESULT_TOO_LARGE);
    } catch {
      // Whatever went wrong, what could not be masked does not leave.
      this.#withhold(parsed, route, ExchangeFailure.UNMASKABLE);
    }
    return undefined;
  }

  #withhold(parsed: McpMessage, route: Route, failure: ExchangeFailure): void {
    if (route.final) {
      // Why it could not be masked would quote it.
      const reason = failure === ExchangeFailure.UNMASKABLE ? "" : this.#tooLarge();
      this.#fail([route.exchange], failure, reason);
      return;
    }
    this.#log.warn({ failure }, "a message of the target was withheld");
    if (parsed.kind === "request") this.#refuseTargetRequest(parsed);
  }

  /** The target waits for an answer the client will never give. */
  #refuseTargetRequest(request: McpRequest): void {
    const answer = parseMessage(errorResponse(request.id, ERROR_RESPONSE_OF_TARGET_REQUEST));
    this.#target?.send({ exchange: 0, parsed: answer, protocolVersion: "" });
  }

  #tooLarge(): string {
    return `the limit is ${this.#options.maxMessageBytes()} bytes`;
  }

  // ── to the control plane ───────────────────────────────────────────────────────────────────────────────────────

  #fail(exchanges: readonly number[], failure: ExchangeFailure, reason: string): void {
    for (const exchange of exchanges) {
      if (!this.#exchanges.isOpen(exchange)) continue;
      this.#exchanges.end(exchange);
      this.#sayFailed(exchange, failure, reason);
    }
  }

  /** `message` adds to what the failure says already, for the control plane puts that into words itself. */
  #sayFailed(exchange: number, failure: ExchangeFailure, message: string): void {
    this.#say({ $case: "exchangeFailed", value: { exchange, failure, message } });
  }

  #say(frame: NonNullable<SessionRequest["frame"]>): void {
    this.#outbox.push({ frame }, sizeOf(frame), isResult(frame));
  }
}

const LATENESS = {
  total: { failure: ExchangeFailure.TIMED_OUT, reason: "the call took longer than allowed" },
  idle: { failure: ExchangeFailure.TIMED_OUT, reason: "the target was silent for too long" },
  cancelled: { failure: ExchangeFailure.OUTCOME_UNKNOWN, reason: "cancelled; the target did not answer" },
} as const satisfies Record<Lateness, { failure: ExchangeFailure; reason: string }>;

const FRAME_OVERHEAD = 64;

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function sizeOf(frame: NonNullable<SessionRequest["frame"]>): number {
  if (frame.$case === "message") return frame.value.payload.length + FRAME_OVERHEAD;
  if (frame.$case === "stderr") return frame.value.text.length + FRAME_OVERHEAD;
  return FRAME_OVERHEAD;
}

/** Frames after which an exchange is over: the control plane knows a repeated one by its exchange. */
function isResult(frame: NonNullable<SessionRequest["frame"]>): boolean {
  return frame.$case === "exchangeFailed" || (frame.$case === "message" && frame.value.final);
}
