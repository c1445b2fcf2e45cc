/** A length of time, of either sign. */
export class Duration {
  readonly milliseconds: number;

  constructor(milliseconds: number) {
    this.milliseconds = milliseconds;
  }
}

const RFC_3339 = /^(\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;
/** 0001-01-01T00:00:00Z and the end of 9999, the years of a timestamp in CEL. */
const EARLIEST = -62_135_596_800_000;
const LATEST = 253_402_300_799_999;

/** Undefined for what is no moment of the years 1 to 9999 in RFC 3339. */
export function parseTimestamp(text: string): Date | undefined {
  if (text.length > 40) return undefined;
  const [matched, year, month, day] = RFC_3339.exec(text) ?? [];
  if (matched === undefined) return undefined;
  const midnight = new Date(`${year}-${month}-01T00:00:00Z`);
  midnight.setUTCDate(Number(day));
  // A day that the month does not have would be one of the next.
  if (midnight.getUTCMonth() + 1 !== Number(month)) return undefined;
  return inRange(Date.parse(text));
}

/** A moment, if it is within the years a timestamp can be in. */
export function inRange(milliseconds: number): Date | undefined {
  return milliseconds >= EARLIEST && milliseconds <= LATEST ? new Date(milliseconds) : undefined;
}

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;
const DURATION = /^-?(?:\d{1,9}(?:\.\d{1,9})?(?:ms|s|m|h))+$/;
const MAX_DURATION = 320_000_000_000_000;

/** Numbers with the units h, m, s and ms, such as 1h30m; undefined for anything else. */
export function parseDuration(text: string): Duration | undefined {
  if (text.length > 40 || !DURATION.test(text)) return undefined;
  let milliseconds = 0;
  for (const [, amount, unit] of text.matchAll(/([\d.]+)(ms|s|m|h)/g)) {
    milliseconds += Number(amount) * UNITS[unit as keyof typeof UNITS];
  }
  return makeDuration(text.startsWith("-") ? -milliseconds : milliseconds);
}

export function makeDuration(milliseconds: number): Duration | undefined {
  return Math.abs(milliseconds) <= MAX_DURATION ? new Duration(Math.trunc(milliseconds)) : undefined;
}

export interface TimeParts {
  readonly getFullYear: number;
  readonly getMonth: number;
  readonly getDate: number;
  readonly getDayOfMonth: number;
  readonly getDayOfWeek: number;
  readonly getHours: number;
  readonly getMinutes: number;
  readonly getSeconds: number;
  readonly getMilliseconds: number;
}

export type TimePart = keyof TimeParts;

/** Reads parts of times in one zone. */
export type ReadPart = (time: Date, part: TimePart) => number;

const IN_UTC: Readonly<Record<TimePart, (time: Date) => number>> = {
  getFullYear: (time) => time.getUTCFullYear(),
  getMonth: (time) => time.getUTCMonth(),
  getDate: (time) => time.getUTCDate(),
  getDayOfMonth: (time) => time.getUTCDate() - 1,
  getDayOfWeek: (time) => time.getUTCDay(),
  getHours: (time) => time.getUTCHours(),
  getMinutes: (time) => time.getUTCMinutes(),
  getSeconds: (time) => time.getUTCSeconds(),
  getMilliseconds: (time) => time.getUTCMilliseconds(),
};

export function isTimePart(name: string): name is TimePart {
  return Object.hasOwn(IN_UTC, name);
}

export const readPartInUtc: ReadPart = (time, part) => IN_UTC[part](time);

const MAX_ZONE = 64;
/** Many rules have the same zone, and to begin with one takes a tenth of a millisecond. */
const ZONES = new Map<string, ReadPart | undefined>();
const MAX_ZONES = 100;

/** Undefined for a zone that nobody knows. */
export function readPartIn(timeZone: string): ReadPart | undefined {
  if (timeZone.length > MAX_ZONE) return undefined;
  if (ZONES.has(timeZone)) return ZONES.get(timeZone);
  const readPart = makeReadPart(timeZone);
  if (ZONES.size >= MAX_ZONES) ZONES.clear();
  ZONES.set(timeZone, readPart);
  return readPart;
}

function makeReadPart(timeZone: string): ReadPart | undefined {
  const format = formatFor(timeZone);
  if (!format) return undefined;
  return (time, part) => {
    const parts: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(time)) parts[type] = Number(value);
    // The same wall clock, as if it were in UTC.
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
    const wall = new Date(0);
    wall.setUTCFullYear(year, month - 1, day);
    wall.setUTCHours(hour, minute, second, time.getUTCMilliseconds());
    return IN_UTC[part](wall);
  };
}

function formatFor(timeZone: string): Intl.DateTimeFormat | undefined {
  try {
    return new Intl.DateTimeFormat("en-US", {
      timeZone,
      calendar: "gregory",
      numberingSystem: "latn",
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
  } catch {
    return undefined;
  }
}
