import { Injectable } from "@nestjs/common";
import type { EndGrant, GrantView, ReviewBreakGlass } from "@drawbridge/contracts";
import { isPermitted, isSamePerson, type Principal, requireRecentSignIn } from "../identity/index.js";
import { DomainError } from "../platform/errors.js";
import { ReviewVotes } from "../reviews/index.js";
import { AccessActs } from "./access-acts.js";
import { grantIsOver } from "./grant-giving.js";
import { GrantReader, isAsked, type KnownGrant } from "./grant-reader.js";
import { GrantsRepository, type StoredGrant } from "./grants.repository.js";

/** What people do about grants. */
@Injectable()
export class GrantActs {
  constructor(
    private readonly reader: GrantReader,
    private readonly grants: GrantsRepository,
    private readonly votes: ReviewVotes,
    private readonly acts: AccessActs,
  ) {}

  /** Its holder needs it no more. @throws DomainError grant_not_found, not_permitted, grant_not_active */
  async return(principal: Principal, id: string): Promise<GrantView> {
    const known = await this.reader.visible(principal, id);
    if (known.grant.principal !== principal.id)
      throw new DomainError("not_permitted", "only who has a grant returns it: revoke it instead");
    return this.end(principal, known, { state: "returned" });
  }

  /** By whoever may revoke all of them, and by whoever is asked about such access. @throws DomainError as return does */
  async revoke(principal: Principal, id: string, { reason }: EndGrant): Promise<GrantView> {
    const known = await this.reader.visible(principal, id);
    if (!isPermitted(principal.roles, "grant:revoke") && !isAsked(known.request, principal.groups)) {
      throw new DomainError(
        "not_permitted",
        "a grant is revoked by operators, and by the groups that are asked about such access",
      );
    }
    return this.end(principal, known, { state: "revoked", reason });
  }

  /**
   * What somebody else says of an emergency, once.
   * @throws DomainError grant_not_found, already_decided, own_request, machine_cannot_review, not_a_reviewer, sign_in_again
   */
  async review(principal: Principal, id: string, { verdict, comment }: ReviewBreakGlass): Promise<GrantView> {
    const { grant, request } = await this.reader.visible(principal, id);
    requireReviewerAfterwards(principal, { grant, request });
    if (verdict === "accept") requireRecentSignIn(principal, this.acts.now());
    const state = verdict === "accept" ? "accepted" : "objected";
    const reviewed = await this.acts.perform(id, async (transaction) => {
      const by = principal.id;
      await this.votes.requireSomebodyElse(transaction, principal, holderOf({ grant, request }));
      const decided = await this.grants.review(transaction, id, { state, by, now: this.acts.now(), comment });
      if (!decided) throw new DomainError("already_decided", `grant ${id} waits for no review`);
      const groups = request?.terms.groups ?? [];
      await this.acts.ofGrant(transaction, "break_glass.reviewed", decided, { by, comment, groups });
      return decided;
    });
    return this.reader.view(reviewed);
  }

  private async end(
    { id: by }: Principal,
    { grant, request }: KnownGrant,
    { state, reason }: { readonly state: "returned" | "revoked"; readonly reason?: string },
  ): Promise<GrantView> {
    const ended = await this.acts.perform(grant.id, async (transaction): Promise<StoredGrant> => {
      const end = { state, now: this.acts.now(), by, reason };
      const over = await this.grants.end(transaction, grant.id, end);
      if (!over) throw grantIsOver(grant.id);
      const groups = request?.terms.groups ?? [];
      await this.acts.ofGrant(transaction, `grant.${state}`, over, { by, comment: reason, groups });
      return over;
    });
    return this.reader.view(ended);
  }
}

function holderOf({ grant, request }: KnownGrant): readonly string[] {
  return request?.identities ?? [`sub:${grant.principal}`];
}

/** Somebody else, a person, whose office it is or whom the policy asks about such access. */
function requireReviewerAfterwards(principal: Principal, { grant, request }: KnownGrant): void {
  if (isSamePerson(principal.identities, holderOf({ grant, request })))
    throw new DomainError("own_request", "nobody reviews their own emergency");
  if (principal.isMachine)
    throw new DomainError("machine_cannot_review", "only people decide about others, not programs");
  if (!isPermitted(principal.roles, "break_glass:review") && !isAsked(request, principal.groups)) {
    throw new DomainError(
      "not_a_reviewer",
      "an emergency is reviewed by administrators and auditors, and by the groups that are asked about such access",
    );
  }
}
