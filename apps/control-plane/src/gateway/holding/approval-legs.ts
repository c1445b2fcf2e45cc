import { Injectable } from "@nestjs/common";
import type { McpRequest } from "@drawbridge/mcp";
import { type ApprovalOwner, Approvals, type HeldApproval } from "../../approvals/index.js";
import { GatewayError } from "../gateway-error.js";
import type { Exchange } from "../sessions/gateway-session.js";
import type { Incoming } from "../traffic/incoming.js";
import { ApprovedRuns } from "./approved-runs.js";
import { AwaitedApproval } from "./awaited-approval.js";
import { deniedMeanwhile, notApproved, ranElsewhere } from "./held-answers.js";
import type { Leg } from "./leg.js";
import { LegEndings } from "./leg-endings.js";
import { Waiting } from "./waiting.js";

/** A request that waits for an approval. */
export interface WaitingRequest {
  readonly incoming: Incoming<McpRequest>;
  readonly exchange: Exchange;
  readonly approval: HeldApproval;
  /** How many have waited by requestState, this one included. */
  readonly number: number;
  /** Of the tool as it was accepted when the first one came. */
  readonly toolDigest: Uint8Array | undefined;
}

/** Legs that wait for an approval: the one that finds it given sends the call, and each is told how it ended. */
@Injectable()
export class ApprovalLegs {
  constructor(
    private readonly approvals: Approvals,
    private readonly runs: ApprovedRuns,
    private readonly waiting: Waiting,
    private readonly endings: LegEndings,
  ) {}

  /**
   * Resolves when the call is on its way to the target, or its end is told.
   * @throws GatewayError, once it is in the recording, for what its caller is told instead
   */
  async wait(request: WaitingRequest): Promise<void> {
    const { incoming, exchange } = request;
    try {
      await this.waitByLeg(request);
    } catch (error) {
      // What callers are told a reason of is in the recording. Of anything else it is certain that it was not sent.
      if (!(error instanceof GatewayError) && !exchange.sent)
        await this.endings.failed(incoming.session, exchange);
      throw error;
    }
  }

  /** Whether a request waits for it here. */
  waitFor(id: string): boolean {
    return this.waiting.legs.has(id);
  }

  private async waitByLeg(request: WaitingRequest): Promise<void> {
    const { exchange, approval } = request;
    const { id, createdAt: since } = approval;
    exchange.approval = id;
    const watch = new AwaitedApproval(this.approvals, approval);
    // Nobody is there for what has ended.
    const attend = () => (watch.isOpen ? this.approvals.attend(id, exchange.number) : async () => {});
    const begin = { ...request, awaits: "approval", id, since, attend } as const;
    await this.waiting.during(begin, async (leg) => {
      const stop = watch.isOpen ? this.waiting.progress(leg, since, () => watch.awaited) : () => undefined;
      try {
        while (!(await this.hasEnded(leg, watch))) await this.waiting.next(leg, watch.awaited, watch);
      } finally {
        stop();
      }
    });
  }

  /** Does what is to be done now. True when that was the end of the leg. */
  private async hasEnded(leg: Leg, watch: AwaitedApproval): Promise<boolean> {
    if (leg.over) {
      await this.endings.over(leg, leg.over, watch.awaited);
      return true;
    }
    if (!watch.isOpen) {
      await this.tellEnd(leg, watch.approval);
      return true;
    }
    const isTime = watch.approval.state === "approved" && this.waiting.legs.isTurnOf(leg.id, leg);
    return isTime && (await this.run(leg, watch));
  }

  private async run(leg: Leg, watch: AwaitedApproval): Promise<boolean> {
    const { incoming, exchange } = leg;
    const isWanted = () => leg.isStillThere;
    const attempt = await this.runs.attempt({ incoming, exchange, approval: watch.approval, isWanted });
    switch (attempt.became) {
      case "sent":
        return true;
      case "refused":
        await this.endings.inVain(leg, deniedMeanwhile(leg, attempt.decision), attempt.decision);
        await this.approvals.told(leg.id);
        return true;
      case "gone":
        watch.approval = (await this.approvals.find(leg.id, ownerOf(incoming))) ?? watch.approval;
        if (watch.isOpen) await this.waiting.pause(leg);
        return this.hasEnded(leg, watch);
      case "unreachable":
        await this.waiting.pause(leg);
        return this.hasEnded(leg, watch);
      case "unwanted":
        return false;
      default:
        return attempt satisfies never;
    }
  }

  /** What was decided while it waited, or how it ended without anybody. */
  private async tellEnd(leg: Leg, approval: HeldApproval): Promise<void> {
    if (approval.state !== "consumed") {
      await this.endings.inVain(leg, notApproved(leg, approval));
      await this.approvals.told(approval.id);
      return;
    }
    const { session } = leg.incoming;
    // It was taken up at another control plane, which tells the rest.
    if (approval.exchange === leg.exchange.number) {
      session.finish(leg.exchange);
      leg.exchange.reply.abandon();
      return;
    }
    const isUnderWay = session.isInFlight(approval.exchange);
    await this.endings.inVain(leg, ranElsewhere(leg, approval, isUnderWay));
    if (!isUnderWay) await this.approvals.told(approval.id);
  }
}

/** Whose approvals those of the request are. */
export function ownerOf({ session }: Incoming<McpRequest>): ApprovalOwner {
  return { sessionId: session.id, principal: session.principal, oauthClient: session.oauthClient };
}
