import { Logger } from "@nestjs/common";
import { afterEach, expect, test, vi } from "vitest";
import { HeldClock } from "../../platform/fakes/test-platform.js";
import { FailedConditions } from "./failed-conditions.js";

afterEach(() => vi.restoreAllMocks());

const failed = (rule: string) => ({ policy: "shop", version: 1, rule, problem: "sql is absent" });

test("an operator hears of each rule whose condition fails, and once a minute", () => {
  const warn = vi.spyOn(Logger.prototype, "warn").mockReturnValue();
  const clock = new HeldClock();
  const conditions = new FailedConditions(clock);
  conditions.report([failed("read"), failed("read")]);
  conditions.report([failed("read"), failed("write")]);
  clock.advance(59_000);
  conditions.report([failed("read")]);
  expect(warn.mock.calls).toEqual([
    [
      "a policy's condition could not be evaluated",
      { policy: "shop", rule: "read", problem: "sql is absent" },
    ],
    [
      "a policy's condition could not be evaluated",
      { policy: "shop", rule: "write", problem: "sql is absent" },
    ],
  ]);
  clock.advance(1_000);
  conditions.report([failed("read")]);
  expect(warn).toHaveBeenCalledTimes(3);
});

test("nobody hears of conditions that did not fail", () => {
  const warn = vi.spyOn(Logger.prototype, "warn").mockReturnValue();
  new FailedConditions(new HeldClock()).report();
  expect(warn).not.toHaveBeenCalled();
});
