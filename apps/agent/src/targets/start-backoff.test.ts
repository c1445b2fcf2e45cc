import { describe, expect, test } from "vitest";
import { StartBackoff, type TargetHealth } from "./start-backoff.js";

function start() {
  let now = 0;
  const told: TargetHealth[] = [];
  const backoff = new StartBackoff({ now: () => now, onHealth: (health) => told.push(health) });
  return { backoff, told, pass: (ms: number) => (now += ms) };
}

describe("StartBackoff", () => {
  test("tolerates two failures, then doubles the delay from 1 s to 5 minutes", () => {
    const { backoff, told } = start();
    for (let failure = 0; failure < 14; failure++) backoff.failed("shop", "exited with code 1", "unusable");
    expect(told.map(({ retryAfterMs }) => retryAfterMs / 1_000)).toEqual([
      0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300,
    ]);
    expect(told.map(({ failures }) => failures).at(-1)).toBe(14);
  });

  test("says when and why a target is not started, until then", () => {
    const { backoff, pass } = start();
    for (let failure = 0; failure < 4; failure++) backoff.failed("shop", "exited with code 1", "unusable");
    expect(backoff.problemWith("shop")).toBe(
      "the target failed 4 times in a row (exited with code 1): it is started again in 2 s at the earliest",
    );
    expect(backoff.problemWith("other")).toBeUndefined();
    pass(2_000);
    expect(backoff.problemWith("shop")).toBeUndefined();
    backoff.failed("shop", "exited with code 2", "unusable");
    expect(backoff.failing).toEqual([
      { target: "shop", failures: 5, retryAfterMs: 4_000, reason: "exited with code 2" },
    ]);
  });

  test("starts anew, and says so once, when the target works", () => {
    const { backoff, told } = start();
    for (let failure = 0; failure < 9; failure++) backoff.failed("shop", "exited", "unusable");
    backoff.worked("shop");
    backoff.worked("shop");
    expect(told.slice(9)).toEqual([{ target: "shop", failures: 0, retryAfterMs: 0, reason: "" }]);
    expect(backoff.problemWith("shop")).toBeUndefined();
    backoff.failed("shop", "exited", "unusable");
    expect(told.at(-1)?.failures).toBe(1);
  });

  test("keeps a target that failed in use for 5 s at most, however often that was", () => {
    const { backoff, told, pass } = start();
    for (let failure = 0; failure < 20; failure++) backoff.failed("shop", "exited with code 1", "in_use");
    expect(told.map(({ retryAfterMs }) => retryAfterMs / 1_000).slice(0, 7)).toEqual([0, 0, 1, 2, 4, 5, 5]);
    expect(told.at(-1)).toMatchObject({ failures: 20, retryAfterMs: 5_000 });
    // Nor do they lengthen what a start that failed for another reason brings about.
    pass(5_000);
    backoff.failed("shop", "ENOENT", "unusable");
    expect(told.at(-1)).toMatchObject({ failures: 21, retryAfterMs: 5_000 });
  });

  test("does not shorten a delay by a failure in use", () => {
    const { backoff, told } = start();
    for (let failure = 0; failure < 8; failure++) backoff.failed("shop", "ENOENT", "unusable");
    backoff.failed("shop", "exited with code 1", "in_use");
    expect(told.at(-1)?.retryAfterMs).toBe(32_000);
  });

  test("remembers a thousand names", () => {
    const { backoff } = start();
    for (let name = 0; name < 1_500; name++) backoff.failed(`target-${name}`, "exited", "unusable");
    expect(backoff.failing).toHaveLength(1_000);
    expect(backoff.failing.at(-1)?.target).toBe("target-1499");
  });
});
