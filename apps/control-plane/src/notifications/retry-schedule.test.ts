import { describe, expect, test } from "vitest";
import { MAX_ATTEMPTS, retryAfterMs, waitAfter } from "./retry-schedule.js";

const middle = () => 0.5;

describe("after a failed attempt", () => {
  test("the next one comes later each time, and there are seven", () => {
    const waits = Array.from({ length: MAX_ATTEMPTS }, (_, n) => waitAfter(n + 1, undefined, middle));
    expect(waits).toEqual([5_000, 30_000, 120_000, 600_000, 3_600_000, 14_400_000, undefined]);
  });

  test("the wait is up to a fifth shorter or longer", () => {
    expect(waitAfter(1, undefined, () => 0)).toBe(4_000);
    expect(waitAfter(1, undefined, () => 1)).toBe(6_000);
  });

  test("it is as long as the receiver asks, up to an hour, and never shorter for it", () => {
    expect(waitAfter(1, 90_000, middle)).toBe(90_000);
    expect(waitAfter(1, 86_400_000, middle)).toBe(3_600_000);
    expect(waitAfter(3, 1_000, middle)).toBe(120_000);
    expect(waitAfter(MAX_ATTEMPTS, 1_000, middle)).toBeUndefined();
  });
});

test.each([
  ["120", 120_000],
  ["0", 0],
  ["Mon, 23 Nov 2026 12:01:00 GMT", 60_000],
  ["Mon, 23 Nov 2026 11:00:00 GMT", 0],
  ["soon", undefined],
  [undefined, undefined],
])("Retry-After %j means %j milliseconds", (header, expected) => {
  expect(retryAfterMs(header, new Date("2026-11-23T12:00:00Z"))).toBe(expected);
});
