import { Logger } from "@nestjs/common";
import {
  errorCodeOf,
  errorResponse,
  httpStatusOfError,
  idKey,
  type JsonRpcId,
  MalformedMessageError,
  type McpMessage,
  type McpNotification,
  type McpRequest,
  type McpResponse,
  METHODS,
  parseMessage,
  resultResponse,
  RpcErrorCode,
} from "@drawbridge/mcp";
import { isTargetVisible } from "@drawbridge/policy";
import { ExchangeFailure } from "@drawbridge/protocol";
import type { EventAttributes } from "@drawbridge/recording";
import type {
  ChunkFromTarget,
  FailedExchange,
  MessageFromTarget,
  SessionLinkListener,
} from "../../agents/index.js";
import { type RecordingReader, RecordingUnavailableError } from "../../recordings/index.js";
import { decideNow } from "../decisions/decide.js";
import { legacyNotSpoken, modernNotSpoken } from "../edge/era-refusals.js";
import { ASKS_TOO_MUCH, type Failure, FAILURES, unknownOutcome } from "./exchange-failures.js";
import type { Exchange, GatewaySession } from "../sessions/gateway-session.js";
import { type LargeResponse, LargeResponses, storedMessage } from "./large-responses.js";
import type { LiveSnapshot, LiveState } from "../decisions/live-state.js";
import type { Recorded, Recorder, ToRecord } from "./recorder.js";
import type { TaskOwnership } from "../decisions/task-ownership.js";
import { type Refusal, TargetRights } from "../decisions/target-rights.js";
import { visiblePart } from "../decisions/visible-part.js";
import { wantedByResult } from "../decisions/wanted-of-client.js";

/** What the traffic of a session needs from the rest of the gateway. */
export interface TrafficDependencies {
  readonly recorder: Recorder;
  readonly reader: Pick<RecordingReader, "chunks">;
  readonly live: Pick<LiveState, "atLeast" | "known" | "now">;
  readonly tasks: Pick<TaskOwnership, "ownedIn" | "remember">;
  /** Whether nobody has ended the session, here or at another control plane. */
  readonly isOpen: (session: GatewaySession) => Promise<boolean>;
  readonly onInitialized: (session: GatewaySession, response: McpResponse) => Promise<void>;
  readonly onVersions: (versions: readonly string[]) => Promise<void>;
  readonly onEnded: (session: GatewaySession, reason: string) => Promise<void>;
}

/** What of an answer the client may see, and the methods of what it asks for. */
interface Examined {
  readonly payload: Uint8Array;
  readonly wanted: readonly string[];
  /** Of tasks/list. */
  readonly ownTasks: ReadonlySet<string> | undefined;
}

/**
 * The way back of a call: what the agent has masked is recorded, and only then delivered. The agent's frames of one
 * session come strictly one after the other.
 */
export class TargetTraffic implements SessionLinkListener {
  private readonly logger = new Logger("gateway");
  private readonly large: LargeResponses;
  private readonly rights: TargetRights;

  constructor(
    private readonly session: GatewaySession,
    private readonly dependencies: TrafficDependencies,
  ) {
    this.large = new LargeResponses(session, dependencies.recorder);
    this.rights = new TargetRights(session);
  }

  async onMessage(message: MessageFromTarget): Promise<void> {
    const exchange = this.exchangeAtAgent(message.exchange);
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

  async onChunk(chunk: ChunkFromTarget): Promise<void> {
    const response = await this.large.take(chunk);
    const exchange = response && this.exchangeAtAgent(response.exchange);
    if (exchange) await this.answeredAtLength(response, exchange);
  }

  async onExchangeFailed({ exchange: number, failure, message, supportedVersions }: FailedExchange) {
    const exchange = this.exchangeAtAgent(number);
    if (exchange && failure === ExchangeFailure.ERA_NOT_SPOKEN)
      await this.eraNotSpoken(exchange, supportedVersions);
    else if (exchange) await this.failed(exchange, failure, message);
    if (failure === ExchangeFailure.SESSION_GONE)
      await this.dependencies.onEnded(this.session, "the target ended its session");
  }

  /** What is not decided and recorded yet the agent knows nothing of. */
  private exchangeAtAgent(number: number): Exchange | undefined {
    const exchange = this.session.exchange(number);
    return exchange?.sent ? exchange : undefined;
  }

  async onVersions(versions: readonly string[]): Promise<void> {
    await this.dependencies.onVersions(versions);
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
    const { payload, index } = isSubscription(exchange)
      ? await this.recordEndOfSubscription(exchange, reason)
      : await this.recordFailure(exchange, unknownOutcome(reason), "");
    this.deliver(exchange, payload, index).catch((error: unknown) =>
      this.logger.error("the end of a session could not be told", String(error)),
    );
  }

  async endSubscriptions(reason: string): Promise<void> {
    await Promise.all(this.session.listening.map((exchange) => this.endSubscription(exchange, reason)));
  }

  /** Tells whoever listens that nothing more comes (2026-07-28, Subscriptions: the end is a result). */
  async endSubscription(exchange: Exchange, reason: string): Promise<void> {
    if (!this.session.isInFlight(exchange.number)) return;
    this.session.finish(exchange);
    const link = await this.session.link?.catch(() => undefined);
    link?.cancel(exchange.number, reason);
    const { payload, index } = await this.recordEndOfSubscription(exchange, reason);
    await this.deliver(exchange, payload, index);
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
    const answer = await this.examine(response, exchange, known);
    if ("fault" in answer) {
      await this.failed(exchange, ExchangeFailure.BAD_TARGET, answer.fault);
      return;
    }
    const refusal = this.rights.refusalToAsk(answer.wanted, exchange, known);
    if (refusal) {
      await this.withholdWhatAsks(exchange, refusal, message);
      return;
    }
    if (!(await this.rememberTask(response, exchange))) return;
    const recorded = await this.recordAnswer(exchange, answer.payload, { masked: { ...message.masked } });
    if (recorded) await this.release(response, exchange, { ...answer, recorded, known });
  }

  /** Delivers what is recorded, as much of it as may be seen by then. */
  private async release(
    response: McpResponse,
    exchange: Exchange,
    answer: Examined & { readonly recorded: Recorded; readonly known: LiveSnapshot },
  ): Promise<void> {
    const { epoch, index } = answer.recorded;
    const live = await this.liveAt(epoch, answer.known);
    const allowed = await this.stillAllowed(exchange, epoch);
    if (!allowed || this.rights.refusalToAsk(answer.wanted, exchange, live)) {
      await this.deliver(exchange, accessEnded(exchange.id));
      return;
    }
    if (exchange.method === "initialize") await this.dependencies.onInitialized(this.session, response);
    const visible = visiblePart(response, exchange.question, live, answer.ownTasks) ?? answer.payload;
    await this.deliver(exchange, visible, index, this.statusOf(exchange, errorCodeOf(response)));
  }

  /** Or why it is no answer to the request. */
  private async examine(
    response: McpResponse,
    exchange: Exchange,
    live: LiveSnapshot,
  ): Promise<Examined | { readonly fault: string }> {
    const { method, question } = exchange;
    const ownTasks =
      method === "tasks/list" ? await this.dependencies.tasks.ownedIn(this.session, response) : undefined;
    const payload = visiblePart(response, question, live, ownTasks);
    if (payload === undefined) return { fault: `it is not the result of ${method}` };
    const wanted = wantedByResult(response, this.session.era);
    if (wanted === "unreadable") return { fault: "what it asks of the client cannot be read" };
    return { payload, wanted, ownTasks };
  }

  private async withholdWhatAsks(
    exchange: Exchange,
    { method, ...decision }: Refusal,
    { masked, payload }: MessageFromTarget,
  ): Promise<void> {
    await this.tryToRecord({
      kind: "server_request",
      direction: "target_to_client",
      exchange: exchange.number,
      method,
      attributes: { masked: { ...masked } },
      payload,
      decision,
    });
    const told = await this.recordFailure(exchange, ASKS_TOO_MUCH, method);
    await this.deliver(exchange, told.payload, told.index);
  }

  /** False when whose task it is could not be written down; then nobody may hear of it. */
  private async rememberTask(response: McpResponse, exchange: Exchange): Promise<boolean> {
    try {
      if (!response.isError) await this.dependencies.tasks.remember(this.session, response);
      return true;
    } catch (error) {
      this.logger.error("whose a task is could not be written down", String(error));
      await this.withhold(exchange);
      return false;
    }
  }

  /** As `answered`, for what is in the recording already, piece by piece. */
  private async answeredAtLength(response: LargeResponse, exchange: Exchange): Promise<void> {
    const { masked, stored } = response;
    const fault = faultOf(response, exchange);
    if (fault) {
      await this.failed(exchange, ...fault);
      return;
    }
    if (response.failure) {
      await this.withhold(exchange);
      return;
    }
    const recorded = await this.recordAnswer(exchange, NOTHING, {
      masked: { ...masked },
      stored: { ...stored },
    });
    if (recorded === undefined) return;
    if (!(await this.stillAllowed(exchange, recorded.epoch))) {
      await this.deliver(exchange, accessEnded(exchange.id));
      return;
    }
    exchange.body.hold(response);
    this.session.finish(exchange);
    // Not waited for: what the client reads slowly comes from the recording, and nothing of the target waits for it.
    const mayGoOn = async () => this.isAllowedAt(await this.dependencies.live.now(), exchange);
    const message = storedMessage({ stored, session: this.session, mayGoOn }, this.dependencies.reader);
    this.session
      .whileBusy(exchange.reply.finishLarge(message, recorded.index))
      .catch((error: unknown) => this.logger.warn("a large response was cut off", String(error)))
      .finally(() => exchange.body.letGo(response));
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

  private async recordAnswer(exchange: Exchange, payload: Uint8Array, about: EventAttributes) {
    const { number, method, name } = exchange;
    const attributes = { ...about, delivered: exchange.reply.open && !exchange.cancelled };
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
      await this.withhold(exchange);
      return undefined;
    }
  }

  /** The target has answered, and nobody can prove it: so nobody hears it. */
  private async withhold(exchange: Exchange): Promise<void> {
    const { number, method, name } = exchange;
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
  }

  private async liveAt(epoch: bigint, known: LiveSnapshot): Promise<LiveSnapshot> {
    return epoch > known.epoch ? this.dependencies.live.atLeast(epoch) : known;
  }

  /** Something may have been revoked or changed while the call ran: then what it says is no longer the caller's. */
  private async stillAllowed(exchange: Exchange, epoch: bigint): Promise<boolean> {
    if (epoch <= exchange.epoch) return true;
    const live = await this.dependencies.live.atLeast(epoch);
    if (!(await this.isAllowedAt(live, exchange))) return false;
    exchange.epoch = live.epoch;
    return true;
  }

  private async isAllowedAt(live: LiveSnapshot, { question }: Exchange): Promise<boolean> {
    return decideNow(live, question).effect === "allow" && (await this.isStillOpen());
  }

  /** Another control plane may have ended the session: nothing but the epoch tells of it. */
  private async isStillOpen(): Promise<boolean> {
    if (this.session.ended) return false;
    if (await this.dependencies.isOpen(this.session)) return true;
    // Whoever asks is told first that access has ended; the end of the session tells the others.
    setImmediate(() => {
      this.dependencies
        .onEnded(this.session, "ended by an operator")
        .catch((error: unknown) => this.logger.error("a session could not be ended", String(error)));
    });
    return false;
  }

  private async notified(
    notification: McpNotification,
    { masked }: MessageFromTarget,
    exchange: Exchange | undefined,
  ) {
    const { bytes } = notification;
    const known = await this.dependencies.live.known();
    const dropped = this.rights.whyDropped(notification, exchange, known);
    if (dropped !== undefined) {
      await this.tryToRecord({ ...this.fromTarget(notification, exchange), attributes: { dropped } });
      return;
    }
    const on = streamOf(exchange);
    const recorded = await this.tryToRecord({
      ...this.fromTarget(notification, on),
      attributes: { masked: { ...masked }, ...offStream(exchange, on) },
    });
    if (!recorded) return;
    const live = await this.liveAt(recorded.epoch, known);
    if (live !== known && this.rights.whyDropped(notification, exchange, live) !== undefined) return;
    await this.tell(bytes, on, recorded);
  }

  /** The target asks the client: sampling, elicitation, roots. Denied unless a rule allows it. */
  private async asked(request: McpRequest, { masked }: MessageFromTarget, exchange: Exchange | undefined) {
    if (request.method === "ping" && this.session.era === "legacy") {
      // The target wants to know whether somebody is there. We are; the client may have no stream to hear it on.
      await this.toTarget(resultResponse(request.id, {}));
      return;
    }
    const known = await this.dependencies.live.known();
    let refusal = this.rights.refusalToRequest(request.method, exchange, known);
    const on = streamOf(exchange);
    const recorded = await this.tryToRecord({
      ...this.fromTarget(request, on),
      kind: "server_request",
      attributes: { masked: { ...masked }, ...offStream(exchange, on) },
      decision: refusal ?? { effect: "allow", reason: "the policy allows the target to ask this" },
    });
    if (recorded && recorded.epoch > known.epoch)
      refusal ??= this.rights.refusalToRequest(
        request.method,
        exchange,
        await this.dependencies.live.atLeast(recorded.epoch),
      );
    if (refusal || !recorded) {
      const error = { code: RpcErrorCode.MethodNotFound, message: `Method not found: ${request.method}` };
      await this.toTarget(errorResponse(request.id, error));
      return;
    }
    this.session.expectAnswer(request);
    await this.tell(request.bytes, on, recorded);
  }

  /** What was recorded, to whoever may still hear it. `on`: on whose stream, and as part of which, it was recorded. */
  private async tell(
    message: Uint8Array,
    on: Exchange | undefined,
    { epoch, index }: Recorded,
  ): Promise<void> {
    if (on?.reply.open) {
      if (await this.stillAllowed(on, epoch)) await on.reply.push(message, index);
      else if (isSubscription(on)) await this.endSubscription(on, "access ended");
      return;
    }
    // What belongs to no request is for those who listen; to whom, the target has said.
    if (this.session.era === "modern") return;
    // Its client comes back for it, and is read it from the recording then.
    if (on?.reply.resumable) return;
    await this.endStreamOfStranger(epoch);
    await this.session.tellClient(message, on ? undefined : index);
  }

  /** Ends the event stream of somebody who could not open it any more. */
  private async endStreamOfStranger(epoch: bigint): Promise<void> {
    const { listener } = this.session;
    if (!listener || epoch <= listener.epoch) return;
    const { policies, targets, epoch: checked } = await this.dependencies.live.atLeast(epoch);
    const target = targets.get(this.session.target);
    const mayListen = target && isTargetVisible(policies, target, listener.context);
    if (mayListen && (await this.isStillOpen())) listener.epoch = checked;
    else listener.stream.end();
  }

  private async toTarget(payload: Uint8Array): Promise<void> {
    const link = await this.session.link;
    await link?.send({ exchange: 0, payload, protocolVersion: this.session.protocolVersion ?? "" });
  }

  private async failed(exchange: Exchange, failure: ExchangeFailure, detail: string): Promise<void> {
    const { payload, index } = await this.recordFailure(exchange, FAILURES[failure], detail);
    // A stream that breaks off is no end of a subscription, and the client has to see that.
    if (isSubscription(exchange) && FAILURES[failure].kind === "outcome_unknown") {
      this.session.finish(exchange);
      exchange.reply.abandon();
      return;
    }
    await this.deliver(exchange, payload, index, this.statusOf(exchange, FAILURES[failure].code));
  }

  private async eraNotSpoken(exchange: Exchange, versions: readonly string[]): Promise<void> {
    const { era } = this.session;
    const { number, method, name, question } = exchange;
    const refusal =
      era === "modern"
        ? modernNotSpoken(versions)
        : legacyNotSpoken(question.message.protocolVersionClaim?.version, versions);
    const payload = refusal.body(exchange.id);
    const event = {
      kind: "not_sent",
      direction: "target_to_client",
      exchange: number,
      method,
      name,
      attributes: { reason: refusal.message, failure: refusal.code },
      payload,
    } as const;
    const recorded = await this.tryToRecord(event);
    if (!recorded) this.dependencies.recorder.owe(this.session, event);
    await this.deliver(exchange, payload, recorded?.index, refusal.status);
    if (era === "modern" && !this.session.inUse)
      await this.dependencies.onEnded(this.session, "the target does not speak this era");
  }

  private async recordEndOfSubscription(
    exchange: Exchange,
    reason: string,
  ): Promise<{ payload: Uint8Array; index: number | undefined }> {
    const { number, method, id } = exchange;
    const payload = endOfSubscription(id);
    const event = {
      kind: "response",
      direction: "target_to_client",
      exchange: number,
      method,
      attributes: { ended: reason, delivered: exchange.reply.open },
      payload,
    } as const;
    const recorded = await this.tryToRecord(event);
    if (!recorded) this.dependencies.recorder.owe(this.session, event);
    return { payload, index: recorded?.index };
  }

  /** The HTTP status, as long as the answer is no stream. `code`: of an error. */
  private statusOf({ method }: Exchange, code: number | undefined): number {
    if (code === undefined) return 200;
    if (this.session.era === "modern") return httpStatusOfError(code);
    return method === "initialize" && code === RpcErrorCode.UnsupportedProtocolVersion ? 400 : 200;
  }

  /** An exchange ends without the target's answer. Resolves with what its caller is told, which is recorded by then. */
  private async recordFailure(
    exchange: Exchange,
    failure: Failure,
    detail: string,
  ): Promise<{ payload: Uint8Array; index: number | undefined }> {
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
    const recorded = await this.tryToRecord(event);
    if (!recorded) this.dependencies.recorder.owe(this.session, event);
    return { payload, index: recorded?.index };
  }

  /** `index`: where in the recording the message is; undefined for what is not there as it is told. */
  private async deliver(
    exchange: Exchange,
    message: Uint8Array,
    index?: number,
    status?: number,
  ): Promise<void> {
    this.session.finish(exchange);
    const neverOpened = this.whyNeverOpened(exchange);
    if (neverOpened !== undefined) exchange.reply.forgetSession();
    await exchange.reply.finish(message, status, index);
    if (neverOpened !== undefined) await this.dependencies.onEnded(this.session, neverOpened);
  }

  private whyNeverOpened({ method, reply }: Exchange): string | undefined {
    if (method !== "initialize") return undefined;
    if (this.session.protocolVersion === undefined) return "the target did not accept initialize";
    // Nobody knows the id of the session, so nobody could ever close it.
    return reply.open ? undefined : "the client left before it was told its session";
  }

  /** Undefined when it could not be recorded; then it must not be delivered either. */
  private async tryToRecord(event: ToRecord): Promise<Recorded | undefined> {
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

function isSubscription({ method }: Exchange): boolean {
  return method === "subscriptions/listen";
}

function endOfSubscription({ text: id }: JsonRpcId): Uint8Array {
  const meta = `"_meta":{"io.modelcontextprotocol/subscriptionId":${id}}`;
  return Buffer.from(`{"jsonrpc":"2.0","id":${id},"result":{"resultType":"complete",${meta}}}`);
}

/** Instead of the answer to a call that would no longer be allowed. */
export function accessEnded(id: JsonRpcId): Uint8Array {
  const message = "access ended while the request ran; its result is withheld";
  return errorResponse(id, { code: RpcErrorCode.AccessRevoked, message });
}

function answers({ id }: Pick<McpResponse, "id">, exchange: Exchange): boolean {
  return id !== undefined && idKey(id) === idKey(exchange.id);
}

const NOTHING = new Uint8Array();
/** What is wrong with a large response; whether it is recorded is another matter. */
function faultOf(
  { failure, id }: LargeResponse,
  exchange: Exchange,
): readonly [ExchangeFailure, string] | undefined {
  if (failure === "not recorded") return undefined;
  if (failure === "malformed") return [ExchangeFailure.BAD_TARGET, "it is not a JSON-RPC message"];
  if (!answers({ id }, exchange)) return [ExchangeFailure.BAD_TARGET, "it answers another request"];
  const fits = failure === undefined && mayBeLarge(exchange.method);
  return fits ? undefined : [ExchangeFailure.RESULT_TOO_LARGE, ""];
}

/** What has to be looked into before it may be delivered has to be there whole. */
function mayBeLarge(method: string): boolean {
  const isFiltered = METHODS.get(method)?.governance.as === "list" || method === "tasks/list";
  return method !== "initialize" && !isFiltered;
}

/** Whose stream a message goes to: none where nobody listens and nobody was told how to come back. */
function streamOf(exchange: Exchange | undefined): Exchange | undefined {
  return exchange?.reply.open || exchange?.reply.resumable ? exchange : undefined;
}

/** What is told on the stream of GET is recorded as part of that; to which exchange it belongs is kept beside it. */
function offStream(exchange: Exchange | undefined, on: Exchange | undefined): EventAttributes {
  return exchange && !on ? { belongsTo: exchange.number } : {};
}
