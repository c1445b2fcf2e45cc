import type { AccessRequestView, GrantView } from "@drawbridge/contracts";
import { reviewView, type StoredVote } from "../reviews/index.js";
import type { StoredRequest } from "./access-requests.repository.js";
import type { GrantKind, GrantState, StoredGrant } from "./grants.repository.js";

/** A request whose time is over is expired, also before anything has written that down. */
export function accessRequestView(
  request: StoredRequest,
  votes: readonly StoredVote[],
  now: Date,
): AccessRequestView {
  const { id, kind, state, principal, email, policy, reason, ticket, terms } = request;
  const isOver = state === "pending" && request.expiresAt <= now;
  return {
    id,
    kind,
    state: isOver ? "expired" : state,
    principal,
    email,
    target: request.targetName,
    tools: [...request.tools],
    policy,
    reason,
    ticket,
    durationSeconds: request.durationMs / 1_000,
    startsAt: request.startsAt?.toISOString() ?? null,
    createdAt: request.createdAt.toISOString(),
    expiresAt: request.expiresAt.toISOString(),
    decidedAt: request.decidedAt?.toISOString() ?? null,
    decidedBy: request.decidedBy,
    comment: request.comment,
    grantId: request.grantId,
    review: reviewView(terms.from, votes, request.escalatedAt !== null),
  };
}

export function grantView(grant: StoredGrant, now: Date): GrantView {
  const { id, kind, principal, email, policy, reason, ticket, requestId, sessionId, usesLeft } = grant;
  return {
    id,
    kind: kind as GrantKind,
    state: stateOf(grant, now),
    principal,
    email,
    target: grant.targetName,
    tools: [...grant.tools],
    policy,
    reason,
    ticket,
    requestId,
    sessionId,
    usesLeft,
    startsAt: grant.startsAt.toISOString(),
    endsAt: grant.endsAt.toISOString(),
    endedAt: grant.endedAt?.toISOString() ?? null,
    endedBy: grant.endedBy,
    endReason: grant.endReason,
    reviewState: grant.reviewState as GrantView["reviewState"],
    reviewedBy: grant.reviewedBy,
    reviewComment: grant.reviewComment,
  };
}

function stateOf({ state, startsAt, endsAt }: StoredGrant, now: Date): GrantState {
  if (state !== "active") return state as GrantState;
  if (endsAt <= now) return "ended";
  return startsAt > now ? "scheduled" : "active";
}
