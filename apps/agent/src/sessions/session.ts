import {
  Era as WireEra,
  ExchangeFailure,
  type SessionRequest,
  type SessionResponse,
  type SessionResponse_Message as ClientMessage,
  type SessionResponse_Open as Open,
  type TargetDefinition,
} from "@drawbridge/protocol";
import type { Era, McpMessage } from "@drawbridge/mcp";
import type { Masker } from "@drawbridge/masking";
import type { Logger } from "pino";
import type { LargeMessageSink, Target, TargetEnd, TargetListener } from "../targets/target.js";
import { Brake } from "./brake.js";
import { checkClientMessage } from "./client-check.js";
import { boundedTimeouts, Exchanges, type ExchangeTimeouts, type Lateness } from "./exchanges.js";
import { FailedInitialize } from "./failed-initialize.js";
import type { EraQuestions, Revisions } from "./modern-gate.js";
import { Outbox, type Sink } from "./outbox.js";
import { isOwnExchange } from "./own-request.js";
import { Reports } from "./reports.js";
import { SparseLog } from "./sparse-log.js";
import { StderrLines } from "./stderr-lines.js";
import { IGNORED_MESSAGE, WayToClient } from "./way-to-client.js";
import { WayToTarget } from "./way-to-target.js";

const RESULT_REPEAT_WINDOW_MS = 15_000;

export interface SessionOptions {
  readonly id: string;
  /** Starts or reaches the target. Throws TargetRefusedError when this host does not allow it or cannot do it. */
  readonly openTarget: (
    definition: TargetDefinition,
    use: { readonly listener: TargetListener; readonly era: Era },
  ) => Target;
  readonly revisions: Revisions;
  readonly masker: Masker;
  readonly bufferedBytes: number;
  readonly timeouts: ExchangeTimeouts;
  /** The smaller of what the control plane and this host allow. */
  readonly maxMessageBytes: () => number;
  /** Longest response of the target; one that does not fit into a message goes in pieces. */
  readonly maxResultBytes: number;
  /** Whether the control plane's permission to operate holds. */
  readonly mayOperate: () => boolean;
  /** The target is gone or was never allowed to come: the session is over and its last frame is on its way. */
  readonly onTargetEnded: (reason: string) => void;
  readonly log: Logger;
}

/**
 * One session: a principal's use of one target. The control plane says once what that is. What the client sends is
 * checked, begins an exchange and goes its way to the target; what the target sends goes its way to the client, masked.
 * Each exchange ends once, with its response or with a failure. Streams to the control plane come and go meanwhile: what
 * is to be said waits in the outbox. The session is over when its target is gone or whoever holds it ends it.
 */
export class Session implements TargetListener {
  readonly id: string;
  readonly #options: SessionOptions;
  readonly #log: SparseLog;
  readonly #exchanges: Exchanges;
  readonly #outbox: Outbox<SessionRequest>;
  readonly #reports: Reports;
  readonly #stderr: StderrLines;
  readonly #brake = new Brake((isHeld) => (isHeld ? this.#toTarget?.pause() : this.#toTarget?.resume()));
  #era: Era = "legacy";
  #timeouts: ExchangeTimeouts;
  /** What follows is here once the control plane has said what the target is. */
  #toTarget: WayToTarget | undefined;
  #toClient: WayToClient | undefined;
  /** Of a legacy session. */
  #initialize: FailedInitialize | undefined;
  /** Of a legacy session: before that its target may be asked for nothing. */
  #isInitialized = false;
  #targetIsGone = false;
  #isOver = false;

  constructor(options: SessionOptions) {
    this.id = options.id;
    this.#options = options;
    this.#timeouts = options.timeouts;
    this.#log = new SparseLog(options.log.child({ session: options.id }));
    this.#exchanges = new Exchanges({
      era: () => this.#era,
      onTimeout: (exchange, after) => this.#timedOut(exchange, after),
    });
    this.#outbox = new Outbox({
      highWaterBytes: options.bufferedBytes,
      repeatWindowMs: RESULT_REPEAT_WINDOW_MS,
      now: () => performance.now(),
      onCongestion: (congested) =>
        congested ? this.#brake.hold("congestion") : this.#brake.release("congestion"),
    });
    this.#reports = new Reports(this.#outbox, options.masker);
    this.#stderr = new StderrLines({
      masker: options.masker,
      say: (masked) => this.#reports.stderr(masked),
      log: this.#log,
    });
  }

  /** True once the control plane has said what the target is: from then on a new stream resumes. */
  get isOpen(): boolean {
    return this.#toTarget !== undefined;
  }

  /** Nothing more will come and all of it has been taken by a stream. */
  get isFinished(): boolean {
    return this.#isOver && this.#outbox.isEmpty;
  }

  /** A large result is on its way that another stream would cut off. */
  get isTransferring(): boolean {
    return this.#toClient?.isTransferring ?? false;
  }

  connect(sink: Sink<SessionRequest>): void {
    this.#outbox.connect(sink);
  }

  disconnect(): void {
    this.#outbox.disconnect();
    this.#toClient?.streamLost();
  }

  /** The stream takes frames again. */
  ready(): void {
    this.#outbox.ready();
  }

  /** A frame of the control plane. Close is not for the session: whoever holds its stream ends it. */
  receive(frame: NonNullable<SessionResponse["frame"]>): void {
    switch (frame.$case) {
      case "open":
        this.#open(frame.value);
        return;
      case "message":
        this.#forward(frame.value);
        return;
      case "cancelExchange":
        this.#cancel(frame.value.exchange, frame.value.reason);
        return;
      case "listTools":
        this.#listTools();
        return;
      case "close":
        return;
      default:
        frame satisfies never;
    }
  }

  /** Ends the target and everything still open. Resolves when nothing of the session is left on this host. */
  async end(reason: string): Promise<void> {
    const why = `the session was ended: ${reason}`;
    this.#toClient?.abort(reason);
    this.#failAll(this.#toTarget?.tools.close() ?? [], ExchangeFailure.NOT_SENT, why);
    this.#failAll(this.#exchanges.open, ExchangeFailure.OUTCOME_UNKNOWN, why);
    if (!this.#isOver) this.#reports.sessionEnded(reason);
    this.#isOver = true;
    await this.#toTarget?.close();
  }

  #open({ target: definition, era }: Open): void {
    // The target of a resumed session stays what it is.
    if (this.#toTarget || !definition) return;
    if (era === WireEra.MODERN) this.#era = "modern";
    const wanted = { totalMs: definition.exchangeTimeoutMs, idleMs: definition.idleTimeoutMs };
    this.#timeouts = boundedTimeouts(wanted, this.#options.timeouts);
    const asking: EraQuestions = {
      definition,
      revisions: this.#options.revisions,
      onLearned: (versions) => this.#learned(versions),
      onNotSpoken: (exchange, versions) => this.#failAsNotSpoken(exchange, versions),
    };
    if (this.#era === "legacy") {
      const log = this.#options.log.child({ session: this.id });
      this.#initialize = new FailedInitialize({ ...asking, exchanges: this.#exchanges, log });
    }
    this.#toTarget = this.#wayToTarget(asking);
    this.#toClient = this.#wayToClient(this.#toTarget);
  }

  #wayToTarget(asking: EraQuestions): WayToTarget {
    const { openTarget, bufferedBytes, maxMessageBytes, masker } = this.#options;
    return new WayToTarget({
      ...asking,
      era: this.#era,
      openTarget: () => openTarget(asking.definition, { listener: this, era: this.#era }),
      heldBytes: bufferedBytes,
      tools: {
        mask: (payload) => masker.maskMessage(payload).payload,
        maxFrameBytes: maxMessageBytes,
        requestOf: (exchange) => this.#exchanges.requestOf(exchange),
        say: (tools) => this.#reports.toolDefinitions(tools),
        brake: this.#brake,
      },
      isOver: () => this.#isOver,
      refuse: (exchange, failure, reason) => this.#fail(exchange, failure, reason),
      log: this.#log,
    });
  }

  #wayToClient(toTarget: WayToTarget): WayToClient {
    const { masker, maxMessageBytes, maxResultBytes } = this.#options;
    return new WayToClient({
      era: this.#era,
      exchanges: this.#exchanges,
      tools: toTarget.tools,
      initialize: this.#initialize,
      masker,
      maxMessageBytes,
      maxResultBytes,
      reports: this.#reports,
      outbox: this.#outbox,
      brake: this.#brake,
      onWithheldRequest: (request) => toTarget.answerWithheld(request),
      onRubbish: (problem, exchange) => this.rubbish(problem, exchange),
      fail: (exchange, failure, reason) => this.#fail(exchange, failure, reason),
      log: this.#log,
    });
  }

  // ── from the client to the target ──────────────────────────────────────────────────────────────────────────────

  #forward(message: ClientMessage): void {
    const parsed = checkClientMessage(message, {
      era: this.#era,
      isOver: this.#isOver || this.#targetIsGone,
      mayOperate: this.#options.mayOperate(),
      maxBytes: this.#options.maxMessageBytes(),
      log: this.#log,
    });
    if (parsed.kind === "refused") this.#refuse(message.exchange, parsed.problem);
    else if (this.#beginExchange(message.exchange, parsed)) this.#send(message, parsed);
  }

  #beginExchange(exchange: number, parsed: McpMessage): boolean {
    if (parsed.kind !== "request") return true;
    const beginning = this.#exchanges.begin(exchange, parsed, this.#timeouts);
    if (beginning === "seen_before")
      this.#log.warn({ exchange }, "a request arrived twice and was sent once");
    if (beginning === "id_in_use")
      this.#refuse(exchange, "another request with this id is still in flight: use a new id");
    return beginning === "begun";
  }

  #send(message: ClientMessage, parsed: McpMessage): void {
    const { exchange, protocolVersion, parameterHeaders, toolDigest } = message;
    if (parsed.kind === "notification" && parsed.method === "notifications/initialized")
      this.#isInitialized = true;
    if (this.#toTarget) {
      this.#toTarget.send({ exchange, parsed, protocolVersion, parameterHeaders, toolDigest });
      return;
    }
    const reason = "the control plane sent no target definition";
    this.#log.warn({ reason }, "a target was refused");
    this.#fail(exchange, ExchangeFailure.NOT_SENT, reason);
  }

  /** For what has begun no exchange. */
  #refuse(exchange: number, reason: string): void {
    if (exchange === 0) this.#log.warn({ reason }, "a message of the client was dropped");
    else if (!this.#exchanges.isOpen(exchange))
      this.#reports.exchangeFailed(exchange, ExchangeFailure.NOT_SENT, reason);
  }

  #cancel(exchange: number, reason: string): void {
    const request = this.#exchanges.requestOf(exchange);
    if (!request || this.#exchanges.isCancelled(exchange)) return;
    if (this.#toTarget?.withdraw(exchange)) {
      this.#fail(exchange, ExchangeFailure.NOT_SENT, "cancelled before it was sent");
      return;
    }
    this.#exchanges.cancel(exchange);
    this.#toTarget?.cancel(exchange, request, reason);
  }

  #timedOut(exchange: number, after: Lateness): void {
    const { failure, reason } = LATENESS[after];
    this.#cancel(exchange, reason);
    this.exchangeFailed(exchange, failure, reason);
  }

  #listTools(): void {
    if (this.#isOver || this.#targetIsGone || !this.#toTarget) return;
    if (this.#era === "modern" || this.#isInitialized) this.#toTarget.tools.list();
    else this.#toTarget.tools.sayUnlistable("the session is not initialized yet");
  }

  // ── from the target to the client ──────────────────────────────────────────────────────────────────────────────

  message(payload: Uint8Array, exchange?: number): void {
    if (!this.#isOver) this.#toClient?.take(payload, exchange);
  }

  large(exchange?: number): LargeMessageSink {
    return (this.#isOver ? undefined : this.#toClient?.takeLarge(exchange)) ?? IGNORED_MESSAGE;
  }

  isWaiting(exchange: number): boolean {
    if (isOwnExchange(exchange)) return this.#toTarget?.tools.isWaiting(exchange) ?? false;
    return this.#exchanges.isOpen(exchange) && !this.#initialize?.isAsking(exchange);
  }

  stderr(text: string): void {
    // Nobody waits for these lines: they must not fill the memory of a session whose stream is stuck.
    if (this.#isOver || this.#outbox.isCongested) return;
    this.#stderr.take(text);
  }

  #learned(versions: readonly string[]): void {
    if (!this.#isOver) this.#reports.targetVersions(versions);
  }

  // ── what ends without a response ───────────────────────────────────────────────────────────────────────────────

  exchangeFailed(exchange: number, failure: ExchangeFailure, reason: string): void {
    if (exchange === 0) this.#log.warn({ reason }, "a message of the client did not reach the target");
    else if (failure !== ExchangeFailure.NOT_SENT && exchange === this.#initialize?.open)
      void this.#initialize.explain(exchange, () => this.#fail(exchange, failure, reason));
    else this.#fail(exchange, failure, reason);
  }

  rubbish(reason: string, exchange?: number): void {
    this.#log.warn({ reason }, "the target sent something that is not MCP");
    if (exchange === undefined) this.#toTarget?.tools.failed(reason);
    const affected = exchange === undefined ? this.#exchanges.open : [exchange];
    this.#failAll(affected, ExchangeFailure.BAD_TARGET, reason);
  }

  ended(end: TargetEnd): void {
    if (this.#isOver || this.#targetIsGone) return;
    this.#targetIsGone = true;
    const initialize = this.#initialize?.open;
    if (!this.#initialize || initialize === undefined) this.#goneWithTarget(end);
    else {
      // It may have left because it does not know the request: then that is what the client has to hear.
      void this.#initialize.explain(initialize, () => undefined).then(() => this.#goneWithTarget(end));
    }
  }

  #goneWithTarget(end: TargetEnd): void {
    if (this.#isOver) return;
    const reason = this.#stderr.describe(end);
    this.#toClient?.abort(end.reason);
    const neverSent = this.#toTarget?.tools.close() ?? [];
    const failure = end.neverWorked ? ExchangeFailure.TARGET_UNAVAILABLE : ExchangeFailure.OUTCOME_UNKNOWN;
    if (!end.neverWorked) this.#failAll(neverSent, ExchangeFailure.NOT_SENT, reason);
    this.#failAll(this.#exchanges.open, failure, reason);
    this.#reports.targetEnded(end.reason);
    this.#isOver = true;
    this.#options.onTargetEnded(end.reason);
  }

  #failAsNotSpoken(exchange: number, versions: readonly string[]): void {
    this.#toTarget?.tools.failed("it does not speak the session's era", exchange);
    if (!this.#exchanges.isOpen(exchange)) return;
    this.#exchanges.end(exchange);
    this.#reports.eraNotSpoken(exchange, versions);
  }

  #failAll(exchanges: readonly number[], failure: ExchangeFailure, reason: string): void {
    for (const exchange of exchanges) this.#fail(exchange, failure, reason);
  }

  #fail(exchange: number, failure: ExchangeFailure, reason: string): void {
    if (isOwnExchange(exchange)) this.#toTarget?.tools.failed(reason, exchange, failure);
    if (!this.#exchanges.isOpen(exchange)) return;
    this.#exchanges.end(exchange);
    this.#reports.exchangeFailed(exchange, failure, reason);
  }
}

const LATENESS = {
  total: { failure: ExchangeFailure.TIMED_OUT, reason: "the call took longer than allowed" },
  idle: { failure: ExchangeFailure.TIMED_OUT, reason: "the target was silent for too long" },
  cancelled: { failure: ExchangeFailure.OUTCOME_UNKNOWN, reason: "cancelled; the target did not answer" },
} as const satisfies Record<Lateness, { failure: ExchangeFailure; reason: string }>;
