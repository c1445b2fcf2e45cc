import { Inject, Injectable } from "@nestjs/common";
import { type McpNotification, type McpRequest, METHODS, RpcErrorCode } from "@drawbridge/mcp";
import { CONFIG, type Config } from "../../config.js";
import type { Hold } from "../../limits/index.js";
import { GatewayError } from "../gateway-error.js";
import type { Exchange, GatewaySession } from "../sessions/gateway-session.js";
import type { ExchangeReply } from "../replies/reply.js";
import { Authorization, type Authorized } from "./authorization.js";
import { CallLimits } from "./call-limits.js";
import { ClientResponses } from "./client-responses.js";
import type { Incoming } from "./incoming.js";
import { ToTarget } from "./to-target.js";

/** The way in of a call: decide and record, count against limits, dispatch, in this order. */
@Injectable()
export class ClientTraffic {
  constructor(
    private readonly authorization: Authorization,
    private readonly limits: CallLimits,
    private readonly target: ToTarget,
    private readonly responses: ClientResponses,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** @throws GatewayError when the message is not passed on */
  async accept(incoming: Incoming): Promise<void> {
    const { session, message } = incoming;
    if (message.kind === "request") {
      const ownsTasks = await this.authorization.ownsTasks({ ...incoming, message });
      await this.request({ ...incoming, message, ownsTasks });
      return;
    }
    if (!session.hasRoomFor(message)) throw tooMuchUnderWay();
    const passing =
      message.kind === "notification"
        ? this.notification({ ...incoming, message })
        : this.responses.take({ ...incoming, message });
    await session.whilePassing(message, passing);
  }

  /** Resolves when the request is on its way; its answer comes through the session's TargetTraffic. */
  private async request(incoming: Incoming<McpRequest>): Promise<void> {
    const { session, message, reply, body } = incoming;
    this.refuseWhatCannotBeTracked(session, message);
    const question = this.authorization.questionOf(incoming);
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
      decided: false,
      sent: false,
      cancelled: false,
      body,
    };
    session.begin(exchange);
    this.beginReply(session, exchange);
    try {
      const { decision, ...decided } = await this.authorization.decideAndRecord(incoming, question, number);
      noteDecided(exchange, decided, reply);
      if (decision.effect !== "allow") throw await this.authorization.refusalOf(incoming, decision, number);
      exchange.hold = await this.limits.holdOf(incoming, decision, number);
      await this.target.dispatch(incoming, number, decision.toolDigest);
    } catch (error) {
      session.finish(exchange);
      await giveUp(exchange.hold, error);
      if (exchange.reply !== reply) await tellWhoCameBack(exchange, error);
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
    const question = this.authorization.questionOf(incoming);
    const { decision } = await this.authorization.decideAndRecord(incoming, question, 0);
    if (decision.effect !== "allow") {
      throw new GatewayError({
        status: 400,
        code: RpcErrorCode.MethodNotFound,
        message: `not accepted: ${message.method}`,
      });
    }
    const hold = await this.limits.holdOf(incoming, decision, 0);
    try {
      if (message.method === "notifications/cancelled") await this.target.cancel(session, message);
      // What the modern era has in common for other transports means nothing here: a cancel is the end of a connection.
      else if (session.era === "legacy" || !METHODS.has(message.method))
        await this.target.dispatch(incoming, 0);
    } catch (error) {
      await giveUp(hold, error);
      throw error;
    }
    await hold?.release();
    reply.finishEmpty(202);
  }

  /** The modern era: the client has closed the connection on which it waited. */
  left(session: GatewaySession, exchange: Exchange): void {
    this.target.left(session, exchange);
  }

  private refuseWhatCannotBeTracked(session: GatewaySession, message: McpRequest): void {
    if (session.exchangeOf(message.id)) {
      const said = "another request with this id is under way in the session; ids must be unique";
      throw new GatewayError({ status: 400, code: RpcErrorCode.InvalidRequest, message: said });
    }
    if (!session.hasRoomFor(message)) throw tooMuchUnderWay();
  }
}

/** `reply`: to whom it was decided. Who has come back with another token meanwhile is decided about with what comes next. */
function noteDecided(
  exchange: Exchange,
  { question, epoch }: Omit<Authorized, "decision">,
  reply: ExchangeReply,
): void {
  const { session } = question.context;
  exchange.question = { ...exchange.question, context: { ...exchange.question.context, session } };
  exchange.decided = true;
  if (exchange.reply === reply) exchange.epoch = epoch;
}

/** Of what is refused it is certain that it was not sent. */
async function giveUp(hold: Hold | undefined, error: unknown): Promise<void> {
  await (error instanceof GatewayError ? hold?.giveBack() : hold?.release());
}

/** On the stream that the client has now; the one that it asked on is over. */
async function tellWhoCameBack({ reply, id }: Exchange, error: unknown): Promise<void> {
  if (error instanceof GatewayError) await reply.finish(error.body(id));
  else reply.abandon();
}

function tooMuchUnderWay(): GatewayError {
  const message = "too many or too large requests are under way in the session; wait for some to be answered";
  return new GatewayError({ status: 429, code: RpcErrorCode.TooManyRequests, message });
}
