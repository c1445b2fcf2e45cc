import { describe, expect, test } from "vitest";
import { backoffMs } from "./backoff.js";
import { Permission } from "./permission.js";

describe("Permission", () => {
  test("counts from when the ping was sent, not from when it was answered", () => {
    let now = 1_000;
    const permission = new Permission(
      () => now,
      () => undefined,
    );
    expect(permission.holds).toBe(false);
    permission.renew(500, 1_000);
    expect(permission.holds).toBe(true);
    now = 1_499;
    expect(permission.holds).toBe(true);
    now = 1_500;
    expect(permission.holds).toBe(false);
    permission.stop();
  });

  test("is not shortened by an older ping's answer", () => {
    let now = 0;
    const permission = new Permission(
      () => now,
      () => undefined,
    );
    permission.renew(100, 1_000);
    permission.renew(50, 1_000);
    now = 1_099;
    expect(permission.holds).toBe(true);
    permission.stop();
  });

  test.each([
    ["a week", 7 * 24 * 3_600_000, 60_000],
    ["more than any timer can wait", 2 ** 32 - 1, 60_000],
    ["nothing", 0, 0],
    ["a negative time", -5_000, 0],
  ])("lasts a minute at most: %s", (_name, wantedMs, grantedMs) => {
    let now = 0;
    const permission = new Permission(
      () => now,
      () => undefined,
    );
    permission.renew(0, wantedMs);
    now = Math.max(0, grantedMs - 1);
    expect(permission.holds).toBe(grantedMs > 0);
    now = grantedMs;
    expect(permission.holds).toBe(false);
    permission.stop();
  });

  test("says once that it lapsed, and again only after it was renewed", async () => {
    let lapses = 0;
    const permission = new Permission(
      () => performance.now(),
      () => (lapses += 1),
    );
    permission.renew(performance.now(), 40);
    permission.renew(performance.now(), 80);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(lapses).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(lapses).toBe(1);
    permission.renew(performance.now(), 20);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(lapses).toBe(2);
  });
});

describe("backoffMs", () => {
  test("is at most a second the first time and never more than thirty", () => {
    expect(backoffMs(0, () => 0.999)).toBeLessThan(1_000);
    expect(backoffMs(3, () => 0.5)).toBe(4_000);
    expect(backoffMs(50, () => 1)).toBe(30_000);
    expect(backoffMs(50, () => 0)).toBe(0);
    expect(backoffMs(50, () => 1, 2_000)).toBe(2_000);
  });
});
