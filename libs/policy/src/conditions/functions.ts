/** How a function is written: as a member of its first value, as a function of it, or as a macro with a variable. */
export interface FunctionDescription {
  /** One for each way to write it. */
  readonly forms: readonly string[];
  readonly says: string;
  /** How many arguments it takes, the value it is a member of not counted. */
  readonly memberArguments?: readonly number[];
  readonly globalArguments?: readonly number[];
}

const PART_OF_TIME = { memberArguments: [0, 1] } as const;

/** Everything a condition can call. What is not here is refused, also where the parser knows it. */
export const FUNCTIONS = {
  size: {
    forms: ["text.size()", "list.size()", "map.size()", "size(…)"],
    says: "characters of a text, elements of a list, members of a map",
    memberArguments: [0],
    globalArguments: [1],
  },
  contains: { forms: ["text.contains(text)"], says: "whether the other text is in it", memberArguments: [1] },
  startsWith: { forms: ["text.startsWith(text)"], says: "whether it begins so", memberArguments: [1] },
  endsWith: { forms: ["text.endsWith(text)"], says: "whether it ends so", memberArguments: [1] },
  matches: {
    forms: ['text.matches("pattern")'],
    says: "whether the RE2 pattern, which must be written out, is found in it; ^ and $ for all of it, (?i) for any case",
    memberArguments: [1],
  },
  lowerAscii: { forms: ["text.lowerAscii()"], says: "A to Z in lower case", memberArguments: [0] },
  upperAscii: { forms: ["text.upperAscii()"], says: "a to z in upper case", memberArguments: [0] },
  trim: { forms: ["text.trim()"], says: "without white space at both ends", memberArguments: [0] },
  split: {
    forms: ['text.split(",")'],
    says: "the parts between separators of 1 to 16 characters, at most 10,000 parts",
    memberArguments: [1],
  },
  join: { forms: ['list.join(",")'], says: "the texts of a list in one", memberArguments: [0, 1] },
  int: { forms: ["int(…)"], says: "a text or a double as int, without its fraction", globalArguments: [1] },
  double: { forms: ["double(…)"], says: "a text or an int as double", globalArguments: [1] },
  string: { forms: ["string(…)"], says: "a number or a bool as text", globalArguments: [1] },
  timestamp: {
    forms: ['timestamp("2026-12-31T22:00:00Z")'],
    says: "a moment, from RFC 3339 or seconds since 1970",
    globalArguments: [1],
  },
  duration: {
    forms: ['duration("1h30m")'],
    says: "a length of time, from numbers with h, m, s or ms",
    globalArguments: [1],
  },
  getFullYear: { forms: ["time.getFullYear()"], says: "the year", ...PART_OF_TIME },
  getMonth: { forms: ["time.getMonth()"], says: "the month, 0 to 11", ...PART_OF_TIME },
  getDate: { forms: ["time.getDate()"], says: "the day of the month, 1 to 31", ...PART_OF_TIME },
  getDayOfMonth: { forms: ["time.getDayOfMonth()"], says: "the day of the month, 0 to 30", ...PART_OF_TIME },
  getDayOfWeek: { forms: ["time.getDayOfWeek()"], says: "the day of the week, 0 is Sunday", ...PART_OF_TIME },
  getHours: {
    forms: ["time.getHours()", 'time.getHours("Europe/Berlin")', "duration.getHours()"],
    says: "the hour in UTC or in a time zone, which must be written out, as for all parts of a time; of a duration all hours",
    ...PART_OF_TIME,
  },
  getMinutes: { forms: ["time.getMinutes()", "duration.getMinutes()"], says: "the minute", ...PART_OF_TIME },
  getSeconds: { forms: ["time.getSeconds()", "duration.getSeconds()"], says: "the second", ...PART_OF_TIME },
  getMilliseconds: {
    forms: ["time.getMilliseconds()", "duration.getMilliseconds()"],
    says: "the millisecond",
    ...PART_OF_TIME,
  },
  callsOf: {
    forms: ['session.callsOf("tool")'],
    says: "calls of one tool in the session so far",
    memberArguments: [1],
  },
  has: { forms: ["has(args.x)"], says: "whether the member is there", globalArguments: [1] },
  all: { forms: ["list.all(x, …)"], says: "whether it holds of every element x", memberArguments: [2] },
  exists: { forms: ["list.exists(x, …)"], says: "whether it holds of some element", memberArguments: [2] },
  exists_one: {
    forms: ["list.exists_one(x, …)"],
    says: "whether it holds of exactly one element",
    memberArguments: [2],
  },
  filter: { forms: ["list.filter(x, …)"], says: "the elements of which it holds", memberArguments: [2] },
  map: {
    forms: ["list.map(x, …)", "list.map(x, condition, …)"],
    says: "what becomes of each element, or of those of which the condition holds",
    memberArguments: [2, 3],
  },
} as const satisfies Record<string, FunctionDescription>;

export type FunctionName = keyof typeof FUNCTIONS;

export function isFunction(name: string): name is FunctionName {
  return Object.hasOwn(FUNCTIONS, name);
}

/** Macros that bind their first argument to each element. */
export const COMPREHENSIONS: ReadonlySet<string> = new Set(["all", "exists", "exists_one", "filter", "map"]);

/** Whether there is such a function with so many arguments, as a member or not. */
export function takesArguments(name: string, count: number, isMember: boolean): boolean {
  if (!isFunction(name)) return false;
  const { memberArguments, globalArguments }: FunctionDescription = FUNCTIONS[name];
  return ((isMember ? memberArguments : globalArguments) ?? []).includes(count);
}
