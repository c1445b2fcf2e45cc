import {
  Era as WireEra,
  ExchangeFailure,
  type SessionRequest,
  type SessionRequest_ToolDefinitions as ToolDefinitions,
  type SessionResponse,
  type SessionResponse_Message as ClientMessage,
  type SessionResponse_Open as Open,
  type TargetDefinition,
} from "@drawbridge/protocol";
import {
  type Era,
  eraOf,
  errorCodeOf,
  errorResponse,
  MalformedMessageError,
  type McpMessage,
  type McpRequest,
  parseMessage,
  RpcErrorCode,
} from "@drawbridge/mcp";
import type { Masker } from "@drawbridge/masking";
import type { Logger } from "pino";
import type {
  LargeMessageSink,
  OutgoingMessage,
  Target,
  TargetEnd,
  TargetListener,
} from "../targets/target.js";
import { TargetRefusedError } from "../targets/target-refused-error.js";
import { Brake } from "./brake.js";
import type { ReadList } from "./client-lists.js";
import {
  boundedTimeouts,
  Exchanges,
  type ExchangeTimeouts,
  type Lateness,
  type RequestHead,
  type Route,
} from "./exchanges.js";
import { FailedInitialize } from "./failed-initialize.js";
import { frameBytes } from "./frame-size.js";
import type { LargeMessageOwner } from "./large-message.js";
import { LargeResults } from "./large-results.js";
import { ModernGate, type Revisions } from "./modern-gate.js";
import { Outbox, type Sink } from "./outbox.js";
import { isOwnExchange } from "./own-request.js";
import { SessionTools } from "./session-tools.js";
import { SparseLog } from "./sparse-log.js";

const ERROR_RESPONSE_OF_TARGET_REQUEST = {
  code: RpcErrorCode.InternalError,
  message: "the request was withheld by the gateway",
};
const RESULT_REPEAT_WINDOW_MS = 15_000;
const LONGEST_REASON = 1_000;
const LIST_TOO_LONG = "its list of tools is too long";
const IGNORED: LargeMessageSink = { push: () => undefined, end: () => undefined, abort: () => undefined };

type Frame = NonNullable<SessionRequest["frame"]>;
type MaskedMessage = ReturnType<Masker["maskMessage"]>;

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
 * One session: a principal's use of one target. Everything between the two passes through here, in one order: what the
 * client sends is checked and handed to the target; what the target sends is validated, masked and sent on.
 */
export class Session implements TargetListener {
  readonly id: string;
  readonly #options: SessionOptions;
  readonly #log: SparseLog;
  readonly #exchanges: Exchanges;
  readonly #outbox: Outbox<SessionRequest>;
  readonly #brake = new Brake((isHeld) => (isHeld ? this.#target?.pause() : this.#target?.resume()));
  readonly #large: LargeResults;
  readonly #failedInitialize: FailedInitialize;
  #definition: TargetDefinition | undefined;
  #era: Era = "legacy";
  #gate: ModernGate | undefined;
  #tools: SessionTools | undefined;
  #target: Target | undefined;
  #lastStderrLine = "";
  #targetIsGone = false;
  #isOver = false;
  /** Of a legacy session: before that its target may be asked for nothing. */
  #isInitialized = false;

  constructor(options: SessionOptions) {
    this.id = options.id;
    this.#options = options;
    const log = options.log.child({ session: options.id });
    this.#log = new SparseLog(log);
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
    this.#large = new LargeResults({
      outbox: this.#outbox,
      brake: this.#brake,
      masker: options.masker,
      maxBytes: options.maxResultBytes,
      maxFrameBytes: options.maxMessageBytes,
      owner: this.#largeMessageOwner,
    });
    this.#failedInitialize = new FailedInitialize({
      revisions: options.revisions,
      onLearned: (versions) => this.#sayLearned(versions),
      onNotSpoken: (exchange, versions) => this.#failAsNotSpoken(exchange, versions),
      log,
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

  /** A large result is on its way that another stream would cut off. */
  get isTransferring(): boolean {
    return this.#large.isUnderWay;
  }

  connect(sink: Sink<SessionRequest>): void {
    this.#outbox.connect(sink);
  }

  disconnect(): void {
    this.#outbox.disconnect();
    this.#large.streamLost();
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
    this.#large.abort(reason);
    this.#fail(this.#tools?.close() ?? [], ExchangeFailure.NOT_SENT, `the session was ended: ${reason}`);
    this.#fail(this.#exchanges.open, ExchangeFailure.OUTCOME_UNKNOWN, `the session was ended: ${reason}`);
    if (!this.#isOver) this.#say({ $case: "targetEnded", value: { reason } });
    this.#isOver = true;
    await this.#target?.close();
  }

  #open({ target, era }: Open): void {
    // The target of a resumed session stays what it is.
    if (this.#definition || !target) return;
    this.#definition = target;
    if (era === WireEra.MODERN) this.#era = "modern";
    this.#tools = this.#createTools(target);
    if (this.#era === "legacy") return;
    this.#gate = new ModernGate({
      definition: target,
      revisions: this.#options.revisions,
      heldBytes: this.#options.bufferedBytes,
      pass: (message) =>
        isOwnExchange(message.exchange) ? this.#dispatch(message) : this.#sendWhenPinned(message),
      onLearned: (versions) => this.#sayLearned(versions),
      onNotSpoken: ({ exchange }, versions) => this.#failAsNotSpoken(exchange, versions),
      onUnknown: ({ exchange }, error) => this.#targetRefused(exchange, error),
    });
  }

  #createTools(definition: TargetDefinition): SessionTools {
    const { masker, maxMessageBytes, bufferedBytes } = this.#options;
    return new SessionTools({
      era: this.#era,
      transport: definition.transport?.$case,
      heldBytes: bufferedBytes,
      maxFrameBytes: maxMessageBytes,
      now: () => performance.now(),
      mask: (payload) => masker.maskMessage(payload).payload,
      pass: (message) => this.#dispatch(message),
      send: (message) => this.#sendOwn(message),
      cancel: (exchange, request, reason) => this.#cancelOwn(exchange, request, reason),
      requestOf: (exchange) => this.#exchanges.requestOf(exchange),
      refuse: (exchange, failure, reason) => this.#fail([exchange], failure, reason),
      say: (value) => this.#say({ $case: "toolDefinitions", value: this.#maskFailure(value) }),
      brake: this.#brake,
    });
  }

  // ── from the client to the target ──────────────────────────────────────────────────────────────────────────────

  #forward(message: ClientMessage): void {
    const parsed = this.#check(message);
    if (!parsed || !this.#beginExchange(message.exchange, parsed)) return;
    const { exchange, protocolVersion, parameterHeaders, toolDigest } = message;
    const outgoing = { exchange, parsed, protocolVersion, parameterHeaders, toolDigest };
    if (parsed.kind === "notification" && parsed.method === "notifications/initialized")
      this.#isInitialized = true;
    if (!this.#gate) this.#sendWhenPinned(outgoing);
    else if (!this.#gate.send(outgoing))
      this.#fail([exchange], ExchangeFailure.NOT_SENT, "too much waits for the target to start: try again");
  }

  /** A call goes out when the target shows the definition of its tool that was accepted. */
  #sendWhenPinned(message: OutgoingMessage): void {
    if (this.#isOver) return;
    // Without a definition there is no target: whoever sends to it says so.
    if (!this.#tools) this.#dispatch(message);
    // What cannot be used at all need not be asked for its tools to say why.
    else if (this.#targetFor(message.exchange) && !this.#tools.send(message)) {
      const reason = "too much waits for the target to list its tools: try again";
      this.#fail([message.exchange], ExchangeFailure.NOT_SENT, reason);
    }
  }

  #dispatch(message: OutgoingMessage): void {
    if (!this.#isOver) this.#targetFor(message.exchange)?.send(message);
  }

  #check(message: ClientMessage): McpMessage | undefined {
    const problem = this.#problemWith(message);
    if (problem !== undefined) {
      this.#refuse(message.exchange, problem);
      return undefined;
    }
    try {
      const parsed = parseMessage(message.payload);
      const misfit = this.#misfitOf(parsed, message.exchange);
      if (misfit === undefined) return parsed;
      this.#refuse(message.exchange, misfit);
    } catch (error) {
      this.#refuse(message.exchange, `the message is not valid: ${this.#problemOf(error)}`);
    }
    return undefined;
  }

  /** A target speaks one era in a session. Notifications of the modern era need not name it, and responses cannot. */
  #misfitOf(parsed: McpMessage, exchange: number): string | undefined {
    if ((parsed.kind === "request") !== (exchange !== 0)) return "only a request has an exchange";
    const era = eraOf(parsed);
    const fits = era === this.#era || (era === "legacy" && parsed.kind !== "request");
    return fits ? undefined : `a message of the ${era} era cannot be sent in a session of the other one`;
  }

  #problemWith(message: ClientMessage): string | undefined {
    if (this.#isOver || this.#targetIsGone) return "the session is over: open a new one";
    if (isOwnExchange(message.exchange)) return "the number of its exchange is too high";
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
      this.#target = this.#options.openTarget(this.#definition, { listener: this, era: this.#era });
      if (this.#brake.isHeld) this.#target.pause();
      return this.#target;
    } catch (error) {
      // A defect of ours in starting one target must not end the sessions of the others.
      this.#targetRefused(exchange, error);
      return undefined;
    }
  }

  #targetRefused(exchange: number, error: unknown): void {
    const refusal =
      error instanceof TargetRefusedError
        ? error
        : new TargetRefusedError("TARGET_UNAVAILABLE", "the agent could not use it: look at the agent's log");
    if (refusal !== error) this.#log.error({ error: nameOf(error) }, "a target could not be used");
    this.#log.warn({ reason: refusal.message }, "a target was refused");
    this.#fail([exchange], ExchangeFailure[refusal.failure], refusal.message);
  }

  #cancel(exchange: number, reason: string): void {
    const request = this.#exchanges.requestOf(exchange);
    if (!request || this.#exchanges.isCancelled(exchange)) return;
    if (this.#gate?.withdraw(exchange) || this.#tools?.withdraw(exchange)) {
      this.#fail([exchange], ExchangeFailure.NOT_SENT, "cancelled before it was sent");
      return;
    }
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
    if (!parsed || this.#isForAgent(parsed, exchange)) return;
    const route = this.#exchanges.route(parsed, isOwnExchange(exchange) ? 0 : exchange);
    if (!route) {
      if (parsed.kind === "response")
        this.#log.warn({}, "a response of the target to no request was dropped");
      else this.#log.debug("a message of the target that nobody subscribed to was dropped");
      return;
    }
    const masked = this.#mask(parsed, route);
    if (!masked) return;
    this.#exchanges.touch(route.exchange);
    if (this.#takesList(parsed, route, masked)) return;
    if (this.#isFailedInitialize(parsed, route))
      void this.#explainInitialize(route.exchange, () => this.#deliver(route, masked));
    else this.#deliver(route, masked);
  }

  large(exchange?: number): LargeMessageSink {
    if (isOwnExchange(exchange)) this.#tools?.failed(LIST_TOO_LONG, exchange);
    return this.#isOver || isOwnExchange(exchange) ? IGNORED : this.#large.begin(exchange);
  }

  exchangeFailed(exchange: number, failure: ExchangeFailure, reason: string): void {
    if (exchange === 0) {
      this.#log.warn({ reason }, "a message of the client did not reach the target");
    } else if (exchange === this.#initialize() && failure !== ExchangeFailure.NOT_SENT) {
      void this.#explainInitialize(exchange, () => this.#fail([exchange], failure, reason));
    } else {
      this.#fail([exchange], failure, reason);
    }
  }

  rubbish(reason: string, exchange?: number): void {
    this.#log.warn({ reason }, "the target sent something that is not MCP");
    if (exchange === undefined) this.#tools?.failed(reason);
    this.#fail(
      exchange === undefined ? this.#exchanges.open : [exchange],
      ExchangeFailure.BAD_TARGET,
      reason,
    );
  }

  isWaiting(exchange: number): boolean {
    if (isOwnExchange(exchange)) return this.#tools?.isWaiting(exchange) ?? false;
    return this.#exchanges.isOpen(exchange) && !this.#failedInitialize.isAsking(exchange);
  }

  stderr(text: string): void {
    // Nobody waits for these lines: they must not fill the memory of a session whose stream is stuck.
    if (this.#isOver || this.#outbox.isCongested) return;
    try {
      const masked = this.#options.masker.maskText(text).text;
      this.#lastStderrLine = masked.trimEnd().split("\n").at(-1)?.slice(0, 500) ?? "";
      this.#say({ $case: "stderr", value: { text: Buffer.from(masked) } });
    } catch {
      this.#log.warn({}, "lines of the target's stderr could not be masked and were dropped");
    }
  }

  ended(end: TargetEnd): void {
    if (this.#isOver || this.#targetIsGone) return;
    this.#targetIsGone = true;
    const initialize = this.#initialize();
    if (initialize === undefined) {
      this.#goneWithTarget(end);
    } else {
      // It may have left because it does not know the request: then that is what the client has to hear.
      void this.#explainInitialize(initialize, () => undefined).then(() => this.#goneWithTarget(end));
    }
  }

  #goneWithTarget(end: TargetEnd): void {
    if (this.#isOver) return;
    this.#large.abort(end.reason);
    const neverSent = this.#tools?.close() ?? [];
    const failure = end.neverWorked ? ExchangeFailure.TARGET_UNAVAILABLE : ExchangeFailure.OUTCOME_UNKNOWN;
    if (!end.neverWorked) this.#fail(neverSent, ExchangeFailure.NOT_SENT, this.#describe(end));
    this.#fail(this.#exchanges.open, failure, this.#describe(end));
    this.#say({ $case: "targetEnded", value: { reason: this.#maskReason(end.reason) } });
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
      if (id && this.#tools?.isAnsweredBy(id)) {
        this.#tools.failed("its answer is no message");
        return undefined;
      }
      const answered = exchange ?? (id && this.#exchanges.exchangeOfId(id));
      this.rubbish(this.#problemOf(error), answered);
      return undefined;
    }
  }

  /** What is wrong with a message. A defect of ours in reading it must not end the other sessions of this process. */
  #problemOf(error: unknown): string {
    if (error instanceof MalformedMessageError) return error.message;
    this.#log.error({ error: nameOf(error) }, "a message could not be read");
    return "it could not be read";
  }

  #mask(parsed: McpMessage, route: Route): MaskedMessage | undefined {
    try {
      const masked = this.#options.masker.maskMessage(parsed.bytes);
      const fits = masked.payload.length <= this.#options.maxMessageBytes();
      if (fits || (route.final && this.#exchanges.mayBeLarge(route.exchange))) return masked;
      this.#withhold(parsed, route, ExchangeFailure.RESULT_TOO_LARGE);
    } catch {
      // Whatever went wrong, what could not be masked does not leave.
      this.#withhold(parsed, route, ExchangeFailure.UNMASKABLE);
    }
    return undefined;
  }

  #deliver({ exchange, final }: Route, { payload, masked }: MaskedMessage): void {
    if (final && !this.#exchanges.isOpen(exchange)) return;
    if (final) this.#exchanges.end(exchange);
    if (payload.length > this.#options.maxMessageBytes()) this.#large.send(exchange, { payload, masked });
    else this.#say({ $case: "message", value: { exchange, payload: asBuffer(payload), masked, final } });
  }

  #withhold(parsed: McpMessage, route: Route, failure: ExchangeFailure): void {
    if (route.final) {
      // Why it could not be masked would quote it.
      const reason =
        failure === ExchangeFailure.UNMASKABLE ? "" : `the limit is ${this.#options.maxMessageBytes()} bytes`;
      this.#fail([route.exchange], failure, reason);
      return;
    }
    this.#log.warn({ failure }, "a message of the target was withheld");
    if (parsed.kind === "request") this.#refuseTargetRequest(parsed);
  }

  /** The target waits for an answer the client will never give. */
  #refuseTargetRequest(request: McpRequest): void {
    const answer = parseMessage(errorResponse(request.id, ERROR_RESPONSE_OF_TARGET_REQUEST));
    this.#target?.send({ exchange: 0, parsed: answer, protocolVersion: "", parameterHeaders: {} });
  }

  // ── which era the target speaks ────────────────────────────────────────────────────────────────────────────────

  /** The initialize of a legacy session that has no response yet. */
  #initialize(): number | undefined {
    if (this.#era === "modern") return undefined;
    return this.#exchanges.open.find(
      (exchange) => this.#exchanges.requestOf(exchange)?.method === "initialize",
    );
  }

  #isFailedInitialize(parsed: McpMessage, route: Route): boolean {
    if (parsed.kind !== "response" || !parsed.isError || !route.final) return false;
    // A target that names its revisions itself has said it all.
    return (
      route.exchange === this.#initialize() && errorCodeOf(parsed) !== RpcErrorCode.UnsupportedProtocolVersion
    );
  }

  /** Tells the client that the target does not speak its era if so; `otherwise` it hears what happened. */
  async #explainInitialize(exchange: number, otherwise: () => void): Promise<void> {
    if (this.#definition) await this.#failedInitialize.explain(exchange, this.#definition, otherwise);
  }

  #sayLearned(versions: readonly string[]): void {
    if (!this.#isOver) this.#say({ $case: "targetVersions", value: { versions: [...versions] } });
  }

  #failAsNotSpoken(exchange: number, versions: readonly string[]): void {
    this.#tools?.failed("it does not speak the session's era", exchange);
    if (!this.#exchanges.isOpen(exchange)) return;
    this.#exchanges.end(exchange);
    const failure = ExchangeFailure.ERA_NOT_SPOKEN;
    const value = { exchange, failure, message: "", supportedVersions: [...versions] };
    this.#say({ $case: "exchangeFailed", value });
  }

  // ── which tools the target shows ───────────────────────────────────────────────────────────────────────────────

  #listTools(): void {
    if (this.#isOver || this.#targetIsGone || !this.#tools) return;
    if (this.#era === "modern" || this.#isInitialized) this.#tools.list();
    else this.#tools.sayUnlistable("the session is not initialized yet");
  }

  #sendOwn(message: OutgoingMessage): void {
    if (!this.#gate) this.#dispatch(message);
    else if (!this.#gate.send(message))
      this.#tools?.failed("too much waits for it to start", message.exchange);
  }

  #cancelOwn(exchange: number, request: RequestHead, reason: string): void {
    if (!this.#gate?.withdraw(exchange)) this.#target?.cancel(exchange, request, reason);
  }

  /** What a target says beside an answer to the agent belongs to the session, and a modern one has no stream of its own. */
  #isForAgent(message: McpMessage, exchange: number | undefined): boolean {
    if (message.kind === "notification" && message.method === "notifications/tools/list_changed")
      this.#tools?.changed();
    if (message.kind === "response") return this.#tools?.take(message) === true;
    return isOwnExchange(exchange) && this.#era === "modern";
  }

  /** True for a list of tools that a client asked for: it is shown together with what the control plane is told of it. */
  #takesList(response: McpMessage, { exchange, final }: Route, masked: MaskedMessage): boolean {
    if (response.kind !== "response" || !final) return false;
    const answer = { response, masked: masked.payload };
    const isList = this.#tools?.readList(exchange, answer, (list) =>
      this.#deliverList(exchange, masked, list),
    );
    // Whoever sent it is done with it.
    if (isList) this.#exchanges.end(exchange);
    return isList === true;
  }

  #deliverList(exchange: number, { payload, masked }: MaskedMessage, list: ReadList): void {
    if ("fault" in list) {
      this.#sayFailed(exchange, ExchangeFailure.BAD_TARGET, list.fault);
      return;
    }
    const before = list.shown.map((value) => ({ $case: "toolDefinitions", value }) as const);
    this.#say(
      { $case: "message", value: { exchange, payload: asBuffer(payload), masked, final: true } },
      before,
    );
  }

  #maskFailure(tools: ToolDefinitions): ToolDefinitions {
    return tools.failure === "" ? tools : { ...tools, failure: this.#maskReason(tools.failure) };
  }

  // ── large messages of the target ───────────────────────────────────────────────────────────────────────────────

  readonly #largeMessageOwner: LargeMessageOwner = {
    touch: (exchange) => {
      for (const each of exchange === undefined ? this.#exchanges.open : [exchange])
        this.#exchanges.touch(each);
    },
    answeredBy: (id, exchange) => {
      if (this.#tools?.isAnsweredBy(id)) this.#tools.failed(LIST_TOO_LONG);
      return this.#exchanges.answeredBy(id, exchange);
    },
    mayBeLarge: (exchange) => this.#exchanges.mayBeLarge(exchange),
    onlyOpen: () => (this.#exchanges.open.length === 1 ? this.#exchanges.open[0] : undefined),
    answered: (exchange) => this.#exchanges.end(exchange),
    fail: (exchange, failure, reason) => this.#fail([exchange], failure, reason),
    dropped: (reason) => this.#log.warn({ reason }, "a large message of the target was dropped"),
  };

  // ── to the control plane ───────────────────────────────────────────────────────────────────────────────────────

  #fail(exchanges: readonly number[], failure: ExchangeFailure, reason: string): void {
    for (const exchange of exchanges) {
      if (isOwnExchange(exchange)) this.#tools?.failed(reason, exchange, failure);
      if (!this.#exchanges.isOpen(exchange)) continue;
      this.#exchanges.end(exchange);
      this.#sayFailed(exchange, failure, reason);
    }
  }

  /** `message` adds to what the failure says already, for the control plane puts that into words itself. */
  #sayFailed(exchange: number, failure: ExchangeFailure, message: string): void {
    const value = { exchange, failure, message: this.#maskReason(message), supportedVersions: [] };
    this.#say({ $case: "exchangeFailed", value });
  }

  /** A reason may name what a target called something, such as the header of an argument. */
  #maskReason(reason: string): string {
    try {
      return this.#options.masker.maskText(reason).text.slice(0, LONGEST_REASON);
    } catch {
      return "";
    }
  }

  /** `before`: what has to be heard before it. */
  #say(frame: Frame, before: readonly Frame[] = []): void {
    const entry = { ...sized(frame), before: before.map(sized) };
    this.#outbox.push(isResult(frame) ? { ...entry, ifLost: entry } : entry);
  }
}

const LATENESS = {
  total: { failure: ExchangeFailure.TIMED_OUT, reason: "the call took longer than allowed" },
  idle: { failure: ExchangeFailure.TIMED_OUT, reason: "the target was silent for too long" },
  cancelled: { failure: ExchangeFailure.OUTCOME_UNKNOWN, reason: "cancelled; the target did not answer" },
} as const satisfies Record<Lateness, { failure: ExchangeFailure; reason: string }>;

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : "unknown";
}

function sized(frame: Frame): { readonly frame: SessionRequest; readonly bytes: number } {
  return { frame: { frame }, bytes: frameBytes({ frame }) };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Frames after which an exchange is over: the control plane knows a repeated one by its exchange. */
function isResult(frame: Frame): boolean {
  return frame.$case === "exchangeFailed" || (frame.$case === "message" && frame.value.final);
}
