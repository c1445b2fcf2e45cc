import { Injectable } from "@nestjs/common";
import { Approvals } from "../../approvals/index.js";
import type { GatewayDecision } from "../decisions/decide.js";
import { unknownSession } from "../gateway-error.js";
import type { EndOfWaiting, Exchange, GatewaySession } from "../sessions/gateway-session.js";
import { SessionsService } from "../sessions/sessions.service.js";
import type { Awaited } from "./awaited.js";
import { comeBack, deniedMeanwhile, pending, type Said } from "./held-answers.js";
import type { Leg } from "./leg.js";
import { RequestStates } from "./request-states.js";
import { Waiting } from "./waiting.js";

/** What becomes of a leg that does not wait any longer: for its approval, for the recording and for its caller. */
@Injectable()
export class LegEndings {
  constructor(
    private readonly approvals: Approvals,
    private readonly sessions: SessionsService,
    private readonly states: RequestStates,
    private readonly waiting: Waiting,
  ) {}

  /** @throws GatewayError for what the caller is told of a session that has ended */
  async over(leg: Leg, reason: EndOfWaiting, awaited: Awaited): Promise<void> {
    switch (reason.why) {
      case "unwanted":
        await this.cancel(leg, "the caller has cancelled it");
        return this.unheard(leg, "the client cancelled the request while it waited for people");
      case "left":
        return this.unheard(leg, "the client left while the request waited for people");
      case "late":
        return this.tellToComeBack(leg, awaited);
      case "stopping":
        return this.stop(leg, awaited);
      case "denied":
        return this.deny(leg, reason.decision);
      case "ended":
        await this.cancel(leg, "the session has ended");
        throw unknownSession();
      default:
        return reason satisfies never;
    }
  }

  /** It will not be sent. */
  async inVain(leg: Leg, said: Required<Said>, decision?: GatewayDecision): Promise<void> {
    const attributes = { [leg.awaits]: leg.id };
    await this.endingsOf(leg).inVain(leg.exchange, { ...said, attributes, decision });
    await tellAnyway(leg, said);
  }

  /** Something that should not have happened kept it from being sent. */
  async failed(session: GatewaySession, exchange: Exchange): Promise<void> {
    const { approval } = exchange;
    const attributes = approval === undefined ? {} : { approval };
    await this.sessions
      .trafficOf(session)
      .endings.unheard(exchange, "the request could not be held, so it was not sent", attributes);
  }

  private async deny(leg: Leg, decision: GatewayDecision): Promise<void> {
    if (leg.awaits === "approval") await this.approvals.revoke(leg.id, decision.reason);
    await this.inVain(leg, deniedMeanwhile(leg, decision), decision);
    if (leg.awaits === "approval") await this.approvals.told(leg.id);
  }

  /** The next process takes up the call of who can come back to its stream; everybody else asks again. */
  private async stop(leg: Leg, awaited: Awaited): Promise<void> {
    const { session } = leg.incoming;
    if (session.era === "modern" || !leg.exchange.reply.resumable) {
      await this.tellToComeBack(leg, awaited);
      return;
    }
    session.finish(leg.exchange);
    leg.exchange.reply.abandon();
  }

  private async tellToComeBack(leg: Leg, awaited: Awaited): Promise<void> {
    const said = this.toComeBack(leg, awaited);
    const { message, code } = said;
    await this.sessions.trafficOf(leg.incoming.session).own.give(leg.exchange, {
      message,
      attributes: { [leg.awaits]: leg.id },
      ...(code === undefined ? {} : { code }),
      // Who waits for access is denied until it is given.
      ...(leg.awaits === "access" ? { mayHear: async () => true } : {}),
    });
    await tellAnyway(leg, said);
  }

  private toComeBack(leg: Leg, awaited: Awaited): Said {
    if (leg.comesBackBy === "repeat") return pending(leg, awaited);
    const { awaits: kind, id, number, incoming, toolDigest } = leg;
    const { expiresAt } = awaited;
    return comeBack(
      leg,
      awaited,
      this.states.seal(incoming, { kind, id, leg: number }, { expiresAt, toolDigest }),
    );
  }

  /** Several requests may wait for the same: as long as one of them does it is wanted. */
  private async cancel(leg: Leg, reason: string): Promise<void> {
    const isWanted = leg.awaits === "access" || !this.waiting.legs.isOnly(leg.id, leg);
    if (!isWanted) await this.approvals.cancel(leg.id, reason);
  }

  private async unheard(leg: Leg, reason: string): Promise<void> {
    await this.endingsOf(leg).unheard(leg.exchange, reason, { [leg.awaits]: leg.id });
    leg.exchange.reply.abandon();
  }

  private endingsOf({ incoming: { session } }: Leg) {
    return this.sessions.trafficOf(session).endings;
  }
}

/** The end of the session may have told the recording before, and nobody the caller. */
async function tellAnyway({ exchange: { reply } }: Leg, { message }: Said): Promise<void> {
  if (reply.open) await reply.finish(message);
}
