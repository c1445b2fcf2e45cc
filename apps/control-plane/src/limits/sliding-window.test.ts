import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fitsInMs, type StoredWindow, type WindowLimit } from "./sliding-window.js";

const WINDOW = 60_000;

/** What the database finds when it is asked in `waitMs`. */
function wouldFit(stored: StoredWindow, amount: number, { most, windowMs }: WindowLimit, waitMs: number) {
  const age = stored.ageMs + waitMs;
  const windows = Math.floor(age / windowMs);
  const used = windows === 0 ? stored.used : 0;
  const previous = [stored.previous, stored.used][windows] ?? 0;
  return used + previous * (1 - (age % windowMs) / windowMs) + amount <= most;
}

test.each([
  ["an empty window", { ageMs: 0, used: 0, previous: 0 }, 0],
  ["room in the present window", { ageMs: 30_000, used: 9, previous: 0 }, 0],
  ["the window before, half of which is past", { ageMs: 30_000, used: 4, previous: 10 }, 0],
  ["the window before, which has to pass further", { ageMs: 30_000, used: 5, previous: 10 }, 6_000],
  ["a full window", { ageMs: 30_000, used: 10, previous: 0 }, 36_000],
  ["a window that is past", { ageMs: 120_000, used: 10, previous: 10 }, 0],
])("with %s one more of ten a minute fits in %o", (_name, stored, waitMs) => {
  expect(fitsInMs(stored, 1, { most: 10, windowMs: WINDOW })).toBeCloseTo(waitMs, 6);
});

describe("how long to wait", () => {
  const counts = fc.integer({ min: 0, max: 1000 });
  const stored = fc.record({
    ageMs: fc.integer({ min: 0, max: 3 * WINDOW }),
    used: counts,
    previous: counts,
  });

  test("is long enough, and never for what could be had sooner", () => {
    fc.assert(
      fc.property(
        stored,
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 50, max: 1000 }),
        (of, amount, most) => {
          const limit = { most, windowMs: WINDOW };
          const wait = fitsInMs(of, amount, limit) ?? Number.NaN;
          expect(wouldFit(of, amount, limit, wait + 1)).toBe(true);
          expect(wait <= 1 || !wouldFit(of, amount, limit, wait - 1)).toBe(true);
        },
      ),
    );
  });

  test("has no answer for what is more than the limit", () => {
    expect(fitsInMs({ ageMs: 0, used: 0, previous: 0 }, 11, { most: 10, windowMs: WINDOW })).toBeUndefined();
  });
});
