import type { AppliedLimit, LimitScope } from "@drawbridge/policy";
import type { Step } from "./limit-usage.repository.js";
import { fitsInMs, type StoredWindow, type WindowLimit } from "./sliding-window.js";

/** Why a call, or its result, is over a limit. */
export interface LimitRefusal {
  readonly limit: AppliedLimit;
  /** One sentence for the caller, which says what to do. */
  readonly reason: string;
  /** When it could be had, if nobody takes it before; absent where that depends on others, or will never be. */
  readonly retryAfterSeconds?: number | undefined;
}

const WHOSE = {
  principal: "for each principal",
  session: "for each session",
  target: "for everybody together",
  tool: "for everybody together, each tool",
} as const satisfies Record<LimitScope, string>;

const UNITS = [
  [86_400_000, "day"],
  [3_600_000, "hour"],
  [60_000, "minute"],
  [1_000, "second"],
] as const;

const NEVER_WRITTEN: StoredWindow = { ageMs: 0, used: 0, previous: 0 };

/** One of the things a limit counts, with what is asked of it. */
export interface Counter {
  readonly limit: AppliedLimit;
  readonly of: "calls" | "bytes" | "places";
  readonly step: Step;
}

/** What the caller is told of a counter that has no room. */
export function refusalOf({ limit, of: counted, step }: Counter, stored = NEVER_WRITTEN): LimitRefusal {
  const { policy, rule, per } = limit;
  const of = `${WHOSE[per]}, of rule "${rule}" of policy "${policy}"`;
  if (step.ask === "place") {
    const most = step.most === 1 ? "1 call" : `${step.most} calls`;
    return { limit, reason: `the limit of ${most} at the same time ${of}, is reached; wait for one to end` };
  }
  const unit = counted === "calls" ? "calls" : "bytes of results";
  const what = `the limit of ${step.limit.most} ${unit} in ${spanOf(step.limit)} ${of},`;
  const amount = step.ask === "add" ? step.amount : 1;
  const waitMs = fitsInMs(stored, amount, step.limit);
  if (waitMs === undefined) return { limit, reason: `${what} is less than this result; ask for less` };
  const retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1000));
  return { limit, reason: `${what} is used up; try again in ${retryAfterSeconds} s`, retryAfterSeconds };
}

function spanOf({ windowMs }: WindowLimit): string {
  const [ms, unit] = UNITS.find(([ms]) => windowMs % ms === 0) ?? [1, "millisecond"];
  const count = windowMs / ms;
  return count === 1 ? `one ${unit}` : `${count} ${unit}s`;
}
