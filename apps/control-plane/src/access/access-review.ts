import { Injectable } from "@nestjs/common";
import type { AccessRequestView, ReviewAccessRequest } from "@drawbridge/contracts";
import type { Principal } from "../identity/index.js";
import type { Transaction } from "../platform/database.js";
import { DomainError } from "../platform/errors.js";
import { missingOf, requireReviewer, ReviewVotes } from "../reviews/index.js";
import { AccessActs } from "./access-acts.js";
import type { StoredRequest } from "./access-requests.repository.js";
import type { StoredGrant } from "./grants.repository.js";
import { RequestReader } from "./request-reader.js";
import { RequestTransitions } from "./request-transitions.js";
import { RequestableAccess } from "./requestable-access.js";

interface Reviewed {
  readonly request: StoredRequest;
  readonly grant?: StoredGrant;
}

/** What people decide about requests. */
@Injectable()
export class AccessReview {
  constructor(
    private readonly reader: RequestReader,
    private readonly requestable: RequestableAccess,
    private readonly votes: ReviewVotes,
    private readonly transitions: RequestTransitions,
    private readonly acts: AccessActs,
  ) {}

  /**
   * One person's vote. A denial decides; the approval that completes the review gives the grant.
   * @throws DomainError access_request_not_found, already_decided, already_voted, as requireReviewer and RequestTransitions.approve do
   */
  async review(principal: Principal, id: string, review: ReviewAccessRequest): Promise<AccessRequestView> {
    const seen = await this.reader.visible(principal, id);
    this.requireReviewerOf(seen, principal, review);
    if (review.verdict === "approve") await this.requestable.requireStillGiven(seen);
    const { request, grant } = await this.acts.perform(id, async (transaction): Promise<Reviewed> => {
      const pending = await this.transitions.lockPending(transaction, id);
      // Others may be asked by now.
      this.requireReviewerOf(pending, principal, review);
      await this.votes.add(transaction, id, principal, { ...review, requester: pending.identities });
      const acting = { by: principal.id, comment: review.comment };
      if (review.verdict === "deny")
        return { request: await this.transitions.deny(transaction, pending, acting) };
      if (await this.isComplete(transaction, pending))
        return this.transitions.approve(transaction, pending, acting);
      await this.acts.ofRequest(transaction, "access_request.voted", pending, acting);
      return { request: pending };
    });
    if (grant) await this.acts.awaitEndOfGrant(grant);
    return this.reader.view(request);
  }

  /** Who asked does not want it any more. */
  async withdraw(principal: Principal, id: string): Promise<AccessRequestView> {
    const { principal: requester } = await this.reader.visible(principal, id);
    if (requester !== principal.id)
      throw new DomainError("not_permitted", "only who asked withdraws a request: deny it instead");
    const request = await this.acts.perform(id, async (transaction) => {
      const pending = await this.transitions.lockPending(transaction, id);
      return this.transitions.withdraw(transaction, pending, { by: principal.id });
    });
    return this.reader.view(request);
  }

  private requireReviewerOf(
    { terms, identities }: StoredRequest,
    principal: Principal,
    { verdict }: ReviewAccessRequest,
  ): void {
    const now = this.acts.now();
    requireReviewer(principal, { from: terms.from, requester: identities, verdict, now });
  }

  private async isComplete(transaction: Transaction, { id, terms }: StoredRequest): Promise<boolean> {
    const votes = (await this.votes.of(transaction, [id])).get(id) ?? [];
    return missingOf(terms.from, votes).length === 0;
  }
}
