import { type Fields, fieldsOf, listOf, nodeOf, lastNameOf } from "./ast.js";
import { type Constant, constantOf, elementsOf, isParameter } from "./constants.js";
import { datesRows, isPlainColumn, isPresent, numbersRows, variesBy } from "./operands.js";
import { coversRows } from "./row-queries.js";
import { type Rows, columnsIn, columnOf, shareNames } from "./rows.js";

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
  const constant = constantOf(right);
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

function isOtherThanOne({ left, constant, columns, rows }: Compared): boolean {
  if (constant === "") return true;
  if ([...columns].every(numbersRows)) return true;
  return (
    nodeOf(left)?.type === "FuncCall" && !isPlainColumn(listOf(fieldsOf(left, "FuncCall")?.["args"])[0], rows)
  );
}

function isAboveLeast({ right, constant, columns, rows }: Compared, orEqual: boolean): boolean {
  if (coversRows(right, rows)) return true;
  if (typeof constant === "string") return isLeast(constant);
  if (typeof constant !== "number") return false;
  if ([...columns].every(numbersRows)) return constant <= (orEqual ? 1 : 0);
  // A length, an age or an amount is not negative; a temperature may be.
  if (constant < 0) return constant >= -1 || constant <= -100_000;
  return constant === 0 && orEqual;
}

function isLeast(text: string): boolean {
  const year = /^\s*(\d{1,4})-/u.exec(text)?.[1];
  return (
    !/[\p{L}\p{N}]/u.test(text) ||
    /^\s*(?:-infinity|epoch)/iu.test(text) ||
    (year !== undefined && Number(year) <= 1970)
  );
}

function isBelowMost({ right, constant, columns, rows }: Compared): boolean {
  if (coversRows(right, rows)) return true;
  if (isPresent(right)) return [...columns].some(datesRows);
  if (typeof constant === "number") {
    return constant >= 999_999_999 || (constant >= 999_999 && [...columns].every(numbersRows));
  }
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
  return /[\p{L}\p{N}]/u.test(text);
}

/** Each alternative of the pattern has a character that must be there. */
function isTellingExpression(pattern: string): boolean {
  return pattern
    .split("|")
    .every((part) => /(?<![\\[])[\p{L}\p{N}@_-]\)*(?![*?{\p{L}\p{N}])/u.test(part) && !/^\.\*$/u.test(part));
}

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
