import { InvalidArgumentError } from "commander";
import { type JsonValue, parseExactly } from "./json-object.js";

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

/** A duration such as 90s, 30m, 4h or 1d, as the API takes it. */
export function duration(value: string): string {
  durationSeconds(value);
  return value;
}

/** A point in time with its offset, such as 2026-11-24T09:00Z, as the API takes it. */
export function timestamp(value: string): string {
  const milliseconds = /^\d{4}-\d\d-\d\dT\d\d:\d\d.*(?:Z|[+-]\d\d:\d\d)$/.test(value)
    ? Date.parse(value)
    : Number.NaN;
  if (Number.isNaN(milliseconds)) {
    throw new InvalidArgumentError("write a time such as 2026-11-24T09:00Z or 2026-11-24T10:00+01:00");
  }
  return new Date(milliseconds).toISOString();
}

/** `a,b` */
export function commaSeparated(value: string): string[] {
  const items = value.split(",").map((item) => item.trim());
  if (items.includes("")) throw new InvalidArgumentError("write names with commas between them, such as a,b");
  return items;
}

/** `/pointer=JSON`, which may be given more than once. */
export function collectEdit(value: string, previous: Edits | undefined): Edits {
  const [, pointer, json] = /^((?:\/[^=]*)+)=(.*)$/s.exec(value) ?? [];
  if (pointer === undefined || json === undefined) {
    throw new InvalidArgumentError(`write a JSON pointer, = and JSON, such as '/sql="select 1"'`);
  }
  return { ...previous, [pointer]: exactJson(json) };
}

export type Edits = Readonly<Record<string, JsonValue>>;

function exactJson(text: string): JsonValue {
  try {
    return parseExactly(text);
  } catch (error) {
    if (error instanceof RangeError) throw new InvalidArgumentError(error.message);
    throw new InvalidArgumentError(
      `what follows = has to be JSON; a text needs its quotes: '/sql="select 1"'`,
    );
  }
}
