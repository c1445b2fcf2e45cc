import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lasting } from "./times.js";

describe("a length of time", () => {
  it.each([
    [0, "0s"],
    [-5_000, "0s"],
    [499, "0s"],
    [59_600, "1m"],
    [61_000, "1m 1s"],
    [3_600_000, "1h"],
    [3_601_000, "1h"],
    [3_660_000, "1h 1m"],
    [86_400_000 * 3 + 3_600_000 * 2 + 60_000, "3d 2h"],
  ])("of %i ms is %j", (milliseconds, text) => {
    expect(lasting(milliseconds)).toBe(text);
  });

  it("is never longer than it is, and short", () => {
    const seconds: Record<string, number> = { d: 86_400, h: 3600, m: 60, s: 1 };
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000_000 }), (length) => {
        const parts = lasting(length * 1000).split(" ");
        const said = parts.reduce(
          (sum, part) => sum + Number(part.slice(0, -1)) * (seconds[part.slice(-1)] ?? 0),
          0,
        );
        expect(parts.length).toBeLessThanOrEqual(2);
        expect(said).toBeLessThanOrEqual(length);
        expect(said).toBeGreaterThan(length * 0.95);
      }),
    );
  });
});
