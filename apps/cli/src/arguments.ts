import { InvalidArgumentError } from "commander";

/** For `-f`, which may be given more than once. */
export function collect(value: string, previous: readonly string[] | undefined): string[] {
  return [...(previous ?? []), value];
}

/** A whole number from 1. */
export function count(value: string): number {
  if (!/^[1-9]\d{0,5}$/.test(value)) throw new InvalidArgumentError("write a number from 1 to 999999");
  return Number(value);
}

/** Where an event stands in its recording, from 0. */
export function eventIndex(value: string): number {
  if (!/^\d{1,10}$/.test(value)) throw new InvalidArgumentError("write the index of an event, such as 12");
  return Number(value);
}

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;

/** A duration such as 90s, 30m, 4h or 1d, in seconds. */
export function durationSeconds(value: string): number {
  const [, digits, unit] = /^([1-9]\d{0,5})([smhd])$/.exec(value) ?? [];
  if (digits === undefined) throw new InvalidArgumentError("write a duration such as 90s, 30m, 4h or 1d");
  return Number(digits) * SECONDS[unit as keyof typeof SECONDS];
}
