import { Injectable } from "@nestjs/common";
import type { McpRequest } from "@drawbridge/mcp";
import { resultResponse } from "@drawbridge/mcp";
import { decideNow, type GatewayDecision } from "../decisions/decide.js";
import type { Exchange } from "../sessions/gateway-session.js";
import { SessionsService } from "../sessions/sessions.service.js";
import { Authorization, type Authorized } from "../traffic/authorization.js";
import type { Incoming } from "../traffic/incoming.js";
import { AccessOnCall, type WithoutAccess } from "./access-on-call.js";
import type { Awaited } from "./awaited.js";
import { noAccess } from "./held-answers.js";
import { LegEndings } from "./leg-endings.js";
import type { ComesBack } from "./request-states.js";
import { unattended, Waiting } from "./waiting.js";

/** A call that is denied for want of access that its caller may ask for, as it was decided and recorded. */
export interface CallWithoutAccess {
  readonly incoming: Incoming<McpRequest>;
  readonly exchange: Exchange;
  readonly decision: GatewayDecision;
  readonly comesBack?: ComesBack | undefined;
}

/** Calls that wait for access: from the denial until it is decided about them again, or they are answered. */
@Injectable()
export class CallsWithoutAccess {
  constructor(
    private readonly access: AccessOnCall,
    private readonly authorization: Authorization,
    private readonly sessions: SessionsService,
    private readonly waiting: Waiting,
    private readonly endings: LegEndings,
  ) {}

  /**
   * Resolves with what is decided once access was given, or with undefined when the caller has been answered.
   * @throws GatewayError, once it is in the recording, for what its caller is told instead
   */
  async await(call: CallWithoutAccess): Promise<Authorized | undefined> {
    const { incoming, exchange, decision } = call;
    const without = await this.access.of(incoming, decision, call.comesBack);
    switch (without.kind) {
      case "explain": {
        const denial = { ...decision, refusal: without.refusal };
        throw await this.authorization.refusalOf(incoming, denial, exchange.number);
      }
      case "ask":
        await this.ask(call, without.result);
        return undefined;
      case "wait":
        return (await this.isGiven(call, without)) ? this.decideAgain(call, without.awaited) : undefined;
      default:
        return without satisfies never;
    }
  }

  /** The client is asked for what is missing, and sends the call again with it. */
  private async ask({ incoming, exchange }: CallWithoutAccess, result: object): Promise<void> {
    const { session, message } = incoming;
    await this.sessions.trafficOf(session).own.give(exchange, {
      message: resultResponse(message.id, result),
      mayHear: async () => true,
    });
  }

  /** False when the caller has been answered. */
  private async isGiven(
    { incoming, exchange, comesBack }: CallWithoutAccess,
    { awaited: first, watch }: Extract<WithoutAccess, { kind: "wait" }>,
  ): Promise<boolean> {
    let awaited = first;
    const begin = {
      incoming,
      exchange,
      awaits: "access",
      id: awaited.id,
      since: new Date(),
      number: (comesBack?.leg ?? 0) + 1,
      toolDigest: undefined,
      attend: unattended,
    } as const;
    const followed = {
      changed: async (known: Awaited, signal: AbortSignal) => (awaited = await watch.changed(known, signal)),
    };
    return this.waiting.during(begin, async (leg) => {
      const stop = this.waiting.progress(leg, begin.since, () => awaited);
      try {
        while (!leg.over && awaited.state === "open") await this.waiting.next(leg, awaited, followed);
      } finally {
        stop();
      }
      if (leg.over) await this.endings.over(leg, leg.over, awaited);
      else if (awaited.state === "ended") await this.endings.inVain(leg, noAccess(leg, awaited));
      else if (leg.isThere) return true;
      else await this.endings.over(leg, { why: "left" }, awaited);
      return false;
    });
  }

  private decideAgain({ incoming, exchange }: CallWithoutAccess, { id }: Awaited): Promise<Authorized> {
    return this.authorization.decideAgain(incoming, this.authorization.questionOf(incoming), {
      exchange: exchange.number,
      attributes: { accessRequest: id },
      judge: (live, question) => decideNow(live, question),
    });
  }
}
