import type { AccessRequestView, GrantView } from "@drawbridge/contracts";
import type { Cell } from "./output.js";
import { reviewersText } from "./review-text.js";
import { age, lasting, left, time } from "./times.js";

/** `the whole target` where no tools are named. */
export function toolsText(tools: readonly string[]): string {
  return tools.length === 0 ? "the whole target" : tools.join(", ");
}

export function requestFacts(request: AccessRequestView): Record<string, Cell> {
  return {
    request: request.id,
    kind: request.kind,
    state: request.state,
    who: request.email ?? request.principal,
    target: request.target,
    tools: toolsText(request.tools),
    policy: request.policy,
    reason: request.reason,
    ticket: request.ticket,
    for: lasting(request.durationSeconds * 1000),
    from: time(request.startsAt) ?? "when it is approved",
    asked: `${time(request.createdAt)} (${age(request.createdAt)} ago)`,
    ...(request.state === "pending"
      ? {
          expires: `${time(request.expiresAt)} (in ${left(request.expiresAt)})`,
          "still needed": reviewersText(request.review.missing) ?? "nobody",
        }
      : { decided: time(request.decidedAt), "decided by": request.decidedBy, comment: request.comment }),
    ...(request.grantId === null ? {} : { grant: request.grantId }),
  };
}

export function grantFacts(grant: GrantView): Record<string, Cell> {
  return {
    grant: grant.id,
    kind: grant.kind,
    state: grant.state,
    who: grant.email ?? grant.principal,
    target: grant.target,
    tools: toolsText(grant.tools),
    policy: grant.policy,
    reason: grant.reason,
    ticket: grant.ticket,
    request: grant.requestId,
    session: grant.sessionId,
    ...(grant.usesLeft === null ? {} : { "uses left": grant.usesLeft }),
    from: time(grant.startsAt),
    until: isOver(grant) ? time(grant.endsAt) : `${time(grant.endsAt)} (in ${left(grant.endsAt)})`,
    ...(isOver(grant)
      ? { ended: time(grant.endedAt), "ended by": grant.endedBy, "end reason": grant.endReason }
      : {}),
    ...(grant.reviewState === null
      ? {}
      : {
          review: grant.reviewState,
          "reviewed by": grant.reviewedBy,
          "review comment": grant.reviewComment,
        }),
  };
}

export function isOver({ state }: Pick<GrantView, "state">): boolean {
  return state !== "active" && state !== "scheduled";
}
