import { Injectable } from "@nestjs/common";
import { mayReview } from "@drawbridge/policy";
import { isPermitted, type Principal } from "../identity/index.js";
import { DomainError } from "../platform/errors.js";
import type { Act } from "./approval-acts.js";
import { ApprovalEndings } from "./approval-endings.js";
import { ApprovalVotes } from "./approval-votes.js";
import type { Ending, StoredApproval } from "./approvals.repository.js";
import { RepeatGrants } from "./repeat-grants.js";

/** A person says that a held operation is not to run. */
@Injectable()
export class Denials {
  constructor(
    private readonly votes: ApprovalVotes,
    private readonly endings: ApprovalEndings,
    private readonly repeats: RepeatGrants,
  ) {}

  /** One is enough, whoever else approved. The caller hears the comment. @throws as ApprovalVotes.pendingFor and cast */
  async deny(voter: Principal, id: string, comment: string): Promise<void> {
    await this.votes.pendingFor(voter, id, "deny");
    await this.votes.perform(async (act) => {
      const { approval } = await this.votes.cast(act, id, { voter, verdict: "deny", comment });
      const decided = { by: voter.id, comment };
      await this.end(act, approval, {
        state: "denied",
        from: ["pending"],
        reason: undefined,
        decided,
        actor: voter.id,
      });
    });
  }

  /**
   * What was approved and has not run yet must not, nor must it run again; and what is pending needs no decision.
   * @throws DomainError approval_not_found, not_a_reviewer, already_decided
   */
  async revoke(principal: Principal, id: string, reason: string): Promise<void> {
    const approval = await this.votes.visible(principal, id);
    if (
      !isPermitted(principal.roles, "approval:revoke") &&
      !mayReview(approval.review.from, principal.groups)
    )
      throw new DomainError("not_a_reviewer", "only those who may approve it can revoke it");
    const actor = principal.id;
    await this.votes.perform(async (act) => {
      await this.end(act, approval, { state: "revoked", from: ["pending", "approved"], reason, actor });
      await this.repeats.end(act, approval, { state: "revoked", actor, reason });
    });
  }

  private async end(
    act: Act,
    approval: StoredApproval,
    ending: Ending & { readonly actor: string },
  ): Promise<void> {
    if (await this.endings.endWithin(act, approval.id, ending)) return;
    throw new DomainError("already_decided", "the operation waits no more: see how it ended");
  }
}
