import { Injectable, Logger } from "@nestjs/common";
import { type McpRequest, parseMessage, rewriteIds } from "@drawbridge/mcp";
import { Approvals, type ApprovedOperation } from "../../approvals/index.js";
import { GatewayError } from "../gateway-error.js";
import { Authorization } from "../traffic/authorization.js";
import { giveUp, tellWhoCameBack } from "../traffic/given-up.js";
import type { Incoming } from "../traffic/incoming.js";
import { newExchange } from "../traffic/new-exchange.js";
import { ApprovedRuns } from "./approved-runs.js";
import { HeldCalls } from "./held-calls.js";

/** A held call whose client has come back to a process that does not know of it. */
export interface LeftBehind extends Pick<Incoming, "session" | "target" | "principal" | "reply" | "body"> {
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
    private readonly held: HeldCalls,
    private readonly runs: ApprovedRuns,
  ) {}

  /** False when nothing holds the call any more. Resolves while it waits. */
  async takeUp(left: LeftBehind): Promise<boolean> {
    const { session, number, request } = left;
    const approval = await this.approvals.ofExchange(session.id, number);
    const operation = approval && (await this.runs.operationOf(approval));
    // Two connections may come for it at once.
    if (!operation || session.isInFlight(number)) return operation !== undefined;
    const incoming = { ...left, message: asOf(operation, request) };
    const exchange = newExchange(incoming, number, this.authorization.questionOf(incoming));
    exchange.decided = true;
    session.begin(exchange);
    this.held.goOn(incoming, exchange, approval).catch(async (error: unknown) => {
      if (!(error instanceof GatewayError)) this.logger.error("a held call failed", String(error));
      await giveUp(session, exchange, error);
      await tellWhoCameBack(exchange, error);
    });
    return true;
  }
}

/** The request of an earlier leg may have been another one, with the same meaning. */
function asOf({ message: sealed }: ApprovedOperation, { id, progressToken }: McpRequest): McpRequest {
  return parseMessage(rewriteIds(parseMessage(sealed), { id, progressToken })) as McpRequest;
}
