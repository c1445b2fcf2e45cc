const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds of `15m`, `4h` or `7d`, as a parsed document has it. */
export function durationMs(duration: string): number {
  const [, count, unit] = /^(\d+)([smhd])$/.exec(duration) ?? [];
  if (count === undefined) throw new Error(`${JSON.stringify(duration)} is no duration`);
  return Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS];
}
