import { Injectable } from "@nestjs/common";
import { mayReview, type Reviewers } from "@drawbridge/policy";
import { isPermitted, isSamePerson, type Principal } from "../identity/index.js";
import { DomainError } from "../platform/errors.js";
import { Turns } from "../platform/turns.js";
import { missingOf, requireReviewer, ReviewVotes, type Verdict } from "../reviews/index.js";
import { type Act, ApprovalActs } from "./approval-acts.js";
import { ApprovalEndings } from "./approval-endings.js";
import { ApprovalsRepository, isOpen, type StoredApproval } from "./approvals.repository.js";

export interface Said {
  readonly verdict: Verdict;
  readonly comment: string | undefined;
}

export interface Cast {
  readonly approval: StoredApproval;
  readonly isFirst: boolean;
  /** Who must approve besides. */
  readonly missing: readonly Reviewers[];
}

// A vote asks for connections while its transaction holds one: of those that there are some must be left.
const MOST_AT_ONCE = 4;

/** What one person says of a held operation. */
@Injectable()
export class ApprovalVotes {
  private readonly turns = new Turns({ atOnce: MOST_AT_ONCE });

  constructor(
    private readonly repository: ApprovalsRepository,
    private readonly votes: ReviewVotes,
    private readonly endings: ApprovalEndings,
    private readonly acts: ApprovalActs,
  ) {}

  /**
   * The approval as it is before the vote.
   * @throws DomainError approval_not_found, already_decided, requester_absent, and those of requireReviewer
   */
  async pendingFor(principal: Principal, id: string, verdict: Verdict): Promise<StoredApproval> {
    let approval = await this.visible(principal, id);
    const now = this.acts.now();
    if (isOpen(approval) && approval.expiresAt <= now) {
      await this.endings.expire(id);
      approval = await this.visible(principal, id);
    }
    this.check(principal, approval, verdict);
    if (verdict === "approve" && approval.presentUntil <= now) {
      if (await this.endings.abandon(id)) throw requesterAbsent();
      // They came back, or somebody else ended it.
      return this.pendingFor(principal, id, verdict);
    }
    return approval;
  }

  /** @throws DomainError approval_not_found also for what the principal may not know of */
  async visible(principal: Principal, id: string): Promise<StoredApproval> {
    const [approval] = await this.repository.byIds([id]);
    if (!approval || !isVisible(principal, approval))
      throw new DomainError("approval_not_found", `there is no approval ${id}`);
    return approval;
  }

  /** A transaction in which somebody votes. */
  perform<Result>(work: (act: Act) => Promise<Result>): Promise<Result> {
    return this.turns.of("votes", () => this.acts.perform(work));
  }

  /** Locks the approval and casts the vote. @throws as pendingFor, and already_voted */
  async cast({ transaction }: Act, id: string, vote: Said & { readonly voter: Principal }): Promise<Cast> {
    const { voter, verdict, comment } = vote;
    const approval = await this.repository.lock(transaction, id);
    if (!approval) throw new DomainError("approval_not_found", `there is no approval ${id}`);
    this.check(voter, approval, verdict);
    await this.votes.add(transaction, id, voter, { verdict, comment, requester: approval.identities });
    const votes = (await this.votes.of(transaction, [id])).get(id) ?? [];
    const details = { verdict };
    await this.acts.record(transaction, approval, {
      kind: "approval.voted",
      actor: voter.id,
      comment,
      details,
    });
    return { approval, isFirst: votes.length === 1, missing: missingOf(approval.review.from, votes) };
  }

  private check(principal: Principal, approval: StoredApproval, verdict: Verdict): void {
    if (approval.state !== "pending") throw alreadyDecided(approval);
    const { review, identities } = approval;
    requireReviewer(principal, { from: review.from, requester: identities, verdict, now: this.acts.now() });
  }
}

function isVisible(principal: Principal, approval: StoredApproval): boolean {
  return (
    isPermitted(principal.roles, "approval:read_all") ||
    approval.principal === principal.id ||
    isSamePerson(principal.identities, approval.identities) ||
    mayReview(approval.review.from, principal.groups)
  );
}

function alreadyDecided({ state }: StoredApproval): DomainError {
  return new DomainError("already_decided", `the operation waits no more: it is ${state}`);
}

export function requesterAbsent(): DomainError {
  return new DomainError("requester_absent", "its caller has left, so it will not run; they can ask again");
}
