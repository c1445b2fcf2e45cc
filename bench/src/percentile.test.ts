import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { percentile } from "./percentile.js";

describe("percentile", () => {
  test("is a value that was measured, by nearest rank", () => {
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
    expect(percentile(hundred, 50)).toBe(50);
    expect(percentile(hundred, 99)).toBe(99);
    expect(percentile(hundred, 100)).toBe(100);
    expect(percentile([7], 50)).toBe(7);
    expect(percentile([1, 2], 50)).toBe(1);
    expect(percentile([1, 2, 3], 99)).toBe(3);
  });

  test("of nothing is not a number", () => {
    expect(percentile([], 50)).toBeNaN();
  });

  test("has at least its share of the values at or below it, and less than that strictly below", () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: 0, max: 1000, noNaN: true }), { minLength: 1, maxLength: 200 }),
        fc.integer({ min: 1, max: 100 }),
        (values, percent) => {
          const sorted = Float64Array.from(values).sort();
          const found = percentile(sorted, percent);
          const share = (percent / 100) * sorted.length;
          expect(sorted.filter((value) => value <= found).length).toBeGreaterThanOrEqual(share);
          expect(sorted.filter((value) => value < found).length).toBeLessThan(share);
        },
      ),
    );
  });
});
