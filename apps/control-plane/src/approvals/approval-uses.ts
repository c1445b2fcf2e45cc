import { Injectable, Logger } from "@nestjs/common";
import type { ReviewTerms } from "@drawbridge/policy";
import { DomainError } from "../platform/errors.js";
import { missingOf, ReviewVotes } from "../reviews/index.js";
import { ApprovalActs } from "./approval-acts.js";
import type { ApprovedOperation, Consumed, OperationToHold } from "./approvals.js";
import { ApprovalsRepository, type Consumption, isOpen } from "./approvals.repository.js";
import { OperationSeal } from "./operation-seal.js";
import { RepeatGrants } from "./repeat-grants.js";
import type { RepeatGrant } from "./repeat-grants.repository.js";

/** What becomes of an approval when its operation is to run. */
@Injectable()
export class ApprovalUses {
  private readonly logger = new Logger("approvals");

  constructor(
    private readonly repository: ApprovalsRepository,
    private readonly votes: ReviewVotes,
    private readonly seal: OperationSeal,
    private readonly repeats: RepeatGrants,
    private readonly acts: ApprovalActs,
  ) {}

  /** @throws DomainError approval_not_found when it has ended */
  async operation(id: string): Promise<ApprovedOperation> {
    const sealed = await this.repository.sealed(id);
    if (!sealed) throw new DomainError("approval_not_found", `approval ${id} has ended`);
    const { message, parameterHeaders, toolDigest, changed } = this.seal.open(id, sealed);
    return { message, parameterHeaders, toolDigest, changed };
  }

  /** See Approvals.standingOf. */
  async standingOf(id: string, run: { readonly sessionId: string; readonly exchange: number }) {
    const [row] = await this.repository.byIds([id]);
    if (!row) return "not there";
    if (isOpen(row)) return "open";
    const isThatRun = row.sessionId === run.sessionId && Number(row.exchange) === run.exchange;
    return row.state === "consumed" && isThatRun ? "taken" : "not taken";
  }

  /** See Approvals.consume. */
  async consume(wanted: Omit<Consumption, "now">): Promise<Consumed> {
    const taken = await this.acts.perform(async ({ transaction, now }): Promise<Consumed> => {
      const consumption = { ...wanted, now };
      const row = await this.repository.consume(transaction, consumption);
      if (row) {
        const { owner, exchange } = wanted;
        const details = { exchange, edited: row.approvedDigest !== null };
        const kind = "approval.consumed";
        await this.acts.record(transaction, row, { kind, actor: owner.principal, details });
        return "consumed";
      }
      return (await this.repository.isOfAnotherEpoch(transaction, consumption)) ? "moved" : "gone";
    });
    return taken;
  }

  /** Also by those whom the review asks when its first time is over, where that happened. */
  async satisfies(id: string, { from, onExpiry = "deny" }: ReviewTerms): Promise<boolean> {
    const votes = (await this.votes.of(undefined, [id])).get(id) ?? [];
    if (missingOf(from, votes).length === 0) return true;
    if (onExpiry === "deny") return false;
    const [approval] = await this.repository.byIds([id]);
    return approval?.escalatedAt != null && missingOf([onExpiry.escalateTo], votes).length === 0;
  }

  /** See Approvals.repeatOf. */
  async repeatOf(operation: OperationToHold): Promise<RepeatGrant | undefined> {
    for (const repeat of await this.repeats.usable(operation, this.acts.now()))
      if (await this.satisfies(repeat.approvalId, operation.decision.review)) return repeat;
    return undefined;
  }

  /** See Approvals.useAgain. */
  async useAgain({ id, approvalId }: RepeatGrant, epoch: bigint): Promise<Consumed> {
    const at = { epoch, now: this.acts.now() };
    const left = await this.repeats.use(id, at);
    if (left === 0) await this.endUsedUp(approvalId);
    if (left !== undefined) return "consumed";
    return (await this.repeats.isOfAnotherEpoch(id, at)) ? "moved" : "gone";
  }

  /** For whoever looks at grants: it could not be used again anyway. */
  private async endUsedUp(approvalId: string): Promise<void> {
    try {
      const [approval] = await this.repository.byIds([approvalId]);
      if (!approval) return;
      const ending = { state: "ended", actor: "system", reason: "all its uses are taken" } as const;
      await this.acts.perform((act) => this.repeats.end(act, approval, ending));
    } catch (error) {
      this.logger.warn(
        "a grant that is used up could not be ended",
        error instanceof Error ? error.message : undefined,
      );
    }
  }
}
