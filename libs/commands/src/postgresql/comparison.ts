import { type Fields, fieldsOf, listOf, nodeOf, lastNameOf } from "./ast.js";
import { type Constant, constantOf, elementsOf, isParameter } from "./constants.js";
import { datesRows, isPlainColumn, isPresent, numbersRows, variesBy } from "./operands.js";
import { asksForBounds } from "./row-queries.js";
import { type Rows, columnsIn, columnOf, shareNames, namesCopy } from "./rows.js";

export interface Comparison {
  readonly operator: string;
  readonly left: unknown;
  readonly right: unknown;
}

const MIRRORED: Readonly<Record<string, string>> = {
  "=": "=",
  "<>": "<>",
  "<": ">",
  ">": "<",
  "<=": ">=",
  ">=": "<=",
  "@>": "<@",
  "<@": "@>",
  "&&": "&&",
  "@@": "@@",
};

const NEGATED: Readonly<Record<string, string>> = {
  "=": "<>",
  "<>": "=",
  "<": ">=",
  ">": "<=",
  "<=": ">",
  ">=": "<",
  "~~": "!~~",
  "!~~": "~~",
  "~~*": "!~~*",
  "!~~*": "~~*",
  "~": "!~",
  "!~": "~",
  "~*": "!~*",
  "!~*": "~*",
};

export function mirrored(operator: string): string | undefined {
  return MIRRORED[operator];
}

export function negated(operator: string): string | undefined {
  return NEGATED[operator];
}

/**
 * Whether a comparison leaves rows out: a column of the rows is compared with something that is not that column again,
 * and not with something that hardly a row fails to satisfy.
 */
export function comparisonRestricts(comparison: Comparison, rows: Rows): boolean {
  const turned = turnedToRows(comparison, rows);
  if (turned === undefined) return false;
  const { operator, left, right } = turned;
  const columns = variesBy(left, rows);
  if (columns === undefined) return false;
  if (shareNames(columns, columnsIn(right, rows))) return isNormalizing(turned, rows);
  if (namesCopy(right, rows)) return false;
  const constant = numberOrText(constantOf(right));
  if (constant === null) return false;
  return !(DEGENERATE[operator] ?? always)({ left, right, constant, columns, rows });
}

/** `email <> lower(email)`: rows that are not as they should be. */
function isNormalizing({ operator, left, right }: Comparison, rows: Rows): boolean {
  const call = fieldsOf(right, "FuncCall");
  const args = listOf(call?.["args"]);
  return (
    operator === "<>" &&
    isPlainColumn(left, rows) &&
    ["lower", "upper", "btrim", "initcap"].includes(lastNameOf(call?.["funcname"])) &&
    args.length === 1 &&
    columnOf(args[0], rows) === columnOf(left, rows)
  );
}

function turnedToRows({ operator, left, right }: Comparison, rows: Rows): Comparison | undefined {
  const named = operator === "!=" ? "<>" : operator;
  if (variesBy(left, rows) !== undefined) return { operator: named, left, right };
  const mirrored = MIRRORED[named];
  return mirrored === undefined ? undefined : { operator: mirrored, left: right, right: left };
}

interface Compared {
  readonly left: unknown;
  readonly right: unknown;
  readonly constant: Constant | undefined;
  readonly columns: ReadonlySet<string>;
  readonly rows: Rows;
}

type Degenerate = (compared: Compared) => boolean;

const always: Degenerate = () => true;
const never: Degenerate = () => false;
const emptyValue: Degenerate = ({ right }) => !saysSomething(right);
const anyText: Degenerate = ({ right }) => !isTellingText(right, saysLetters);
const anyPattern: Degenerate = ({ right }) => !isTellingText(right, isTellingExpression);

/** When nearly every row satisfies the comparison. Operators that are not here count for nothing. */
const DEGENERATE: Readonly<Record<string, Degenerate>> = {
  "=": never,
  "<>": isOtherThanOne,
  ">": (compared) => isAboveLeast(compared, false),
  ">=": (compared) => isAboveLeast(compared, true),
  "<": isBelowMost,
  "<=": isBelowMost,
  "~~": anyText,
  "~~*": anyText,
  "!~~": isOtherThanOne,
  "!~~*": isOtherThanOne,
  "^@": anyText,
  "~": anyPattern,
  "~*": anyPattern,
  "!~": anyPattern,
  "!~*": anyPattern,
  "@>": emptyValue,
  "<@": emptyValue,
  "&&": emptyValue,
  "?": emptyValue,
  "?|": emptyValue,
  "?&": emptyValue,
  "@@": emptyValue,
  "@?": emptyValue,
  "<<": emptyValue,
  ">>": emptyValue,
};

/** A text that is a number counts as one: PostgreSQL makes it one. */
function numberOrText(constant: Constant | undefined): Constant | undefined {
  const isNumber = typeof constant === "string" && /^\s*[+-]?\d+(?:\.\d*)?\s*$/u.test(constant);
  return isNumber ? Number(constant) : constant;
}

const KEEPING_APART: ReadonlySet<string> = new Set(["lower", "upper", "btrim", "ltrim", "rtrim"]);

function isOtherThanOne({ left, constant, columns }: Compared): boolean {
  if (constant === "" || [...columns].every(numbersRows)) return true;
  const call = fieldsOf(left, "FuncCall");
  return call !== undefined && !KEEPING_APART.has(lastNameOf(call["funcname"]));
}

function isAboveLeast(compared: Compared, orEqual: boolean): boolean {
  const { right, constant, columns, rows } = compared;
  if (asksForBounds(right, rows) || isLongAgo(right) || columns.has("ctid")) return true;
  if ([...columns].every(numbersRows)) return isUnclearNumber(right, constant) || Number(constant) <= 2;
  if (typeof constant === "string") return isLeast(constant);
  return typeof constant === "number" && isLeastNumber(compared, constant, orEqual);
}

/** A length, an age or an amount is not negative; a temperature may be. */
function isLeastNumber({ left }: Compared, constant: number, orEqual: boolean): boolean {
  if (isYear(left)) return constant <= 1970;
  if (constant < 0) return constant >= -1 || constant <= -100_000;
  return constant === 0 && (orEqual || fieldsOf(left, "FuncCall") !== undefined);
}

/** What numbers of rows are compared with must be seen: a number or a parameter. */
function isUnclearNumber(right: unknown, constant: Constant | undefined): boolean {
  return constant === undefined && !isParameter(right);
}

function isYear(value: unknown): boolean {
  const call = fieldsOf(value, "FuncCall");
  return listOf(call?.["args"]).some((arg) => /^(?:iso)?year$/iu.test(String(constantOf(arg))));
}

function isLongAgo(value: unknown): boolean {
  const call = fieldsOf(value, "FuncCall");
  if (lastNameOf(call?.["funcname"]) === "to_timestamp")
    return Number(constantOf(listOf(call?.["args"])[0])) < 86_400 * 366;
  const minus = fieldsOf(value, "A_Expr");
  const span = constantOf(minus?.["rexpr"]);
  return typeof span === "string" && /\d{3}\s*y|cent|mill?en/iu.test(span);
}

function isLeast(text: string): boolean {
  const year = /(?<!\d)\d{4}(?!\d)/u.exec(text)?.[0];
  return (
    !/[\p{L}\p{N}]/u.test(text) ||
    /^\s*(?:-infinity|epoch)/iu.test(text) ||
    (/^[\d\s/.:+TZ-]+$/u.test(text) && year !== undefined && Number(year) <= 1970)
  );
}

function isBelowMost({ right, constant, columns, rows }: Compared): boolean {
  if (asksForBounds(right, rows)) return true;
  if (isPresent(right)) return [...columns].some(datesRows);
  const ofRows = [...columns].every(numbersRows);
  if (ofRows && isUnclearNumber(right, constant)) return true;
  if (typeof constant === "number") return constant >= (ofRows ? 999_999 : 999_999_999);
  return typeof constant === "string" && isMost(constant);
}

function isMost(text: string): boolean {
  const year = /^\s*(\d{4,})-/u.exec(text)?.[1];
  return (
    /^\s*infinity|^[zZ~\u{80}-\u{10ffff}]+$/iu.test(text) || (year !== undefined && Number(year) >= 2100)
  );
}

/** A container with something in it: an empty one is contained in everything. */
function saysSomething(value: unknown): boolean {
  const elements = elementsOf(value);
  if (elements !== undefined) return elements.length > 0;
  const constant = constantOf(value);
  if (constant !== undefined)
    return typeof constant === "number" || (typeof constant === "string" && saysLetters(constant));
  const node = nodeOf(value);
  return node !== undefined && (SAYS[node.type]?.(node.fields) ?? false);
}

const SAYS: Readonly<Record<string, (fields: Fields) => boolean>> = {
  A_Expr: (fields) => saysSomething(fields["lexpr"]) || saysSomething(fields["rexpr"]),
  ColumnRef: () => true,
  FuncCall: (fields) => listOf(fields["args"]).some(saysSomething),
  ParamRef: () => true,
  SQLValueFunction: () => true,
  TypeCast: (fields) => saysSomething(fields["arg"]),
};

function saysLetters(text: string): boolean {
  return /[\p{L}\p{N}]/u.test(text.replace(/infinity/giu, ""));
}

/** Each alternative of the pattern has a character that must be there. What may be left out counts for nothing. */
function isTellingExpression(pattern: string): boolean {
  if (pattern.length > MAX_PATTERN) return false;
  let plain = pattern
    .replace(/\\[a-zA-Z]/gu, ".")
    .replace(/\\./gu, "_")
    .replace(/\[\^?\]?[^\]]*\]/gu, ".");
  for (let round = 0; round < 5; round++) {
    plain = plain
      .replace(/(?:\([^()]*\)|[^()])(?:[*?]|\{[^}]*\})/gu, "")
      .replace(/\((?:\?:)?([^()|]*)\)/gu, "$1");
  }
  return plain
    .replace(/[()]/gu, "")
    .split("|")
    .every((part) => /[\p{L}\p{N}@_-]/u.test(part));
}

/** Longer ones are not looked into. */
const MAX_PATTERN = 1000;

/** A pattern that is known to say something: a constant, a parameter, another table's column, or these joined. */
function isTellingText(value: unknown, says: (text: string) => boolean): boolean {
  const constant = constantOf(value);
  if (constant !== undefined) return typeof constant === "string" && says(constant);
  if (isParameter(value) || nodeOf(value)?.type === "ColumnRef") return true;
  return partsOfText(value).some((part) => isTellingText(part, says));
}

/** Of texts that are joined, and the pattern of SIMILAR TO. */
function partsOfText(value: unknown): readonly unknown[] {
  const { type, fields } = nodeOf(value) ?? { type: "", fields: {} };
  if (type === "A_Expr" && lastNameOf(fields["name"]) === "||") return [fields["lexpr"], fields["rexpr"]];
  const made = type === "FuncCall" && lastNameOf(fields["funcname"]) === "similar_to_escape";
  return made ? [listOf(fields["args"])[0]] : [];
}
