import { BOUNDS } from "./bounds.js";
import { isText } from "./check-condition.js";
import type { Node } from "./language.js";
import { type Meter, TOO_COSTLY } from "./meter.js";
import { compilePattern } from "./pattern.js";
import { contains, countCharacters, lowerAscii, upperAscii } from "./texts.js";
import {
  Duration,
  inRange,
  isTimePart,
  parseDuration,
  parseTimestamp,
  readPartIn,
  readPartInUtc,
  type TimePart,
} from "./times.js";
import {
  Failure,
  isList,
  isMap,
  itemOf,
  kindOf,
  lengthOf,
  MadeList,
  MAX_INT,
  MIN_INT,
  type Value,
} from "./values.js";

/** The value a function is a member of comes first. */
type Call = (values: readonly Value[], meter: Meter) => Value | Failure;

/** A function that is written as a member of a value. */
export function compileMemberCall(name: string, given: readonly Node[]): Call {
  if (name === "matches") return compileMatches(given[0]);
  if (isTimePart(name)) return compileTimePart(name, given[0]);
  return (values, meter) => call(name, values, meter);
}

/** A function whose arguments are all values. */
export function call(name: string, values: readonly Value[], meter: Meter): Value | Failure {
  const [first = null] = values;
  const forType = Object.hasOwn(CALLS, name) ? CALLS[name]?.[kindOf(first)] : undefined;
  return forType ? forType(values, meter) : new Failure(`it calls ${name} of a ${kindOf(first)}`);
}

const TOO_LONG = new Failure(
  `it looks for a pattern in a text of more than ${BOUNDS.matchedText} characters`,
);

function compileMatches(argument: Node | undefined): Call {
  const pattern = isText(argument) ? compilePattern(argument.args) : undefined;
  if (!pattern || "problem" in pattern) throw new Error("the pattern is not compiled");
  return ([text], meter) => {
    if (typeof text !== "string") return new Failure(`it looks for a pattern in a ${kindOf(text ?? null)}`);
    if (text.length > BOUNDS.matchedText) return TOO_LONG;
    if (!meter.spend(50 + text.length * pattern.costPerCharacter)) return TOO_COSTLY;
    return pattern.isIn(text);
  };
}

const OF_DURATION: Readonly<Partial<Record<TimePart, number>>> = {
  getHours: 3_600_000,
  getMinutes: 60_000,
  getSeconds: 1_000,
  getMilliseconds: 1,
};

function compileTimePart(part: TimePart, zone: Node | undefined): Call {
  const readPart = isText(zone) ? readPartIn(zone.args) : readPartInUtc;
  if (!readPart) throw new Error("the time zone is not compiled");
  const unit = OF_DURATION[part];
  return ([value = null], meter) => {
    if (value instanceof Date)
      return meter.spend(zone ? 600 : 2) ? BigInt(readPart(value, part)) : TOO_COSTLY;
    if (value instanceof Duration && unit !== undefined && !zone) {
      return BigInt(Math.trunc(value.milliseconds / unit));
    }
    return new Failure(`it calls ${part} of a ${kindOf(value)}`);
  };
}

type Calls = Partial<Record<ReturnType<typeof kindOf>, Call>>;

/** Two texts; the first costs what `cost` says. */
function ofTexts(
  cost: (text: string, other: string) => number,
  evaluate: (text: string, other: string) => Value | Failure,
): Calls {
  return {
    string: ([text, other = null], meter) => {
      if (typeof other !== "string") return new Failure(`it gives a ${kindOf(other)} where a text is needed`);
      return meter.spend(cost(text as string, other)) ? evaluate(text as string, other) : TOO_COSTLY;
    },
  };
}

/** One text, at the cost of so many units for each character. */
function ofText(costPerCharacter: number, evaluate: (text: string) => Value | Failure): Calls {
  return {
    string: ([text], meter) =>
      meter.spend((text as string).length * costPerCharacter) ? evaluate(text as string) : TOO_COSTLY,
  };
}

function of<Kind extends Value>(evaluate: (value: Kind, meter: Meter) => Value | Failure): Call {
  return ([value = null], meter) => evaluate(value as Kind, meter);
}

const same: Call = ([value = null]) => value;
const BAD_TIME = new Failure("it makes a timestamp from what is none: RFC 3339 is needed");
const BAD_DURATION = new Failure("it makes a duration from what is none");
const BAD_INT = new Failure("it makes an int from what is none");
const BAD_DOUBLE = new Failure("it makes a double from what is none");

const CALLS: Readonly<Record<string, Calls>> = {
  size: {
    ...ofText(0.25, (text) => BigInt(countCharacters(text))),
    list: of<readonly unknown[]>((list) => BigInt(lengthOf(list))),
    map: of<Parameters<Meter["keys"]>[0]>((map, meter) => {
      const keys = isMap(map) ? meter.keys(map) : undefined;
      return keys ? BigInt(keys.length) : TOO_COSTLY;
    }),
  },
  contains: {
    string: ([text, part = null], meter) => {
      if (typeof part !== "string") return new Failure(`it looks for a ${kindOf(part)} in a text`);
      return contains(text as string, part, meter) ?? TOO_COSTLY;
    },
  },
  startsWith: ofTexts(
    (_text, part) => part.length / 64,
    (text, part) => text.startsWith(part),
  ),
  endsWith: ofTexts(
    (_text, part) => part.length / 64,
    (text, part) => text.endsWith(part),
  ),
  lowerAscii: ofText(2, lowerAscii),
  upperAscii: ofText(2, upperAscii),
  trim: ofText(0.5, (text) => text.trim()),
  split: ofTexts((text) => text.length, split),
  join: { list: join },
  int: { int: same, double: of<number>(intOfDouble), string: of<string>(intOfText) },
  double: { double: same, int: of<bigint>(Number), string: of<string>(doubleOfText) },
  string: {
    string: same,
    bool: of<boolean>(String),
    int: of<bigint>(String),
    double: of<number>(String),
  },
  timestamp: {
    timestamp: same,
    string: of<string>((text) => parseTimestamp(text) ?? BAD_TIME),
    int: of<bigint>((seconds) => inRange(Number(seconds) * 1_000) ?? BAD_TIME),
  },
  duration: { duration: same, string: of<string>((text) => parseDuration(text) ?? BAD_DURATION) },
};

function intOfDouble(value: number): bigint | Failure {
  if (!Number.isFinite(value)) return BAD_INT;
  const whole = BigInt(Math.trunc(value));
  return whole <= MAX_INT && whole >= MIN_INT ? whole : BAD_INT;
}

function intOfText(text: string): bigint | Failure {
  if (text.length > 20 || !/^-?\d+$/.test(text)) return BAD_INT;
  const value = BigInt(text);
  return value <= MAX_INT && value >= MIN_INT ? value : BAD_INT;
}

function doubleOfText(text: string): number | Failure {
  if (text.length > 40 || !/^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(text)) return BAD_DOUBLE;
  const value = Number(text);
  return Number.isFinite(value) ? value : BAD_DOUBLE;
}

const BAD_SEPARATOR = new Failure(`it splits a text at other than 1 to ${BOUNDS.separator} characters`);
const TOO_MANY_PARTS = new Failure(`it splits a text into more than ${BOUNDS.splitParts} parts`);

function split(text: string, separator: string): Value | Failure {
  if (separator.length === 0 || separator.length > BOUNDS.separator) return BAD_SEPARATOR;
  const parts = text.split(separator, BOUNDS.splitParts + 1);
  return parts.length > BOUNDS.splitParts ? TOO_MANY_PARTS : new MadeList(parts);
}

const BAD_JOIN = new Failure("it joins what is no list of texts");
const TOO_LARGE = new Failure("it makes a text that is too large");

function join([list = null, separator = ""]: readonly Value[], meter: Meter): Value | Failure {
  if (!isList(list) || typeof separator !== "string") return BAD_JOIN;
  const texts: string[] = [];
  let length = 0;
  for (let index = 0; index < lengthOf(list); index++) {
    const text = itemOf(list, index);
    if (typeof text !== "string") return BAD_JOIN;
    length += text.length + separator.length;
    if (length > BOUNDS.madeText) return TOO_LARGE;
    if (!meter.spend(4 + text.length / 4)) return TOO_COSTLY;
    texts.push(text);
  }
  return texts.join(separator);
}
