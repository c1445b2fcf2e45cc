import { BOUNDS } from "./bounds.js";
import { type Meter, TOO_COSTLY } from "./meter.js";
import { Duration, inRange, makeDuration } from "./times.js";
import {
  Failure,
  isList,
  itemOf,
  kindOf,
  lengthOf,
  MadeList,
  MAX_INT,
  MIN_INT,
  type Value,
} from "./values.js";

export type Operator = "+" | "-" | "*" | "/" | "%";

const OVERFLOW = new Failure("a number becomes larger than 64 bits hold");
const BY_ZERO = new Failure("it divides by zero");
const NO_NUMBER = new Failure("it calculates what is no number, or none that a double holds");
const OUT_OF_RANGE = new Failure("a time becomes earlier or later than times can be");
const TOO_LARGE = new Failure("it makes a text or a list that is too large");

/** What both operands must be is in the failure; numbers are not converted, as CEL has it. */
export function calculate(
  operator: Operator,
  [a, b]: readonly [Value, Value],
  meter: Meter,
): Value | Failure {
  if (typeof a === "bigint" && typeof b === "bigint") return withInts(operator, a, b);
  if (typeof a === "number" && typeof b === "number" && operator !== "%")
    return finite(withDoubles(operator, a, b));
  if (operator === "+") return add(a, b, meter);
  if (operator === "-") return subtractTimes(a, b);
  return notDefined(operator, a, b);
}

export function negate(value: Value): Value | Failure {
  if (typeof value === "number") return -value;
  if (typeof value !== "bigint") return new Failure(`it negates a ${kindOf(value)}`);
  return inInt(-value);
}

function notDefined(operator: Operator, a: Value, b: Value): Failure {
  return new Failure(`it calculates ${kindOf(a)} ${operator} ${kindOf(b)}, which are not of one type`);
}

function inInt(value: bigint): bigint | Failure {
  return value <= MAX_INT && value >= MIN_INT ? value : OVERFLOW;
}

function withInts(operator: Operator, a: bigint, b: bigint): Value | Failure {
  switch (operator) {
    case "+":
      return inInt(a + b);
    case "-":
      return inInt(a - b);
    case "*":
      return inInt(a * b);
    case "/":
      return b === 0n ? BY_ZERO : inInt(a / b);
    case "%":
      return b === 0n ? BY_ZERO : a % b;
  }
}

function withDoubles(operator: Exclude<Operator, "%">, a: number, b: number): number {
  switch (operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      return a / b;
  }
}

/** What is no number is neither more nor less than any: of two comparisons that exclude each other both would be false. */
function finite(value: number): number | Failure {
  return Number.isFinite(value) ? value : NO_NUMBER;
}

function add(a: Value, b: Value, meter: Meter): Value | Failure {
  if (typeof a === "string" && typeof b === "string") {
    if (a.length + b.length > BOUNDS.madeText) return TOO_LARGE;
    return meter.spend((a.length + b.length) / 4) ? a + b : TOO_COSTLY;
  }
  if (isList(a) && isList(b)) return concatenate(a, b, meter);
  return addTimes(a, b);
}

type List = Parameters<typeof lengthOf>[0];

function concatenate(a: List, b: List, meter: Meter): Value | Failure {
  const length = lengthOf(a) + lengthOf(b);
  if (length > BOUNDS.madeList) return TOO_LARGE;
  if (!meter.spend(length * 4)) return TOO_COSTLY;
  const items: Value[] = [];
  for (const list of [a, b]) {
    for (let index = 0; index < lengthOf(list); index++) {
      const item = itemOf(list, index);
      if (item instanceof Failure) return item;
      items.push(item);
    }
  }
  return new MadeList(items);
}

function addTimes(a: Value, b: Value): Value | Failure {
  if (a instanceof Duration && b instanceof Duration) return lasting(a.milliseconds + b.milliseconds);
  if (a instanceof Date && b instanceof Duration) return at(a.getTime() + b.milliseconds);
  if (a instanceof Duration && b instanceof Date) return at(b.getTime() + a.milliseconds);
  return notDefined("+", a, b);
}

function subtractTimes(a: Value, b: Value): Value | Failure {
  if (a instanceof Date && b instanceof Date) return lasting(a.getTime() - b.getTime());
  if (a instanceof Date && b instanceof Duration) return at(a.getTime() - b.milliseconds);
  if (a instanceof Duration && b instanceof Duration) return lasting(a.milliseconds - b.milliseconds);
  return notDefined("-", a, b);
}

function at(milliseconds: number): Date | Failure {
  return inRange(milliseconds) ?? OUT_OF_RANGE;
}

function lasting(milliseconds: number): Duration | Failure {
  return makeDuration(milliseconds) ?? OUT_OF_RANGE;
}
