const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** How long after the attempt before. The first is made at once. */
const WAITS_MS = [5 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, HOUR, 4 * HOUR];
export const MAX_ATTEMPTS = WAITS_MS.length + 1;
/** However much later a receiver wants it. */
const LONGEST_ASKED_MS = HOUR;
// Receivers that failed at once are not all tried again at once.
const JITTER = 0.2;

/** Milliseconds from a failed attempt (the first is 1) to the next; undefined when it was the last. */
export function waitAfter(
  attempt: number,
  askedMs: number | undefined,
  random = Math.random,
): number | undefined {
  const wait = WAITS_MS[attempt - 1];
  if (wait === undefined) return undefined;
  const jittered = wait * (1 - JITTER + 2 * JITTER * random());
  return Math.round(Math.max(jittered, Math.min(askedMs ?? 0, LONGEST_ASKED_MS)));
}

/** RFC 9110 section 10.2.3: seconds, or a date. */
export function retryAfterMs(header: string | undefined, now: Date): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * SECOND;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now.getTime());
}
