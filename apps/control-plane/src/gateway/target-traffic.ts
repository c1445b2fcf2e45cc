import { Logger } from "@nestjs/common";
import {
  errorResponse,
  filterListResult,
  idKey,
  isPlainUri,
  MalformedMessageError,
  type McpMessage,
  type McpNotification,
  type McpRequest,
  type McpResponse,
  METHODS,
  NotAListResultError,
  parseMessage,
  resultResponse,
  RpcErrorCode,
} from "@drawbridge/mcp";
import { couldBeAllowed, evaluate, isTargetVisible } from "@drawbridge/policy";
import { ExchangeFailure } from "@drawbridge/protocol";
import type { MessageFromTarget, SessionLinkListener } from "../agents/index.js";
import { RecordingUnavailableError } from "../recordings/index.js";
import { decideNow } from "./decide.js";
import { FAILURES, unknownOutcome } from "./exchange-failures.js";
import type { Exchange, GatewaySession } from "./gateway-session.js";
import type { LiveSnapshot, LiveState } from "./live-state.js";
import type { Recorder } from "./recorder.js";

/** What the traffic of a session needs from the rest of the gateway. */
export interface TrafficDependencies {
  readonly recorder: Recorder;
  readonly live: Pick<LiveState, "atLeast" | "known">;
  readonly onInitialized: (session: GatewaySession, response: McpResponse) => Promise<void>;
  readonly onEnded: (session: GatewaySession, reason: string) => Promise<void>;
}

/**
 * The way back of a call: what the agent has masked is recorded, and only then delivered. The agent's frames of one
 * session come strictly one after the other.
 */
export class TargetTraffic implements SessionLinkListener {
  private readonly logger = new Logger("gateway");

  constructor(
    private readonly session: GatewaySession,
    private readonly dependencies: TrafficDependencies,
  ) {}

  async onMessage(message: MessageFromTarget): Promise<void> {
    const exchange = this.session.exchange(message.exchange);
    const parsed = this.parse(message.payload);
    if (parsed === undefined) {
      if (exchange) await this.failed(exchange, ExchangeFailure.BAD_TARGET, "it is not a JSON-RPC message");
      return;
    }
    if (parsed.kind === "response") await this.answered(parsed, message, exchange);
    else if (exchange && message.final)
      await this.failed(exchange, ExchangeFailure.BAD_TARGET, "it is no response");
    else if (parsed.kind === "request") await this.asked(parsed, message, exchange);
    else await this.notified(parsed, message, exchange);
  }

  async onExchangeFailed({
    exchange: number,
    failure,
    message,
  }: {
    exchange: number;
    failure: ExchangeFailure;
    message: string;
  }) {
    const exchange = this.session.exchange(number);
    if (exchange) await this.failed(exchange, failure, message);
    if (failure === ExchangeFailure.SESSION_GONE)
      await this.dependencies.onEnded(this.session, "the target ended its session");
  }

  async onStderr(text: Buffer): Promise<void> {
    await this.tryToRecord({ kind: "stderr", direction: "target_to_client", payload: text });
  }

  async onEnded(reason: string): Promise<void> {
    await this.tryToRecord({ kind: "target_ended", attributes: { reason } });
    await this.dependencies.onEnded(this.session, reason);
  }

  /** Everything that may have reached the target ends with an unknown outcome; the rest did not run. */
  async abandon(reason: string): Promise<void> {
    const inFlight = [...this.session.inFlight];
    await Promise.all(
      inFlight.map((exchange) =>
        exchange.sent ? this.cutOff(exchange, reason) : this.neverSent(exchange, reason),
      ),
    );
  }

  /** A client that does not read must not keep its session from ending: nobody waits for it. */
  private async cutOff(exchange: Exchange, reason: string): Promise<void> {
    const payload = await this.recordFailure(exchange, unknownOutcome(reason), "");
    this.deliver(exchange, payload).catch((error: unknown) =>
      this.logger.error("the end of a session could not be told", String(error)),
    );
  }

  /** For the recording; ClientTraffic, which still has the request in hand, refuses it. */
  private async neverSent(exchange: Exchange, reason: string): Promise<void> {
    const { number, method, name } = exchange;
    const event = { kind: "not_sent", exchange: number, method, name, attributes: { reason } } as const;
    if ((await this.tryToRecord(event)) === undefined) this.dependencies.recorder.owe(this.session, event);
    this.session.finish(exchange);
  }

  private async answered(response: McpResponse, message: MessageFromTarget, exchange: Exchange | undefined) {
    if (!exchange || !answers(response, exchange)) {
      await this.unexpected(response, message, exchange);
      return;
    }
    const known = await this.dependencies.live.known();
    const payload = this.visiblePart(response, exchange, known);
    if (payload === undefined) {
      await this.failed(exchange, ExchangeFailure.BAD_TARGET, `it is not the result of ${exchange.method}`);
      return;
    }
    const epoch = await this.recordAnswer(exchange, payload, message.masked);
    if (epoch === undefined) return;
    if (!(await this.stillAllowed(exchange, epoch))) {
      await this.deliver(exchange, accessEnded(exchange));
      return;
    }
    if (exchange.method === "initialize") await this.dependencies.onInitialized(this.session, response);
    const live = epoch > known.epoch ? await this.dependencies.live.atLeast(epoch) : known;
    await this.deliver(exchange, this.visiblePart(response, exchange, live) ?? payload);
  }

  /** An answer to nothing that was asked. The agent does not send such; it is kept, and nobody hears it. */
  private async unexpected(
    response: McpResponse,
    { masked, final }: MessageFromTarget,
    exchange: Exchange | undefined,
  ) {
    const attributes = { unexpected: true, masked };
    const said = { kind: "notification", direction: "target_to_client", attributes } as const;
    await this.tryToRecord({ ...said, payload: response.bytes });
    if (exchange && final)
      await this.failed(exchange, ExchangeFailure.BAD_TARGET, "it answers another request");
  }

  /** Lists hold only what could be called. Undefined when a list is none, and so cannot be filtered. */
  private visiblePart(
    response: McpResponse,
    { question }: Exchange,
    { policies, targets }: LiveSnapshot,
  ): Uint8Array | undefined {
    const governance = METHODS.get(question.message.method)?.governance;
    if (governance?.as !== "list" || response.isError) return response.bytes;
    const { context } = question;
    const target = targets.get(question.target.name);
    const keep = (name: string) =>
      target !== undefined &&
      (governance.list !== "resources" || isPlainUri(name)) &&
      couldBeAllowed(policies, { target, method: governance.call, name }, context);
    try {
      return filterListResult(response, governance.list, keep);
    } catch (error) {
      if (error instanceof NotAListResultError) return undefined;
      throw error;
    }
  }

  private async recordAnswer(
    exchange: Exchange,
    payload: Uint8Array,
    masked: Readonly<Record<string, number>>,
  ) {
    const { number, method, name } = exchange;
    const attributes = { masked: { ...masked }, delivered: exchange.reply.open && !exchange.cancelled };
    try {
      return await this.dependencies.recorder.record(this.session, {
        kind: "response",
        direction: "target_to_client",
        exchange: number,
        method,
        name,
        attributes,
        payload,
      });
    } catch (error) {
      if (!(error instanceof RecordingUnavailableError)) throw error;
      this.dependencies.recorder.owe(this.session, {
        kind: "outcome_unknown",
        exchange: number,
        method,
        name,
        attributes: { reason: "the target answered, but the answer could not be recorded and was withheld" },
      });
      const message =
        "the request ran, but its result could not be recorded and is withheld; it is not repeated";
      await this.deliver(
        exchange,
        errorResponse(exchange.id, { code: RpcErrorCode.RecordingUnavailable, message }),
      );
      return undefined;
    }
  }

  /** Something may have been revoked or changed while the call ran: then what it says is no longer the caller's. */
  private async stillAllowed(exchange: Exchange, epoch: bigint): Promise<boolean> {
    if (epoch <= exchange.epoch) return true;
    const live = await this.dependencies.live.atLeast(epoch);
    return decideNow(live, exchange.question).effect === "allow" && !this.session.ended;
  }

  private async notified(
    notification: McpNotification,
    { masked }: MessageFromTarget,
    exchange: Exchange | undefined,
  ) {
    const { method, bytes } = notification;
    const known = METHODS.get(method);
    if (!known || known.direction === "clientToServer" || known.kind !== "notification") {
      await this.tryToRecord({
        ...this.fromTarget(notification, exchange),
        attributes: { dropped: "unknown method" },
      });
      return;
    }
    const epoch = await this.tryToRecord({
      ...this.fromTarget(notification, exchange),
      attributes: { masked: { ...masked } },
    });
    if (epoch !== undefined) await this.tell(bytes, exchange, epoch);
  }

  /** The target asks the client: sampling, elicitation, roots. Denied unless a rule allows it. */
  private async asked(request: McpRequest, { masked }: MessageFromTarget, exchange: Exchange | undefined) {
    if (request.method === "ping") {
      // The target wants to know whether somebody is there. We are; the client may have no stream to hear it on.
      await this.toTarget(resultResponse(request.id, {}));
      return;
    }
    const known = await this.dependencies.live.known();
    let refusal = this.refusalOf(request, exchange, known);
    const epoch = await this.tryToRecord({
      ...this.fromTarget(request, exchange),
      kind: "server_request",
      attributes: { masked: { ...masked } },
      decision: refusal ?? { effect: "allow", reason: "the policy allows the target to ask this" },
    });
    if (epoch !== undefined && epoch > known.epoch)
      refusal ??= this.refusalOf(request, exchange, await this.dependencies.live.atLeast(epoch));
    if (refusal || epoch === undefined) {
      const error = { code: RpcErrorCode.MethodNotFound, message: `Method not found: ${request.method}` };
      await this.toTarget(errorResponse(request.id, error));
      return;
    }
    this.session.expectAnswer(request);
    await this.tell(request.bytes, exchange, epoch);
  }

  private refusalOf(request: McpRequest, exchange: Exchange | undefined, live: LiveSnapshot) {
    const known = METHODS.get(request.method);
    if (!known || known.direction === "clientToServer" || known.kind !== "request") {
      return { effect: "deny", reason: "the method is not known" } as const;
    }
    if (known.governance.as === "lifecycle") return undefined;
    return this.denialOf(request.method, exchange, live);
  }

  /** Whose session it is was verified with the requests it serves; without one nobody's rights are at hand. */
  private denialOf(method: string, exchange: Exchange | undefined, { policies, targets }: LiveSnapshot) {
    const question = exchange?.question ?? [...this.session.inFlight].at(-1)?.question;
    const target = targets.get(this.session.target);
    if (!question || !target)
      return { effect: "deny", reason: "no request of the client is under way" } as const;
    const decision = evaluate(policies, { target, method }, question.context);
    return decision.effect === "allow" ? undefined : ({ ...decision, effect: "deny" } as const);
  }

  /** What was recorded at `epoch`, to whoever may still hear it then. */
  private async tell(message: Uint8Array, exchange: Exchange | undefined, epoch: bigint): Promise<void> {
    if (exchange?.reply.open) {
      if (await this.stillAllowed(exchange, epoch)) await exchange.reply.push(message);
      return;
    }
    await this.endStreamOfStranger(epoch);
    await this.session.tellClient(message);
  }

  /** Ends the event stream of somebody who could not open it any more. */
  private async endStreamOfStranger(epoch: bigint): Promise<void> {
    const { listener } = this.session;
    if (!listener || epoch <= listener.epoch) return;
    const { policies, targets, epoch: checked } = await this.dependencies.live.atLeast(epoch);
    const target = targets.get(this.session.target);
    if (target && isTargetVisible(policies, target, listener.context)) listener.epoch = checked;
    else listener.stream.end();
  }

  private async toTarget(payload: Uint8Array): Promise<void> {
    const link = await this.session.link;
    await link?.send({ exchange: 0, payload, protocolVersion: this.session.protocolVersion ?? "" });
  }

  private async failed(exchange: Exchange, failure: ExchangeFailure, detail: string): Promise<void> {
    await this.deliver(exchange, await this.recordFailure(exchange, FAILURES[failure], detail));
  }

  /** An exchange ends without the target's answer. Resolves with what its caller is told, which is recorded by then. */
  private async recordFailure(
    exchange: Exchange,
    failure: (typeof FAILURES)[ExchangeFailure],
    detail: string,
  ): Promise<Uint8Array> {
    const message = detail ? `${failure.says}: ${detail}` : failure.says;
    const payload = errorResponse(exchange.id, { code: failure.code, message });
    const event = {
      kind: failure.kind,
      direction: "target_to_client",
      exchange: exchange.number,
      method: exchange.method,
      name: exchange.name,
      attributes: { failure: failure.code },
      payload,
    } as const;
    if ((await this.tryToRecord(event)) === undefined) this.dependencies.recorder.owe(this.session, event);
    return payload;
  }

  private async deliver(exchange: Exchange, message: Uint8Array): Promise<void> {
    this.session.finish(exchange);
    const neverOpened = this.whyNeverOpened(exchange);
    if (neverOpened !== undefined) exchange.reply.forgetSession();
    await exchange.reply.finish(message);
    if (neverOpened !== undefined) await this.dependencies.onEnded(this.session, neverOpened);
  }

  private whyNeverOpened({ method, reply }: Exchange): string | undefined {
    if (method !== "initialize") return undefined;
    if (this.session.protocolVersion === undefined) return "the target did not accept initialize";
    // Nobody knows the id of the session, so nobody could ever close it.
    return reply.open ? undefined : "the client left before it was told its session";
  }

  /** The epoch of its commit. Undefined when it could not be recorded; then it must not be delivered either. */
  private async tryToRecord(event: Parameters<Recorder["record"]>[1]): Promise<bigint | undefined> {
    try {
      return await this.dependencies.recorder.record(this.session, event);
    } catch (error) {
      if (!(error instanceof RecordingUnavailableError)) throw error;
      this.logger.warn("a message of a target could not be recorded and is withheld", error.message);
      return undefined;
    }
  }

  private fromTarget(message: McpNotification | McpRequest, exchange: Exchange | undefined) {
    return {
      kind: "notification",
      direction: "target_to_client",
      exchange: exchange?.number ?? 0,
      method: message.method,
      payload: message.bytes,
    } as const;
  }

  private parse(payload: Buffer): McpMessage | undefined {
    try {
      return parseMessage(payload);
    } catch (error) {
      if (error instanceof MalformedMessageError) return undefined;
      throw error;
    }
  }
}

function accessEnded(exchange: Exchange): Uint8Array {
  const message = "access ended while the request ran; its result is withheld";
  return errorResponse(exchange.id, { code: RpcErrorCode.AccessRevoked, message });
}

function answers(response: McpResponse, exchange: Exchange): boolean {
  return response.id !== undefined && idKey(response.id) === idKey(exchange.id);
}
