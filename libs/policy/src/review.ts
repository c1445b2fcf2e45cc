/** So many people of a group of the identity provider. */
export interface Reviewers {
  readonly group: string;
  readonly count: number;
}

/** Who approves, how long they have, and who is asked then; as `approval` and `review` of a policy say it. */
export interface ReviewTerms {
  readonly from: readonly Reviewers[];
  readonly expiresIn: string;
  readonly onExpiry?: "deny" | { readonly escalateTo: Reviewers } | undefined;
}

/** One person who approved, with the groups that count. */
export interface Approver {
  readonly groups: readonly string[];
}

/** `2 of dba and 1 of leads` */
export function reviewersInWords(reviewers: readonly Reviewers[]): string {
  return reviewers.map(({ group, count }) => `${count} of ${group}`).join(" and ");
}

/** Whom a call or a request waits for, and what becomes of it when they do not decide: `1 of dba within 15m, then denied`. */
export function reviewInWords({ from, expiresIn, onExpiry = "deny" }: ReviewTerms): string {
  const then = onExpiry === "deny" ? "denied" : `asks ${reviewersInWords([onExpiry.escalateTo])}`;
  return `${reviewersInWords(from)} within ${expiresIn}, then ${then}`;
}

/** Whether somebody of these groups is asked at all. */
export function mayReview(from: readonly Reviewers[], groups: readonly string[]): boolean {
  return from.some(({ group }) => groups.includes(group));
}

/**
 * Who must approve besides. Empty when all are there. Nobody counts twice: each approver stands for one of their groups,
 * and they are assigned to groups so that as many places as possible are taken (a maximum matching).
 */
export function missingReviewers(
  from: readonly Reviewers[],
  approvers: readonly Approver[],
): readonly Reviewers[] {
  const places = from.flatMap(({ group, count }) => Array.from({ length: count }, () => group));
  const takenBy = new Map<number, Approver>();
  for (const approver of approvers) assign(approver, { places, takenBy, tried: new Set() });
  const missing = places.filter((_, place) => !takenBy.has(place));
  return [...new Set(missing)].map((group) => ({
    group,
    count: missing.filter((other) => other === group).length,
  }));
}

interface Assignment {
  readonly places: readonly string[];
  readonly takenBy: Map<number, Approver>;
  readonly tried: Set<number>;
}

/** Finds a place for the approver, if need be by moving others (augmenting paths). */
function assign(approver: Approver, assignment: Assignment): boolean {
  const { places, takenBy, tried } = assignment;
  for (const [place, group] of places.entries()) {
    if (tried.has(place) || !approver.groups.includes(group)) continue;
    tried.add(place);
    const holder = takenBy.get(place);
    if (holder && !assign(holder, assignment)) continue;
    takenBy.set(place, approver);
    return true;
  }
  return false;
}
