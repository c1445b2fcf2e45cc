import type { HeldApproval } from "../../approvals/index.js";

const WORDS = {
  pending: ({ missing, url }) => `Waiting for approval by ${whoIsMissing(missing)}: ${url}`,
  approved: () => "Approved; it is about to run",
  consumed: () => "Approved; it was sent to the target",
  denied: ({ decidedBy = "An approver", comment }) =>
    `${decidedBy} denied this call${after(comment)}. It did not run.`,
  expired: () => "Nobody approved this call in time. It did not run.",
  cancelled: ({ endReason }) => `This call was cancelled before it ran${after(endReason)}.`,
  revoked: ({ endReason }) => `The approval of this call was taken back${after(endReason)}. It did not run.`,
} as const satisfies Record<HeldApproval["state"], (approval: HeldApproval) => string>;

/** What its caller is told of an approval, in one sentence or two. */
export function inWords(approval: HeldApproval): string {
  return WORDS[approval.state](approval);
}

/** Such as "2 of dba and 1 of leads". */
export function whoIsMissing(missing: HeldApproval["missing"]): string {
  if (missing.length === 0) return "nobody any more";
  return missing.map(({ group, count }) => `${count} of ${group}`).join(" and ");
}

function after(why: string | undefined): string {
  return why === undefined ? "" : `: ${why}`;
}
