const FIRST_MS = 1_000;
const LONGEST_MS = 30_000;

/** Full jitter: anywhere from nothing to a bound that doubles from 1 s on, so that agents do not return in step. */
export function backoffMs(failures: number, random: () => number, longestMs = LONGEST_MS): number {
  return random() * Math.min(longestMs, FIRST_MS * 2 ** failures);
}
