/** What is stored of a counter: of the window that `ageMs` ago began, and of the one before it. */
export interface StoredWindow {
  readonly ageMs: number;
  readonly used: number;
  readonly previous: number;
}

/** What a counter may come to in any span of `windowMs`. */
export interface WindowLimit {
  readonly most: number;
  readonly windowMs: number;
}

/**
 * In how long `amount` more would fit, if nothing else is used; undefined when it never fits. A counter counts by windows
 * that follow each other: what was used in the last `windowMs` is taken to be all of the present window and, of the one
 * before, the share that still lies within that span.
 */
export function fitsInMs(
  stored: StoredWindow,
  amount: number,
  { most, windowMs }: WindowLimit,
): number | undefined {
  if (amount > most) return undefined;
  const { ageMs, used, previous } = atPresent(stored, windowMs);
  const share = mostShare(previous, most - used - amount);
  if (share >= 0) return Math.max(0, (1 - share) * windowMs - ageMs);
  // Not before what is used now has become what was used before, and some of that is past.
  return windowMs - ageMs + (1 - mostShare(used, most - amount)) * windowMs;
}

/** Which share of `previous` may still count when no more than `room` is left for it; below 0 when there is no room. */
function mostShare(previous: number, room: number): number {
  if (room < 0) return -1;
  return previous <= room ? 1 : room / previous;
}

/** The same as of the window that is the present one now: nothing is written when time passes. */
function atPresent(stored: StoredWindow, windowMs: number): StoredWindow {
  const { ageMs, used } = stored;
  if (ageMs < windowMs) return { ...stored, ageMs: Math.max(0, ageMs) };
  return { ageMs: ageMs % windowMs, used: 0, previous: ageMs < 2 * windowMs ? used : 0 };
}
