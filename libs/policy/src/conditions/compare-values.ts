import { BOUNDS } from "./bounds.js";
import { type Meter, TOO_COSTLY } from "./meter.js";
import { Duration } from "./times.js";
import {
  Failure,
  hasMember,
  isList,
  isMap,
  itemOf,
  kindOf,
  lengthOf,
  memberOf,
  type Value,
} from "./values.js";

const TOO_DEEP = new Failure("it compares values that are nested too deeply");

/** Values of different types are not equal; an int and a double are when they are the same number. */
export function areEqual(a: Value, b: Value, meter: Meter): boolean | Failure {
  if (typeof a === "string" && typeof b === "string") return areTextsEqual(a, b, meter);
  if (isObject(a) && isObject(b)) return new Comparison(meter).areEqual(a, b);
  return meter.spend(8) ? sameScalar(a, b) : TOO_COSTLY;
}

function areTextsEqual(a: string, b: string, meter: Meter): boolean | Failure {
  if (a.length !== b.length) return false;
  return meter.spend(2 + a.length / 64) ? a === b : TOO_COSTLY;
}

function isObject(value: Value): boolean {
  return typeof value === "object" && value !== null;
}

class Comparison {
  readonly #meter: Meter;
  #depth = 0;

  constructor(meter: Meter) {
    this.#meter = meter;
  }

  areEqual(a: Value, b: Value): boolean | Failure {
    if (typeof a === "string" && typeof b === "string") return areTextsEqual(a, b, this.#meter);
    if (!this.#meter.spend(8)) return TOO_COSTLY;
    if (!isObject(a) || !isObject(b)) return sameScalar(a, b);
    if (this.#depth >= BOUNDS.compareDepth) return TOO_DEEP;
    if (!this.#meter.spend(40)) return TOO_COSTLY;
    this.#depth++;
    const equal = this.#areObjectsEqual(a, b);
    this.#depth--;
    return equal;
  }

  #areObjectsEqual(a: Value, b: Value): boolean | Failure {
    if (a instanceof Date) return b instanceof Date && a.getTime() === b.getTime();
    if (a instanceof Duration) return b instanceof Duration && a.milliseconds === b.milliseconds;
    if (isList(a)) return isList(b) && this.#areListsEqual(a, b);
    return isMap(a) && isMap(b) && this.#areMapsEqual(a, b);
  }

  #areListsEqual(a: Parameters<typeof lengthOf>[0], b: Parameters<typeof lengthOf>[0]): boolean | Failure {
    const length = lengthOf(a);
    if (lengthOf(b) !== length) return false;
    for (let index = 0; index < length; index++) {
      const equal = this.#areReadEqual(itemOf(a, index), itemOf(b, index));
      if (equal !== true) return equal;
    }
    return true;
  }

  #areMapsEqual(a: Parameters<typeof memberOf>[0], b: Parameters<typeof memberOf>[0]): boolean | Failure {
    const keys = this.#meter.keys(a);
    const others = keys && this.#meter.keys(b);
    if (!others) return TOO_COSTLY;
    if (keys.length !== others.length) return false;
    for (const key of keys) {
      const equal = hasMember(b, key) && this.#areReadEqual(memberOf(a, key), memberOf(b, key));
      if (equal !== true) return equal;
    }
    return true;
  }

  #areReadEqual(a: Value | Failure, b: Value | Failure): boolean | Failure {
    if (a instanceof Failure) return a;
    return b instanceof Failure ? b : this.areEqual(a, b);
  }
}

function sameScalar(a: Value, b: Value): boolean {
  if (a === b) return true;
  // oxlint-disable-next-line eqeqeq -- exact between bigint and number
  return isNumber(a) && isNumber(b) && a == b;
}

function isNumber(value: Value): value is bigint | number {
  return typeof value === "bigint" || typeof value === "number";
}

/** Less than zero when `a` is less; undefined for what has no order. Doubles are numbers here, never NaN or infinite. */
export function order(a: Value, b: Value): number | undefined {
  if (isNumber(a) && isNumber(b)) return a < b ? -1 : Number(a > b);
  if (kindOf(a) !== kindOf(b)) return undefined;
  if (typeof a === "string") return compare(a, b as string);
  if (typeof a === "boolean") return Number(a) - Number(b);
  if (a instanceof Date) return a.getTime() - (b as Date).getTime();
  return a instanceof Duration ? a.milliseconds - (b as Duration).milliseconds : undefined;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
