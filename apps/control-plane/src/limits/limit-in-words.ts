import type { AppliedLimit, LimitScope } from "@drawbridge/policy";

/** What a limit counts apart. */
export const WHOSE = {
  principal: "for each principal",
  session: "for each session",
  target: "for everybody together",
  tool: "for everybody together, each tool",
} as const satisfies Record<LimitScope, string>;

const SPANS = [
  [86_400_000, "day"],
  [3_600_000, "hour"],
  [60_000, "minute"],
  [1_000, "second"],
] as const;

const SIZES = [
  [1024 ** 3, "GiB"],
  [1024 ** 2, "MiB"],
  [1024, "KiB"],
] as const;

/** A limit in one line: what it allows, whose it is and where it is written. */
export function limitInWords({ policy, rule, per, calls, resultBytes, concurrent }: AppliedLimit): string {
  const parts = [
    ...(calls ? [`${counted(calls.count, "call")} in ${span(calls.windowMs)}`] : []),
    ...(resultBytes ? [`${size(resultBytes.bytes)} of results in ${span(resultBytes.windowMs)}`] : []),
    ...(concurrent === undefined ? [] : [`${counted(concurrent, "call")} at the same time`]),
  ];
  return `${parts.join(", ")}, ${WHOSE[per]} (rule "${rule}" of policy "${policy}")`;
}

/** A length of time that limits are written with, in ms. */
export function span(windowMs: number): string {
  const [ms, unit] = SPANS.find(([each]) => windowMs % each === 0) ?? [1, "millisecond"];
  return windowMs === ms ? `one ${unit}` : counted(windowMs / ms, unit);
}

function size(bytes: number): string {
  const [unitBytes, unit] = SIZES.find(([each]) => bytes % each === 0) ?? [1, "B"];
  return `${bytes / unitBytes} ${unit}`;
}

function counted(count: number, what: string): string {
  return count === 1 ? `1 ${what}` : `${count} ${what}s`;
}
