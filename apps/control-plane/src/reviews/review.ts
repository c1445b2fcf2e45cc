import type { ReviewersView, ReviewView } from "@drawbridge/contracts";
import { mayReview, missingReviewers, type Reviewers } from "@drawbridge/policy";
import { isSamePerson, type Principal, requireRecentSignIn } from "../identity/index.js";
import { DomainError } from "../platform/errors.js";
import type { StoredVote, Verdict } from "./review-votes.js";

export interface AskedReview {
  readonly from: readonly Reviewers[];
  /** Principal.identities of who asked. */
  readonly requester: readonly string[];
  readonly verdict: Verdict;
  readonly now: Date;
}

/**
 * Whether this principal may say this.
 * @throws DomainError own_request, not_a_reviewer; to approve also machine_cannot_review, sign_in_again
 */
export function requireReviewer(principal: Principal, { from, requester, verdict, now }: AskedReview): void {
  if (isSamePerson(principal.identities, requester))
    throw new DomainError("own_request", "nobody decides about what they asked for themselves");
  if (!mayReview(from, principal.groups)) {
    const groups = from.map(({ group }) => group).join(", ");
    throw new DomainError("not_a_reviewer", `this is decided by people of: ${groups}`);
  }
  if (principal.isMachine)
    throw new DomainError("machine_cannot_review", "only people decide about others, not programs");
  if (verdict === "approve") requireRecentSignIn(principal, now);
}

/** Who must approve besides; empty when nobody must. */
export function missingOf(from: readonly Reviewers[], votes: readonly StoredVote[]): readonly Reviewers[] {
  return missingReviewers(
    from,
    votes.filter(({ verdict, counts }) => verdict === "approve" && counts),
  );
}

/** As the REST API shows it. */
export function reviewView(
  from: readonly Reviewers[],
  votes: readonly StoredVote[],
  escalated: boolean,
): ReviewView {
  return {
    from: from.map(reviewersView),
    votes: votes.map(({ principal, verdict, comment, at, counts, groups }) => ({
      principal,
      verdict,
      ...(comment === undefined ? {} : { comment }),
      at: at.toISOString(),
      counts: counts && mayReview(from, groups),
    })),
    missing: missingOf(from, votes).map(reviewersView),
    escalated,
  };
}

function reviewersView({ group, count }: Reviewers): ReviewersView {
  return { group, count };
}
