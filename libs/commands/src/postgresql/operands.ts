import { type Fields, fieldsOf, listOf, nodeOf, lastNameOf } from "./ast.js";
import { constantOf } from "./constants.js";
import { type Rows, columnOf, columnsIn, shareNames, spend } from "./rows.js";

/** Functions that keep apart what their arguments keep apart, more or less: a comparison with them says something. */
const TELLING_FUNCTIONS: ReadonlySet<string> = new Set(
  `
  lower upper trim btrim ltrim rtrim initcap reverse replace left right substring substr split_part length char_length
  character_length octet_length md5 sha256 encode to_char to_date to_timestamp to_number date date_trunc date_part
  extract age timezone round floor ceil ceiling abs to_tsvector array_length cardinality jsonb_array_length
  json_array_length jsonb_extract_path_text json_extract_path_text jsonb_typeof jsonb_extract_path text int4 int8
  unaccent similarity st_distance justify_days
  `
    .trim()
    .split(/\s+/u),
);

/**
 * The columns by which this operand differs from row to row; undefined when it may be the same for all rows, whatever
 * they hold: `id * 0`, `left(name, 0)`, `coalesce(1, id)`.
 */
export function variesBy(value: unknown, rows: Rows): ReadonlySet<string> | undefined {
  if (!spend(rows)) return undefined;
  const node = nodeOf(value);
  if (node === undefined) return undefined;
  return VARIES[node.type]?.(node.fields, rows);
}

type Varies = (fields: Fields, rows: Rows) => ReadonlySet<string> | undefined;

const VARIES: Readonly<Record<string, Varies>> = {
  ColumnRef: (fields, rows) => variesByColumn({ ColumnRef: fields }, rows),
  TypeCast: (fields, rows) => variesBy(fields["arg"], rows),
  CollateClause: (fields, rows) => variesBy(fields["arg"], rows),
  A_Indirection: variesByElement,
  A_Expr: variesByOperator,
  CoalesceExpr: variesByCoalesce,
  FuncCall: variesByCall,
};

/** The same for all rows of a table, or always there. */
const SYSTEM_COLUMNS: ReadonlySet<string> = new Set(["tableoid", "xmin", "xmax", "cmin", "cmax"]);

function variesByColumn(value: unknown, rows: Rows): ReadonlySet<string> | undefined {
  const column = columnOf(value, rows);
  return column === undefined || SYSTEM_COLUMNS.has(column) ? undefined : new Set([column]);
}

function variesByElement(fields: Fields, rows: Rows): ReadonlySet<string> | undefined {
  const elements = listOf(fields["indirection"]).every((item) => fieldsOf(item, "A_Indices") !== undefined);
  return elements ? variesByColumn(fields["arg"], rows) : undefined;
}

function variesByOperator(fields: Fields, rows: Rows): ReadonlySet<string> | undefined {
  if (fields["kind"] !== "AEXPR_OP") return undefined;
  return OPERATORS[lastNameOf(fields["name"])]?.(fields["lexpr"], fields["rexpr"], rows);
}

type VariesByTwo = (left: unknown, right: unknown, rows: Rows) => ReadonlySet<string> | undefined;

const variesByMember: VariesByTwo = (left, right, rows) =>
  columnsIn(right, rows).size === 0 ? variesBy(left, rows) : undefined;
const variesByProduct: VariesByTwo = (left, right, rows) =>
  isPositive(right) ? variesBy(left, rows) : undefined;

const OPERATORS: Readonly<Record<string, VariesByTwo>> = {
  "+": variesByBoth,
  "-": variesByBoth,
  "||": variesByBoth,
  "->": variesByMember,
  "->>": variesByMember,
  "#>": variesByMember,
  "#>>": variesByMember,
  "*": variesByProduct,
  "/": variesByProduct,
};

function isPositive(value: unknown): boolean {
  const constant = constantOf(value);
  return typeof constant === "number" && constant > 0;
}

/** `a - a` is the same for all rows: sides that share a column are not believed. */
function variesByBoth(left: unknown, right: unknown, rows: Rows): ReadonlySet<string> | undefined {
  if (left === undefined) return undefined;
  const [inLeft, inRight] = [columnsIn(left, rows), columnsIn(right, rows)];
  if (shareNames(inLeft, inRight)) return undefined;
  if (inRight.size === 0) return variesBy(left, rows);
  if (inLeft.size === 0) return variesBy(right, rows);
  const [byLeft, byRight] = [variesBy(left, rows), variesBy(right, rows)];
  return byLeft === undefined || byRight === undefined ? undefined : new Set([...byLeft, ...byRight]);
}

function variesByCoalesce(fields: Fields, rows: Rows): ReadonlySet<string> | undefined {
  const [first, ...others] = listOf(fields["args"]);
  return columnsIn(others, rows).size === 0 ? variesBy(first, rows) : undefined;
}

function variesByCall(fields: Fields, rows: Rows): ReadonlySet<string> | undefined {
  const name = lastNameOf(fields["funcname"]);
  const args = listOf(fields["args"]);
  if (!TELLING_FUNCTIONS.has(name) || args.some((arg) => tellsNothing(constantOf(arg)))) return undefined;
  const varying = args.filter((arg) => columnsIn(arg, rows).size > 0);
  return varying.length === 1 ? variesBy(varying[0], rows) : undefined;
}

/** `left(name, 0)`, `split_part(name, ',', 99)`: constants that may make every result the same. */
function tellsNothing(constant: unknown): boolean {
  return constant === null || (typeof constant === "number" && (constant <= 0 || constant > 64));
}

/** A column, also cast or with another collation. */
export function isPlainColumn(value: unknown, rows: Rows): boolean {
  const node = nodeOf(value);
  if (node?.type === "TypeCast" || node?.type === "CollateClause")
    return isPlainColumn(node.fields["arg"], rows);
  return variesByColumn(value, rows) !== undefined;
}

/** Columns that number the rows: of these nearly every row has another, positive value, and none is null. */
export function numbersRows(column: string): boolean {
  return /^(?:id|uuid|guid|pk|key|oid|ctid|rowid|seq|no|nr|.*_(?:id|pk|uuid|no|nr)|.*Id)$/u.test(column);
}

/** Columns that tell when a row was made or changed: in every row, and in the past. */
export function datesRows(column: string): boolean {
  return /^(?:(?:date_|time_)?(?:created|inserted|updated|modified|changed|added|registered|signed_?up|ordered|placed|joined|hired)(?:_?(?:at|on|date|time|ts))?|(?:create|insert|update|order|hire|birth|signup)_(?:date|time|ts)|ts|timestamp|date|time|birthday|dob)$/iu.test(
    column,
  );
}

/** Whether this is now, or now and something: a call or a keyword of the present time. */
export function isPresent(value: unknown): boolean {
  const node = nodeOf(value);
  return node !== undefined && (PRESENTS[node.type]?.(node.fields) ?? false);
}

const PRESENTS: Readonly<Record<string, (fields: Fields) => boolean>> = {
  A_Expr: (fields) =>
    lastNameOf(fields["name"]) === "+" && (isPresent(fields["lexpr"]) || isPresent(fields["rexpr"])),
  FuncCall: (fields) => PRESENT.has(lastNameOf(fields["funcname"])),
  SQLValueFunction: (fields) => /CURRENT_(?:DATE|TIME)|LOCALTIME/u.test(String(fields["op"])),
  TypeCast: (fields) => {
    const text = constantOf(fields["arg"]);
    return typeof text === "string"
      ? /^(?:now|today|tomorrow)$/iu.test(text.trim())
      : isPresent(fields["arg"]);
  },
};

const PRESENT: ReadonlySet<string> = new Set([
  "now",
  "clock_timestamp",
  "statement_timestamp",
  "transaction_timestamp",
]);
