import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TokenBuckets } from "./token-buckets.js";

describe("TokenBuckets", () => {
  test("allows a burst, then one a second", () => {
    let now = 0;
    const buckets = new TokenBuckets({ perSecond: 1, burst: 5, keys: 10 }, () => now);
    const tries = (count: number) =>
      Array.from({ length: count }, () => buckets.take("a")).filter(Boolean).length;
    expect(tries(10)).toBe(5);
    now += 2_500;
    expect(tries(10)).toBe(2);
    now += 3_600_000;
    expect(tries(10)).toBe(5);
  });

  test("keeps keys apart", () => {
    const buckets = new TokenBuckets({ perSecond: 1, burst: 1, keys: 10 }, () => 0);
    expect([buckets.take("a"), buckets.take("b"), buckets.take("a")]).toEqual([true, true, false]);
  });

  test("lets newcomers share one bucket when too many keys are busy, and makes room when they are not", () => {
    let now = 0;
    const buckets = new TokenBuckets({ perSecond: 1, burst: 1, keys: 2 }, () => now);
    expect(["a", "b", "c", "d"].map((key) => buckets.take(key))).toEqual([true, true, true, false]);
    now += 10_000;
    expect(["e", "f"].map((key) => buckets.take(key))).toEqual([true, true]);
  });

  test("never allows more than the burst and what time brought", () => {
    fc.assert(
      fc.property(fc.array(fc.record({ wait: fc.nat(5_000), tries: fc.nat(10) })), (steps) => {
        let now = 0;
        let taken = 0;
        const buckets = new TokenBuckets({ perSecond: 1, burst: 5, keys: 10 }, () => now);
        for (const { wait, tries } of steps) {
          now += wait;
          for (let count = 0; count < tries; count += 1) taken += buckets.take("key") ? 1 : 0;
        }
        expect(taken).toBeLessThanOrEqual(5 + now / 1_000);
      }),
    );
  });
});
