import { Duration } from "./times.js";

/** Why there is no value. Never holds a value of the operation. */
export class Failure {
  readonly problem: string;
  /** What was read is not there, which `has` asks about. */
  readonly isAbsent: boolean;

  constructor(problem: string, isAbsent = false) {
    this.problem = problem;
    this.isAbsent = isAbsent;
  }
}

/** A list that a condition made. Lists of the operation are arrays of JSON. */
export class MadeList {
  readonly items: readonly Value[];

  constructor(items: readonly Value[]) {
    this.items = items;
  }
}

/** A map that a condition wrote out. Maps of the operation are plain objects of JSON. */
export class MadeMap {
  readonly entries: ReadonlyMap<string, Value>;

  constructor(entries: ReadonlyMap<string, Value>) {
    this.entries = entries;
  }
}

type JsonObject = Readonly<Record<string, unknown>>;
/** Integers are bigint (int), other numbers number (double), which is always finite. */
export type Value =
  | null
  | boolean
  | string
  | bigint
  | number
  | Date
  | Duration
  | MadeList
  | MadeMap
  | readonly unknown[]
  | JsonObject;

export type Kind = "null" | "bool" | "string" | "int" | "double" | "timestamp" | "duration" | "list" | "map";

const PRIMITIVE_KINDS: Readonly<Record<string, Kind>> = {
  string: "string",
  boolean: "bool",
  bigint: "int",
  number: "double",
};

export function kindOf(value: Value): Kind {
  if (value === null) return "null";
  if (typeof value !== "object") return PRIMITIVE_KINDS[typeof value] ?? "null";
  if (Array.isArray(value) || value instanceof MadeList) return "list";
  if (value instanceof Date) return "timestamp";
  return value instanceof Duration ? "duration" : "map";
}

export function isList(value: Value): value is readonly unknown[] | MadeList {
  return Array.isArray(value) || value instanceof MadeList;
}

export function isMap(value: Value): value is MadeMap | JsonObject {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null || value instanceof MadeMap;
}

const NOT_PLAIN = new Failure(
  "it looks at a value that is not plain JSON, such as a number too large or too exact",
);
export const MAX_INT = 9_223_372_036_854_775_807n;
export const MIN_INT = -9_223_372_036_854_775_808n;
const INT_LIMIT = 2 ** 63;

/** A value of JSON as conditions see it. A number without a fraction is an int: JSON does not tell 1 from 1.0. */
export function fromJson(value: unknown): Value | Failure {
  if (typeof value === "string" || typeof value === "boolean" || value === null) return value;
  if (typeof value === "number") return fromNumber(value);
  return typeof value === "object" ? fromContainer(value) : NOT_PLAIN;
}

function fromNumber(value: number): Value | Failure {
  if (Number.isInteger(value) && value < INT_LIMIT && value >= -INT_LIMIT) return BigInt(value);
  return Number.isFinite(value) ? value : NOT_PLAIN;
}

function fromContainer(value: object): Value | Failure {
  if (Array.isArray(value)) return value as readonly unknown[];
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null ? (value as JsonObject) : NOT_PLAIN;
}

export function lengthOf(list: readonly unknown[] | MadeList): number {
  return list instanceof MadeList ? list.items.length : list.length;
}

/** The index must be within the list. */
export function itemOf(list: readonly unknown[] | MadeList, index: number): Value | Failure {
  return list instanceof MadeList ? (list.items[index] ?? null) : fromJson(list[index]);
}

export function hasMember(map: MadeMap | JsonObject, key: string): boolean {
  return map instanceof MadeMap ? map.entries.has(key) : Object.hasOwn(map, key) && map[key] !== undefined;
}

/** The member must be there. Only a map's own members are: names come from outside. */
export function memberOf(map: MadeMap | JsonObject, key: string): Value | Failure {
  return map instanceof MadeMap ? (map.entries.get(key) ?? null) : fromJson(map[key]);
}

export function keysOf(map: MadeMap | JsonObject): readonly string[] {
  return map instanceof MadeMap ? [...map.entries.keys()] : Object.keys(map);
}
