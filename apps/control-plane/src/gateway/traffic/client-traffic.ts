import { Inject, Injectable, Logger } from "@nestjs/common";
import { UnmaskableError } from "@drawbridge/masking";
import {
  type McpMessage,
  type McpNotification,
  type McpRequest,
  type McpResponse,
  METHODS,
  RpcErrorCode,
} from "@drawbridge/mcp";
import { evaluate } from "@drawbridge/policy";
import { ExchangeFailure } from "@drawbridge/protocol";
import { AgentUnavailableError } from "../../agents/index.js";
import { CONFIG, type Config } from "../../config.js";
import type { Principal } from "../../identity/index.js";
import { RecordingUnavailableError } from "../../recordings/index.js";
import type { Target } from "../../targets/index.js";
import { contextOf, decideNow, type GatewayDecision, gone, type Question } from "../decisions/decide.js";
import type { HeldBody } from "../edge/held-bodies.js";
import { FAILURES } from "./exchange-failures.js";
import { GatewayError, unavailable, unknownSession } from "../gateway-error.js";
import type { Exchange, GatewaySession } from "../sessions/gateway-session.js";
import { listenFilter } from "../decisions/listen-filter.js";
import { Recorder, type ToRecord } from "./recorder.js";
import type { ExchangeReply } from "../replies/reply.js";
import { LiveState } from "../decisions/live-state.js";
import { Resumption } from "../replies/resumption.js";
import { SessionsService } from "../sessions/sessions.service.js";

/** A client's message on its way in, with who sent it into which session. */
export interface Incoming<Message extends McpMessage = McpMessage> {
  readonly session: GatewaySession;
  readonly target: Target;
  readonly principal: Principal;
  readonly message: Message;
  readonly reply: ExchangeReply;
  /** What the message is part of; whoever keeps the message holds it. */
  readonly body: HeldBody;
  /** Mcp-Param-* of the request. */
  readonly parameterHeaders?: Readonly<Record<string, string>>;
  /** Whether the tasks that the request names are the caller's; undefined when it names none. */
  readonly ownsTasks?: boolean | undefined;
}

interface Authorized {
  readonly decision: GatewayDecision;
  readonly epoch: bigint;
}

/** The way in of a call: decide, record, dispatch, in this order. */
@Injectable()
export class ClientTraffic {
  private readonly logger = new Logger("gateway");

  constructor(
    private readonly live: LiveState,
    private readonly sessions: SessionsService,
    private readonly recorder: Recorder,
    private readonly resumption: Resumption,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** @throws GatewayError when the message is not passed on */
  async accept(incoming: Incoming): Promise<void> {
    const { session, message } = incoming;
    if (message.kind === "request") {
      const ownsTasks = await this.sessions.ownsTasks(session, message);
      await this.request({ ...incoming, message, ownsTasks });
      return;
    }
    if (!session.hasRoomFor(message)) throw tooMuchUnderWay();
    const passing =
      message.kind === "notification"
        ? this.notification({ ...incoming, message })
        : this.response({ ...incoming, message });
    await session.whilePassing(message, passing);
  }

  /** Resolves when the request is on its way; its answer comes through the session's TargetTraffic. */
  private async request(incoming: Incoming<McpRequest>): Promise<void> {
    const { session, message, reply, body } = incoming;
    this.refuseWhatCannotBeTracked(session, message);
    const question = questionOf(incoming);
    const number = session.nextExchangeNumber();
    // Before the first wait, so that the same id cannot come in twice.
    const exchange: Exchange = {
      number,
      id: message.id,
      method: message.method,
      name: message.name,
      reply,
      question,
      epoch: 0n,
      sent: false,
      cancelled: false,
      body,
    };
    session.begin(exchange);
    this.beginReply(session, exchange);
    try {
      const { decision, epoch } = await this.authorizeAndRecord(incoming, question, number);
      // Unless its client has come back with another token meanwhile.
      if (exchange.reply === reply) exchange.epoch = epoch;
      if (decision.effect === "deny") throw await this.refused(incoming, decision, number);
      await this.dispatch(incoming, number);
    } catch (error) {
      session.finish(exchange);
      throw error;
    }
  }

  /** What its answer is like, if that becomes an event stream. Nobody could come back for the one to initialize. */
  private beginReply({ era, isPrimed }: GatewaySession, { number, method, reply }: Exchange): void {
    if (era === "modern" || method === "initialize") return;
    reply.begin({ exchange: number, isPrimed, lastsMs: this.config.streamSeconds * 1_000 });
  }

  private async notification(incoming: Incoming<McpNotification>): Promise<void> {
    const { session, message, reply } = incoming;
    const { decision } = await this.authorizeAndRecord(incoming, questionOf(incoming), 0);
    if (decision.effect === "deny") {
      throw new GatewayError({
        status: 400,
        code: RpcErrorCode.MethodNotFound,
        message: `not accepted: ${message.method}`,
      });
    }
    if (message.method === "notifications/cancelled") await this.cancel(session, message);
    // What the modern era has in common for other transports means nothing here: a cancel is the end of a connection.
    else if (session.era === "legacy" || !METHODS.has(message.method)) await this.dispatch(incoming, 0);
    reply.finishEmpty(202);
  }

  /** The client's answer to something the target asked. */
  private async response(incoming: Incoming<McpResponse>): Promise<void> {
    const { session, message, reply } = incoming;
    await this.resumption.recall(session);
    const { id } = message;
    const method = id && session.takeAsked(id);
    if (!id || method === undefined) {
      const said = "the target has not asked anything with this id, or it was answered already";
      throw new GatewayError({ status: 400, code: RpcErrorCode.InvalidRequest, message: said });
    }
    try {
      await this.passOn(incoming, method);
    } catch (error) {
      // It was not sent, so it may be given again.
      session.expectAnswer({ id, method });
      throw error;
    }
    reply.finishEmpty(202);
  }

  /** @throws GatewayError when the answer was certainly not sent */
  private async passOn(incoming: Incoming<McpResponse>, method: string): Promise<void> {
    const { session } = incoming;
    const about = { direction: "client_to_target", method } as const;
    const known = await this.live.known();
    const epoch = await this.recordMasked(incoming, { kind: "client_response", ...about });
    // What another process asked was decided then.
    const mayHaveChanged = epoch > known.epoch || session.wasServedBefore;
    if (mayHaveChanged && !(await this.mayStillAnswer(incoming, method, epoch))) {
      await this.recordOrRefuse(session, { kind: "decision", ...about, decision: gone() });
      throw unknownSession();
    }
    await this.dispatch(incoming, 0);
  }

  private async mayStillAnswer(
    { session, target: { name }, principal }: Incoming,
    method: string,
    epoch: bigint,
  ): Promise<boolean> {
    const { policies, targets } = await this.live.atLeast(epoch);
    const target = targets.get(name);
    if (target?.id !== session.targetId) return false;
    if (evaluate(policies, { target, method }, contextOf(principal)).effect !== "allow") return false;
    return this.sessions.isStillOpen(session);
  }

  /**
   * Nobody waits for the exchange any more. It is the agent that tells the target and that says when the exchange is
   * over: with a late answer, which is recorded, or without one.
   */
  private async cancel(session: GatewaySession, { requestId }: McpNotification): Promise<void> {
    const exchange = requestId && session.exchangeOf(requestId);
    // The specification forbids to cancel initialize.
    if (!exchange || exchange.method === "initialize") return;
    exchange.cancelled = true;
    exchange.reply.abandon();
    if (exchange.sent)
      (await this.sessions.linkOf(session)).cancel(exchange.number, "cancelled by the client");
  }

  /** The modern era: closing the connection is how a client cancels. Before it was sent, the request is not sent. */
  left(session: GatewaySession, exchange: Exchange): void {
    exchange.cancelled = true;
    if (!exchange.sent) return;
    const { number, method, name } = exchange;
    const about = { direction: "client_to_target", exchange: number, method, name } as const;
    this.recorder.owe(session, {
      kind: "notification",
      ...about,
      attributes: { cancelled: "the client left" },
    });
    session.link?.then(
      (link) => link.cancel(number, "the client left"),
      () => undefined,
    );
  }

  private refuseWhatCannotBeTracked(session: GatewaySession, message: McpRequest): void {
    if (session.exchangeOf(message.id)) {
      const said = "another request with this id is under way in the session; ids must be unique";
      throw new GatewayError({ status: 400, code: RpcErrorCode.InvalidRequest, message: said });
    }
    if (!session.hasRoomFor(message)) throw tooMuchUnderWay();
  }

  /**
   * Decides, and writes the request and the decision down in one durable statement. That statement tells the
   * authorization epoch of its moment: if it has moved since the decision, what was decided may no longer hold, so it
   * is decided again, until decision and epoch agree (ADR 0002).
   */
  private async authorizeAndRecord(
    incoming: Incoming<McpRequest | McpNotification>,
    question: Question,
    exchange: number,
  ): Promise<Authorized> {
    const { session, message } = incoming;
    let live = await this.live.known();
    let decision = decideNow(live, question);
    const about = {
      direction: "client_to_target",
      exchange,
      method: message.method,
      name: message.name,
    } as const;
    let epoch = await this.recordMasked(incoming, { kind: message.kind, ...about, decision });
    while (epoch > live.epoch) {
      live = await this.live.atLeast(epoch);
      decision = (await this.sessions.isStillOpen(session)) ? decideNow(live, question) : gone();
      epoch = await this.recordOrRefuse(session, { kind: "decision", ...about, decision });
    }
    return { decision, epoch };
  }

  private async recordMasked(
    { session, message, parameterHeaders = {} }: Incoming,
    event: ToRecord,
  ): Promise<bigint> {
    try {
      const { payload, masked } = await this.recorder.maskedCopy(message);
      const headers = this.recorder.maskedHeaders(parameterHeaders);
      const said = Object.keys(headers).length > 0 ? { parameterHeaders: headers } : {};
      const attributes = { ...event.attributes, masked, ...said };
      return await this.recordOrRefuse(session, { ...event, attributes, payload });
    } catch (error) {
      if (!(error instanceof UnmaskableError)) throw error;
      const said = "the message could not be masked for the recording, so it was not sent";
      throw new GatewayError({ status: 200, code: RpcErrorCode.RecordingUnavailable, message: said });
    }
  }

  private async recordOrRefuse(session: GatewaySession, event: ToRecord): Promise<bigint> {
    try {
      return (await this.recorder.record(session, event)).epoch;
    } catch (error) {
      if (!(error instanceof RecordingUnavailableError)) throw error;
      // The end of the session has told its recording what became of the request; it may have been at another process.
      if (error.reason === "ended") {
        await this.sessions.end(session, "its recording has ended");
        throw unknownSession();
      }
      this.logger.error("a message of a client could not be recorded and was not sent", error.message);
      if (event.exchange) {
        const { exchange, method, name } = event;
        const attributes = { reason: "the request could not be recorded in time and was not sent" };
        this.recorder.owe(session, { kind: "not_sent", exchange, method, name, attributes });
      }
      throw unavailable("the request could not be recorded, so it was not sent; try again in a moment");
    }
  }

  private async refused(
    incoming: Incoming,
    decision: GatewayDecision,
    exchange: number,
  ): Promise<GatewayError> {
    const refusal = decision.refusal ?? unknownSession();
    await this.recordOrRefuse(incoming.session, {
      kind: "not_sent",
      direction: "target_to_client",
      exchange,
      attributes: { reason: this.recorder.maskedText(decision.reason) },
      payload: this.recorder.maskedBytes(
        refusal.body(incoming.message.kind === "request" ? incoming.message.id : null),
      ),
    });
    return refusal;
  }

  private async dispatch(
    { session, message, parameterHeaders = {} }: Incoming,
    exchange: number,
  ): Promise<void> {
    try {
      const link = await this.sessions.linkOf(session);
      // It may have ended while the request was decided and recorded.
      if (session.ended) throw unknownSession();
      // The last moment: from here on the agent is told to take it back.
      if (session.exchange(exchange)?.cancelled) throw cancelledBeforeSent();
      session.markSent(exchange);
      const protocolVersion = session.protocolVersion ?? "";
      await link.send({ exchange, payload: message.bytes, protocolVersion, parameterHeaders });
    } catch (error) {
      const refusal = notSent(error);
      if (!refusal) throw error;
      // The end of the session has told the recording already what it finished.
      if (session.isInFlight(exchange)) {
        const attributes = { reason: refusal.message };
        this.recorder.owe(session, { kind: "not_sent", exchange, attributes });
      }
      throw refusal;
    }
  }
}

function tooMuchUnderWay(): GatewayError {
  const message = "too many or too large requests are under way in the session; wait for some to be answered";
  return new GatewayError({ status: 429, code: RpcErrorCode.TooManyRequests, message });
}

/** Nobody hears it, the reply is abandoned; it is what the recording says of the request. */
function cancelledBeforeSent(): GatewayError {
  const message = "the client cancelled the request before it was sent";
  return new GatewayError({ status: 200, code: RpcErrorCode.TargetUnavailable, message });
}

function notSent(error: unknown): GatewayError | undefined {
  if (error instanceof GatewayError) return error;
  if (!(error instanceof AgentUnavailableError)) return undefined;
  const { code, says } = FAILURES[ExchangeFailure.NOT_SENT];
  return new GatewayError({ status: 200, code, message: `${says}: ${error.message}` });
}

function questionOf({
  session,
  target,
  principal,
  message,
  ownsTasks,
}: Incoming<McpRequest | McpNotification>): Question {
  const { name, labels } = target;
  return {
    target: { name, labels },
    targetId: session.targetId,
    context: contextOf(principal),
    message,
    era: session.era,
    ...(ownsTasks === undefined ? {} : { ownsTasks }),
    ...(message.method === "subscriptions/listen"
      ? { listensTo: listenFilter(message, "resourceSubscriptions") }
      : {}),
  };
}
