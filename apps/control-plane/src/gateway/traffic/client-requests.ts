import { Inject, Injectable } from "@nestjs/common";
import { type McpRequest, RpcErrorCode } from "@drawbridge/mcp";
import { CONFIG, type Config } from "../../config.js";
import type { GatewayDecision } from "../decisions/decide.js";
import { GatewayError, tooMuchUnderWay } from "../gateway-error.js";
import { AboutToWait } from "../holding/about-to-wait.js";
import { Holding } from "../holding/holding.js";
import type { ComesBack } from "../holding/request-states.js";
import type { ExchangeReply } from "../replies/reply.js";
import type { Exchange, GatewaySession } from "../sessions/gateway-session.js";
import { Authorization, type Authorized } from "./authorization.js";
import { CallLimits } from "./call-limits.js";
import { giveUp, tellWhoCameBack } from "./given-up.js";
import type { Incoming } from "./incoming.js";
import { newExchange } from "./new-exchange.js";
import { ToTarget } from "./to-target.js";

/** A request on its way in, as its target is to see it. */
interface Passing {
  readonly incoming: Incoming<McpRequest>;
  readonly exchange: Exchange;
  /** It comes back for what waits for people. */
  readonly comesBack: ComesBack | undefined;
}

/** The way in of a call: decide and record, wait for people, count against limits, dispatch, in this order. */
@Injectable()
export class ClientRequests {
  constructor(
    private readonly authorization: Authorization,
    private readonly holding: Holding,
    private readonly limits: CallLimits,
    private readonly target: ToTarget,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Resolves when the request is on its way, or its end is told; its answer comes through the session's TargetTraffic. */
  async take(received: Incoming<McpRequest>): Promise<void> {
    const { incoming: unwrapped, comesBack, refusal } = this.holding.states.unwrap(received);
    const ownsTasks = await this.authorization.ownsTasks(unwrapped);
    const heldTask = await this.holding.tasks.of({ ...unwrapped, ownsTasks });
    const incoming = { ...unwrapped, ownsTasks, heldTask, refusal };
    const { session, message, reply } = incoming;
    this.refuseWhatCannotBeTracked(session, message);
    // Before the first wait, so that the same id cannot come in twice.
    const exchange = newExchange(
      incoming,
      session.nextExchangeNumber(),
      this.authorization.questionOf(incoming),
    );
    session.begin(exchange);
    this.beginReply(session, exchange);
    try {
      await this.pass({ incoming, exchange, comesBack });
    } catch (error) {
      await giveUp(session, exchange, error);
      if (exchange.reply !== reply) await tellWhoCameBack(exchange, error);
      throw error;
    }
  }

  private async pass(passing: Passing): Promise<void> {
    const { incoming, exchange, comesBack } = passing;
    const { number } = exchange;
    const decision = await this.decide(passing);
    if (!decision) return;
    if (decision.effect === "deny") {
      if (comesBack?.kind === "approval") await this.holding.calls.deny(comesBack, decision);
      throw await this.authorization.refusalOf(incoming, decision, number);
    }
    if (decision.effect === "require_approval" || comesBack?.kind === "approval") {
      if (!mayWait(incoming))
        throw await this.authorization.refusalOf(incoming, cannotWait(decision), number);
      await this.holding.calls.hold({ incoming, exchange, decision, comesBack: forApproval(comesBack) });
      return;
    }
    if (incoming.heldTask) {
      await this.holding.tasks.answer(incoming, exchange, incoming.heldTask);
      return;
    }
    exchange.hold = await this.limits.holdOf(incoming, decision, number);
    await this.target.dispatch(incoming, number, decision.toolDigest);
  }

  /** What is decided in the end: who may ask for access and waits for it is decided about once more. Undefined: answered. */
  private async decide({ incoming, exchange, comesBack }: Passing): Promise<GatewayDecision | undefined> {
    const { reply } = incoming;
    const first = await this.authorization.decideAndRecord(incoming, exchange.question, exchange.number);
    noteDecided(exchange, first, reply);
    if (!first.decision.requestable || !mayWait(incoming)) return first.decision;
    // It is decided about once more: what changes until then takes nothing back.
    exchange.decided = false;
    const again = await this.holding.access.await({
      incoming,
      exchange,
      decision: first.decision,
      comesBack,
    });
    if (again) noteDecided(exchange, again, reply);
    return again?.decision;
  }

  /** What its answer is like, if that becomes an event stream. Nobody could come back for the one to initialize. */
  private beginReply({ era, isPrimed }: GatewaySession, { number, method, reply }: Exchange): void {
    if (era === "modern" || method === "initialize") return;
    reply.begin({ exchange: number, isPrimed, lastsMs: this.config.streamSeconds * 1_000 });
  }

  private refuseWhatCannotBeTracked(session: GatewaySession, message: McpRequest): void {
    if (session.exchangeOf(message.id)) {
      const said = "another request with this id is under way in the session; ids must be unique";
      throw new GatewayError({ status: 400, code: RpcErrorCode.InvalidRequest, message: said });
    }
    if (!session.hasRoomFor(message)) throw tooMuchUnderWay();
  }
}

/** A batch has one connection for all it holds, and a subscription is decided about whenever something changes. */
function mayWait({ isBatched = false, message }: Incoming<McpRequest>): boolean {
  return !isBatched && message.method !== "subscriptions/listen";
}

function cannotWait(decision: GatewayDecision): GatewayDecision {
  const message = "this needs an approval, and cannot wait for one like this: send it by itself";
  const refusal = new GatewayError({ status: 200, code: RpcErrorCode.DeniedByPolicy, message });
  return { ...decision, effect: "deny", reason: message, refusal };
}

function forApproval(comesBack: ComesBack | undefined): ComesBack | undefined {
  return comesBack?.kind === "approval" ? comesBack : undefined;
}

/** `reply`: to whom it was decided. Who has come back with another token meanwhile is decided about with what comes next. */
function noteDecided(
  exchange: Exchange,
  { question, epoch, decision }: Authorized,
  reply: ExchangeReply,
): void {
  const { session } = question.context;
  exchange.question = { ...exchange.question, context: { ...exchange.question.context, session } };
  exchange.decided = true;
  exchange.held = AboutToWait.of(decision);
  if (exchange.reply === reply) exchange.epoch = epoch;
}
