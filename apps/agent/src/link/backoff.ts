const FIRST_MS = 1_000;
const LONGEST_MS = 30_000;

/** Full jitter: anywhere from nothing to a bound that doubles from 1 s to 30 s, so that agents do not return in step. */
export function backoffMs(failures: number, random: () => number): number {
  return random() * Math.min(LONGEST_MS, FIRST_MS * 2 ** failures);
}
