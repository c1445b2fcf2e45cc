import type { JitPolicy } from "@drawbridge/policy";
import type { Principal } from "../identity/index.js";
import { DomainError } from "../platform/errors.js";
import { type AccessKind, longestMs, termsOf } from "./access-terms.js";

const MAX_AHEAD_MS = 30 * 86_400_000;
/** Shorter ones explain no emergency. */
const EMERGENCY_REASON = 10;
// Letters and figures; of those that are not seen the Hangul fillers are letters, too.
const SAYS_SOMETHING = /(?![\u115F\u1160\u3164\uFFA0])[\p{L}\p{N}]/gu;

export interface ToCheck {
  readonly kind: AccessKind;
  readonly principal: Principal;
  readonly policy: JitPolicy;
  readonly reason: string | undefined;
  /** The longest that the policy gives unless said. */
  readonly durationMs: number | undefined;
  readonly startsAt?: Date | undefined;
}

/** Whether the policy lets this be asked for. @throws DomainError access_not_requestable, access_request_invalid */
export function checkAsked(asked: ToCheck, now: Date): void {
  const { kind, policy, reason, durationMs, startsAt } = asked;
  if (kind === "break_glass") checkEmergency(asked);
  else if (policy.access.reason === "required" && reason === undefined)
    throw invalid(`the policy ${policy.name} asks for a reason: say what the access is for (--reason)`);
  const longest = longestMs(termsOf(policy.access), kind);
  if (durationMs !== undefined && durationMs > longest) {
    throw invalid(`the policy ${policy.name} gives access for at most ${inWords(longest)}: ask for less`);
  }
  if (startsAt) checkStart(startsAt, now);
}

function checkEmergency({ policy, principal, reason = "", startsAt }: ToCheck): void {
  if (!isResponder(policy, principal)) {
    throw new DomainError(
      "access_not_requestable",
      `the policy ${policy.name} does not let you break the glass: ask for access without it`,
    );
  }
  if ([...reason.matchAll(SAYS_SOMETHING)].length < EMERGENCY_REASON)
    throw invalid(`say what the emergency is, in ${EMERGENCY_REASON} letters or more (--reason)`);
  if (startsAt) throw invalid("an emergency is now: leave out when it starts");
}

/** A person whom the policy names. */
function isResponder({ access: { breakGlass } }: JitPolicy, principal: Principal): boolean {
  if (!breakGlass || principal.isMachine) return false;
  const { groups = [], users = [] } = breakGlass.responders;
  const email = principal.email === undefined ? undefined : lowerAscii(principal.email);
  return (
    groups.some((group) => principal.groups.includes(group)) ||
    users.some((user) => user === principal.id || lowerAscii(user) === email)
  );
}

/** Of other letters several become the same. */
function lowerAscii(text: string): string {
  return text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function checkStart(startsAt: Date, now: Date): void {
  if (startsAt < now) throw invalid("the start is over already: leave it out to start at once");
  if (startsAt.getTime() - now.getTime() > MAX_AHEAD_MS)
    throw invalid("access starts at most 30 days ahead: ask again when it is nearer");
}

const UNITS = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "m"],
] as const;

function inWords(milliseconds: number): string {
  const [size, unit] = UNITS.find(([each]) => milliseconds % each === 0) ?? [1_000, "s"];
  return `${milliseconds / size}${unit}`;
}

function invalid(message: string): DomainError {
  return new DomainError("access_request_invalid", message);
}
