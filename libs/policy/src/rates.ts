import { limitsOf, type PolicyLimit, type PolicyRule } from "./document.js";
import type { AppliedLimit } from "./operation.js";

const WINDOW_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const UNIT_BYTES = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

/** `500/h`, as a parsed document has it. */
export function parseCallRate(rate: string): { readonly count: number; readonly windowMs: number } {
  const [, count, unit] = /^(\d+)\/([smhd])$/.exec(rate) ?? [];
  if (count === undefined) throw new Error(`${JSON.stringify(rate)} is no rate of calls`);
  return { count: Number(count), windowMs: WINDOW_MS[unit as keyof typeof WINDOW_MS] };
}

/** `50MiB/h`, as a parsed document has it. */
export function parseByteRate(rate: string): { readonly bytes: number; readonly windowMs: number } {
  const [, count, size, unit] = /^(\d+)(B|KiB|MiB|GiB)\/([smhd])$/.exec(rate) ?? [];
  if (count === undefined) throw new Error(`${JSON.stringify(rate)} is no rate of bytes`);
  const bytes = Number(count) * UNIT_BYTES[size as keyof typeof UNIT_BYTES];
  return { bytes, windowMs: WINDOW_MS[unit as keyof typeof WINDOW_MS] };
}

/** The limits of a rule, as they are enforced. */
export function appliedLimits(policy: string, rule: PolicyRule): readonly AppliedLimit[] {
  return limitsOf(rule).map((limit) => appliedLimit({ policy, rule: rule.name }, limit));
}

function appliedLimit(
  of: { readonly policy: string; readonly rule: string },
  { per, calls, resultBytes, concurrent }: PolicyLimit,
): AppliedLimit {
  return Object.freeze({
    ...of,
    per: per ?? "principal",
    ...(calls !== undefined && { calls: parseCallRate(calls) }),
    ...(resultBytes !== undefined && { resultBytes: parseByteRate(resultBytes) }),
    ...(concurrent !== undefined && { concurrent }),
  });
}
