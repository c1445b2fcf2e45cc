import { Injectable, Logger } from "@nestjs/common";
import { type McpRequest, parseMessage, rewriteIds } from "@drawbridge/mcp";
import { Approvals, type ApprovedOperation, type HeldApproval } from "../../approvals/index.js";
import { decideNow, type GatewayDecision } from "../decisions/decide.js";
import { HeldBodies } from "../edge/held-bodies.js";
import { GatewayError } from "../gateway-error.js";
import type { Exchange } from "../sessions/gateway-session.js";
import { Authorization } from "../traffic/authorization.js";
import { giveUp, tellWhoCameBack } from "../traffic/given-up.js";
import type { Incoming } from "../traffic/incoming.js";
import { newExchange } from "../traffic/new-exchange.js";
import { ApprovedRuns } from "./approved-runs.js";
import { ApprovalLegs } from "./approval-legs.js";

/** A held call whose client has come back to a process that does not know of it. */
export interface LeftBehind extends Pick<Incoming, "session" | "target" | "principal" | "reply"> {
  readonly number: number;
  /** As it is recorded, masked: it lends its id and its progress token. */
  readonly request: McpRequest;
}

/** Calls that another process held until people decide: taken up from what is sealed, in the same exchange. */
@Injectable()
export class LeftBehindCalls {
  private readonly logger = new Logger("gateway");

  constructor(
    private readonly approvals: Approvals,
    private readonly authorization: Authorization,
    private readonly legs: ApprovalLegs,
    private readonly runs: ApprovedRuns,
    private readonly bodies: HeldBodies,
  ) {}

  /** False when nothing holds the call any more. Resolves while it waits. */
  async takeUp(left: LeftBehind): Promise<boolean> {
    const { session, principal, number, request } = left;
    const approval = await this.approvals.ofExchange(session.id, number);
    const operation = approval && (await this.runs.operationOf(approval));
    // Two connections may come for it at once.
    if (!operation || session.isInFlight(number)) return operation !== undefined;
    const body = this.bodies.of(principal.id);
    const incoming = { ...left, body, message: asOf(operation, request) };
    const exchange = newExchange(incoming, number, this.authorization.questionOf(incoming));
    exchange.decided = true;
    session.begin(exchange);
    this.goOn(incoming, exchange, approval).catch(async (error: unknown) => {
      if (!(error instanceof GatewayError)) this.logger.error("a held call failed", String(error));
      await giveUp(session, exchange, error);
      await tellWhoCameBack(exchange, error);
    });
    return true;
  }

  private async goOn(incoming: Incoming<McpRequest>, exchange: Exchange, approval: HeldApproval) {
    const { decision } = await this.authorization.decideAgain(incoming, exchange.question, {
      exchange: exchange.number,
      attributes: { approval: approval.id, resumed: true },
      // Allowed or not, it runs with its approval or not at all.
      judge: (live, question) => notYet(decideNow(live, question)),
    });
    if (decision.effect === "deny") {
      await this.approvals.revoke(approval.id, decision.reason);
      throw await this.authorization.refusalOf(incoming, decision, exchange.number);
    }
    await this.legs.wait({ incoming, exchange, approval, number: 1, toolDigest: undefined });
  }
}

function notYet(decision: GatewayDecision): GatewayDecision {
  return decision.effect === "allow" ? { ...decision, effect: "require_approval" } : decision;
}

/** The request of an earlier leg may have been another one, with the same meaning. */
function asOf({ message: sealed }: ApprovedOperation, { id, progressToken }: McpRequest): McpRequest {
  return parseMessage(rewriteIds(parseMessage(sealed), { id, progressToken })) as McpRequest;
}
