import { durationMs, type JitAccess, type Reviewers } from "@drawbridge/policy";

/** Whatever a policy says, no access lasts longer. */
export const LONGEST_ACCESS_MS = 90 * 86_400_000;
/** How long a request whose policy asks nobody could wait. It is decided when it is made. */
const UNASKED_MS = 60_000;

/** What decides a request, as it was when it was made: what is applied later neither loosens nor tightens it. */
export interface AccessTerms {
  readonly access: JitAccess;
  /** Who is asked now. */
  readonly from: readonly Reviewers[];
  /** Everybody who has been asked, by group: they see it, and may take back what came of it. */
  readonly groups: readonly string[];
}

export function termsOf(access: JitAccess): AccessTerms {
  const from = access.review?.from ?? [];
  return { access, from, groups: [...new Set(from.map(({ group }) => group))] };
}

/** Whom the policy asks when nobody has decided in time; undefined when nobody. */
export function escalated({ access, groups }: AccessTerms): AccessTerms | undefined {
  const { onExpiry = "deny" } = access.review ?? {};
  if (onExpiry === "deny") return undefined;
  const { escalateTo } = onExpiry;
  return { access, from: [escalateTo], groups: [...new Set([...groups, escalateTo.group])] };
}

/** How long people have to decide. */
export function reviewMs({ access }: AccessTerms): number {
  return access.review ? durationMs(access.review.expiresIn) : UNASKED_MS;
}

export type AccessKind = "access" | "extension" | "break_glass";

/** The longest that one grant lasts. */
export function longestMs({ access }: AccessTerms, kind: AccessKind): number {
  const said = kind === "break_glass" ? access.breakGlass?.maxDuration : access.maxDuration;
  return Math.min(durationMs(said ?? access.maxDuration), LONGEST_ACCESS_MS);
}
