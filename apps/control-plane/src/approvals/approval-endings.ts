import { Injectable } from "@nestjs/common";
import { durationMs, type ReviewTerms } from "@drawbridge/policy";
import { Jobs } from "../platform/jobs.js";
import { missingOf, ReviewVotes } from "../reviews/index.js";
import { type Act, ApprovalActs } from "./approval-acts.js";
import { ApprovalsRepository, type Ending, isOpen, type StoredApproval } from "./approvals.repository.js";

/** Job: the time of this approval is over. */
export const EXPIRE_JOB = "expire-approval";

const LEFT = "its caller has left";

const OPEN = ["pending", "approved"] as const;

/** Ends approvals that nobody decides any more. Each of these does nothing to one that has ended already. */
@Injectable()
export class ApprovalEndings {
  constructor(
    private readonly repository: ApprovalsRepository,
    private readonly acts: ApprovalActs,
    private readonly votes: ReviewVotes,
    private readonly jobs: Jobs,
  ) {}

  /** It must not run after all. */
  async revoke(id: string, reason: string): Promise<void> {
    await this.end(id, { state: "revoked", from: OPEN, reason });
  }

  /** Its caller does not want it any more. */
  async cancel(id: string, reason: string): Promise<void> {
    await this.end(id, { state: "cancelled", from: OPEN, reason });
  }

  /** When its caller was not seen for too long. False when it was, or it has ended. */
  abandon(id: string): Promise<boolean> {
    return this.end(id, { state: "cancelled", from: OPEN, reason: LEFT, only: "abandoned" });
  }

  /** When its time is over: others are asked where the review says so, once; otherwise it has expired. */
  async expire(id: string): Promise<void> {
    const [approval] = await this.repository.byIds([id]);
    if (!approval) return;
    const { onExpiry, expiresIn } = approval.review;
    if (approval.state === "pending" && approval.escalatedAt === null && typeof onExpiry === "object")
      return this.escalate(id, { from: [onExpiry.escalateTo], expiresIn, onExpiry: "deny" });
    if (!isOpen(approval)) return;
    const reason =
      approval.state === "pending" ? "nobody decided in time" : "it was approved and did not run in time";
    await this.end(id, { state: "expired", from: [approval.state], reason, only: "expired" });
  }

  /** Its caller has heard of it. */
  async told(id: string): Promise<void> {
    await this.repository.told(id, this.acts.now());
  }

  /** Its own part of an act. Undefined when it is not in such a state, or not due. */
  async endWithin(
    { transaction, now }: Act,
    id: string,
    { actor = "system", ...ending }: Ending & { readonly actor?: string },
  ): Promise<StoredApproval | undefined> {
    const ended = await this.repository.end(transaction, id, { ...ending, now });
    if (!ended) return undefined;
    const { reason } = ending;
    await this.acts.record(transaction, ended, {
      kind: `approval.${ending.state}`,
      actor,
      comment: ending.decided?.comment ?? reason,
    });
    return ended;
  }

  /** When the queue works it ends on time; when it does not the sweep ends it, and nothing runs meanwhile. */
  async expireLater({ id, expiresAt }: StoredApproval, now: Date): Promise<void> {
    await this.jobs.later(EXPIRE_JOB, id, expiresAt.getTime() - now.getTime());
  }

  private async end(id: string, ending: Ending): Promise<boolean> {
    const ended = await this.acts.perform((act) => this.endWithin(act, id, ending));
    return ended !== undefined;
  }

  private async escalate(id: string, review: ReviewTerms): Promise<void> {
    const escalated = await this.acts.perform(async (act) => {
      const { transaction, now } = act;
      const expiresAt = new Date(now.getTime() + durationMs(review.expiresIn));
      const row = await this.repository.escalate(transaction, id, { review, expiresAt, now });
      if (!row) return undefined;
      await this.acts.record(transaction, row, { kind: "approval.escalated", actor: "system" });
      await this.approveIfComplete(act, row);
      return { row, now };
    });
    if (escalated) await this.expireLater(escalated.row, escalated.now);
  }

  /** Somebody who is asked now may have approved it already, and has no second vote. */
  private async approveIfComplete({ transaction, now }: Act, { id, review }: StoredApproval): Promise<void> {
    const votes = (await this.votes.of(transaction, [id])).get(id) ?? [];
    const last = votes.at(-1);
    if (!last || missingOf(review.from, votes).length > 0) return;
    const { principal: by, comment } = last;
    const row = await this.repository.approve(transaction, id, { by, comment, sessionUses: undefined, now });
    if (row) await this.acts.record(transaction, row, { kind: "approval.approved", actor: by, comment });
  }
}
