import { DomainError } from "../platform/errors.js";
import type { Principal } from "./principal.js";

/** How long a sign-in counts as recent where somebody decides about others. */
export const RECENT_SIGN_IN_MS = 10 * 60_000;
/** By how much the issuer's clock may be ahead of ours. */
const CLOCK_SKEW_MS = 60_000;

/** Whether the same people are behind both, whatever accounts they use. See Principal.identities. */
export function isSamePerson(identities: readonly string[], others: readonly string[]): boolean {
  return identities.some((identity) => others.includes(identity));
}

/** Who decides about others is a person who signed in a moment ago. @throws DomainError machine_cannot_review, sign_in_again */
export function requireRecentSignIn({ isMachine, signedInAt }: Principal, now: Date): void {
  if (isMachine)
    throw new DomainError("machine_cannot_review", "only people decide about others, not programs");
  const age = now.getTime() - (signedInAt?.getTime() ?? Number.NaN);
  // A sign-in that is still to come would be recent for as long as somebody likes.
  if (!(age <= RECENT_SIGN_IN_MS && age >= -CLOCK_SKEW_MS)) {
    throw new DomainError(
      "sign_in_again",
      "deciding about others needs a sign-in of the last 10 minutes: sign in again (drawbridge login) and repeat it",
    );
  }
}
