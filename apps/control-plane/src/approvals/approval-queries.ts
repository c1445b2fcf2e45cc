import { Injectable } from "@nestjs/common";
import type { ApprovalDetail, ApprovalQuery, ApprovalView, Page } from "@drawbridge/contracts";
import { mayReview } from "@drawbridge/policy";
import { isPermitted, isSamePerson, type Principal } from "../identity/index.js";
import { Clock } from "../platform/clock.js";
import { DomainError } from "../platform/errors.js";
import { pageFrom, readCursor, UUID } from "../platform/pagination.js";
import { reviewView, ReviewVotes, type StoredVote } from "../reviews/index.js";
import { ApprovalsRepository, type StoredApproval } from "./approvals.repository.js";

/** Approvals as people see them who may: the requester, those who are asked, and whoever may read all. */
@Injectable()
export class ApprovalQueries {
  constructor(
    private readonly repository: ApprovalsRepository,
    private readonly votes: ReviewVotes,
    private readonly clock: Clock,
  ) {}

  async list(principal: Principal, query: ApprovalQuery): Promise<Page<ApprovalView>> {
    const { limit, cursor, state, target, mine } = query;
    const before = readCursor(cursor, UUID);
    const filter = { reader: readerOf(principal), state, target, before };
    const rows = await this.repository.list(
      { ...filter, principal: mine ? principal.id : undefined },
      limit + 1,
    );
    const votes = await this.votes.of(
      undefined,
      rows.map(({ id }) => id),
    );
    const reader = { principal, now: this.clock.now() };
    const view = (row: StoredApproval) => viewOf(row, votes.get(row.id) ?? [], reader);
    return pageFrom(rows, limit, { key: ({ id }) => id, view });
  }

  /** @throws DomainError approval_not_found */
  async view(principal: Principal, id: string): Promise<ApprovalView> {
    const [row] = await this.repository.list({ reader: readerOf(principal), id }, 1);
    if (!row) throw new DomainError("approval_not_found", `there is no approval ${id}`);
    const votes = (await this.votes.of(undefined, [id])).get(id) ?? [];
    return viewOf(row, votes, { principal, now: this.clock.now() });
  }

  /** @throws DomainError approval_not_found */
  async detail(principal: Principal, id: string): Promise<ApprovalDetail> {
    const view = await this.view(principal, id);
    const previews = await this.repository.previews(id);
    const text = (preview: Uint8Array) => Buffer.from(preview).toString("utf8");
    const edited = previews?.editedPreview;
    return {
      ...view,
      preview: previews ? text(previews.preview) : "",
      ...(edited ? { editedPreview: text(edited) } : {}),
    };
  }
}

function readerOf(principal: Principal) {
  if (isPermitted(principal.roles, "approval:read_all")) return undefined;
  const { id, identities, groups } = principal;
  return { principal: id, identities, groups };
}

function viewOf(
  row: StoredApproval,
  votes: readonly StoredVote[],
  { principal, now }: { readonly principal: Principal; readonly now: Date },
): ApprovalView {
  const { review, approvedDigest, targetName, escalatedAt } = row;
  return {
    id: row.id,
    state: row.state,
    principal: row.principal,
    email: row.email,
    oauthClient: row.oauthClient,
    sessionId: row.sessionId,
    target: targetName,
    method: row.method,
    name: row.name,
    policy: row.policy,
    rule: row.rule,
    reason: row.reason,
    createdAt: row.createdAt.toISOString(),
    expiresAt: row.expiresAt.toISOString(),
    requesterPresent: row.presentUntil > now,
    decidedAt: row.decidedAt?.toISOString() ?? null,
    decidedBy: row.decidedBy,
    comment: row.comment,
    edited: approvedDigest !== null,
    sessionUses: row.sessionUses,
    endedAt: row.endedAt?.toISOString() ?? null,
    endReason: row.endReason,
    review: reviewView(review.from, votes, escalatedAt !== null),
    mayDecide: mayDecide(row, votes, { principal, now }),
  };
}

/** Whoever signed in long ago may, once they have signed in again. */
function mayDecide(
  { state, expiresAt, review, identities }: StoredApproval,
  votes: readonly StoredVote[],
  { principal, now }: { readonly principal: Principal; readonly now: Date },
): boolean {
  return (
    state === "pending" &&
    expiresAt > now &&
    !principal.isMachine &&
    mayReview(review.from, principal.groups) &&
    !isSamePerson(principal.identities, identities) &&
    !votes.some((vote) => isSamePerson(principal.identities, vote.identities))
  );
}
