import type { AppliedLimit } from "@drawbridge/policy";
import { span, WHOSE } from "./limit-in-words.js";
import type { Step } from "./limit-usage.repository.js";
import { fitsInMs, type StoredWindow } from "./sliding-window.js";

/** Why a call, or its result, is over a limit. */
export interface LimitRefusal {
  readonly limit: AppliedLimit;
  /** One sentence for the caller, which says what to do. */
  readonly reason: string;
  /** When it could be had, if nobody takes it before; absent where that depends on others, or will never be. */
  readonly retryAfterSeconds?: number | undefined;
}

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
  const what = `the limit of ${step.limit.most} ${unit} in ${span(step.limit.windowMs)} ${of},`;
  const amount = step.ask === "add" ? step.amount : 1;
  const waitMs = fitsInMs(stored, amount, step.limit);
  if (waitMs === undefined) return { limit, reason: `${what} is less than this result; ask for less` };
  const retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1000));
  return { limit, reason: `${what} is used up; try again in ${retryAfterSeconds} s`, retryAfterSeconds };
}
