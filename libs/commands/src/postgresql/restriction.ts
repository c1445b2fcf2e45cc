import { type Fields, fieldsOf, listOf, namesOf, nodeOf, textOf, lastNameOf } from "./ast.js";
import { comparisonRestricts, negated } from "./comparison.js";
import { constantOf, elementsOf } from "./constants.js";
import { coversAllTogether } from "./covering.js";
import { isPlainColumn, variesBy } from "./operands.js";
import { absenceRestricts, existenceRestricts, membershipRestricts, subqueryOf } from "./row-queries.js";
import { type Rows, columnOf, columnsIn, shareNames, spend } from "./rows.js";

/**
 * Whether a condition, or (not positive) its contrary, leaves rows out. In doubt it does not: it must have a part that
 * has to hold and compares a column with something else than itself, and says something by it.
 */
export function restricts(condition: unknown, positive: boolean, rows: Rows): boolean {
  const node = nodeOf(condition);
  if (node === undefined || !spend(rows)) return false;
  return CONDITIONS[node.type]?.(node.fields, positive, rows) ?? false;
}

type Condition = (fields: Fields, positive: boolean, rows: Rows) => boolean;

const CONDITIONS: Readonly<Record<string, Condition>> = {
  A_Const: (fields, positive) => constantOf({ A_Const: fields }) === !positive,
  A_Expr: expressionRestricts,
  BoolExpr: formulaRestricts,
  BooleanTest: truthTestRestricts,
  CoalesceExpr: (fields, _positive, rows) => {
    const [first, ...others] = listOf(fields["args"]);
    return (
      columnOf(first, rows) !== undefined && others.every((other) => typeof constantOf(other) === "boolean")
    );
  },
  ColumnRef: (fields, _positive, rows) => variesBy({ ColumnRef: fields }, rows) !== undefined,
  CurrentOfExpr: (_fields, positive) => positive,
  FuncCall: callRestricts,
  NullTest: nullTestRestricts,
  SubLink: subqueryRestricts,
};

function formulaRestricts(fields: Fields, positive: boolean, rows: Rows): boolean {
  const args = listOf(fields["args"]);
  if (fields["boolop"] === "NOT_EXPR") return restricts(args[0], !positive, rows);
  // Not (a and b) is: not a, or not b.
  const every = (fields["boolop"] === "OR_EXPR") === positive;
  if (!every) return args.some((arg) => restricts(arg, positive, rows));
  return args.every((arg) => restricts(arg, positive, rows)) && !coversAllTogether(args, positive, rows);
}

function truthTestRestricts(fields: Fields, positive: boolean, rows: Rows): boolean {
  const arg = fields["arg"];
  switch (fields["booltesttype"]) {
    case "IS_TRUE":
      return restricts(arg, positive, rows) && (positive || isPlainColumn(arg, rows));
    case "IS_FALSE":
      return restricts(arg, !positive, rows) && (positive || isPlainColumn(arg, rows));
    case "IS_NOT_TRUE":
    case "IS_NOT_FALSE":
      // What is null is not true, and not false: only of a column it is clear enough.
      return isPlainColumn(arg, rows);
    default:
      return false;
  }
}

function nullTestRestricts(fields: Fields, positive: boolean, rows: Rows): boolean {
  const arg = fields["arg"];
  const isNull = (fields["nulltesttype"] === "IS_NULL") === positive;
  const column = columnOf(arg, rows);
  if (column === undefined)
    return lastNameOf(fieldsOf(arg, "A_Expr")?.["name"]) === "->>" && variesBy(arg, rows) !== undefined;
  if (variesBy(arg, rows) === undefined) return false;
  return isNull || isOftenNull(column);
}

/** Columns that are filled in when something happens: to be not null says something of a row. */
export function isOftenNull(column: string): boolean {
  if (/^(?:created|inserted|updated|modified|date|time)/iu.test(column)) return false;
  return /(?:_at|_on|_by|_date|_time|_reason|_error|_until|At|On)$|^(?:deleted|archived|expire|cancel|error|parent|closed|finished|completed)/u.test(
    column,
  );
}

function callRestricts(fields: Fields, positive: boolean, rows: Rows): boolean {
  const name = lastNameOf(fields["funcname"]);
  const args = listOf(fields["args"]);
  const [first, second] = args;
  if (name === "starts_with")
    return positive && comparisonRestricts({ operator: "^@", left: first, right: second }, rows);
  if (name === "regexp_like")
    return comparisonRestricts({ operator: positive ? "~" : "!~", left: first, right: second }, rows);
  return false;
}

function subqueryRestricts(fields: Fields, positive: boolean, rows: Rows): boolean {
  const query = fieldsOf(fields["subselect"], "SelectStmt");
  if (query === undefined) return false;
  const type = textOf(fields["subLinkType"]);
  if (type === "EXISTS_SUBLINK") return existenceRestricts(query, positive, rows);
  if (type !== "ANY_SUBLINK") return false;
  const operator = namesOf(fields["operName"]).at(-1) ?? "=";
  if (operator !== "=") return false;
  const tested = testedOf(fields["testexpr"]);
  const columns = tested.map((item) => variesBy(item, rows)).find((found) => found !== undefined);
  if (columns === undefined || shareNames(columns, columnsIn(fields["subselect"], rows))) return false;
  return positive ? membershipRestricts(query, rows) : absenceRestricts(query, rows);
}

function testedOf(value: unknown): readonly unknown[] {
  const row = fieldsOf(value, "RowExpr");
  return row === undefined ? [value] : listOf(row["args"]);
}

function expressionRestricts(fields: Fields, positive: boolean, rows: Rows): boolean {
  return KINDS[textOf(fields["kind"]) ?? ""]?.(fields, positive, rows) ?? false;
}

const KINDS: Readonly<Record<string, Condition>> = {
  AEXPR_OP: operatorRestricts,
  AEXPR_LIKE: operatorRestricts,
  AEXPR_ILIKE: operatorRestricts,
  AEXPR_SIMILAR: operatorRestricts,
  AEXPR_DISTINCT: (fields, positive, rows) => distinctRestricts(fields, positive, rows),
  AEXPR_NOT_DISTINCT: (fields, positive, rows) => distinctRestricts(fields, !positive, rows),
  AEXPR_IN: listRestricts,
  AEXPR_OP_ANY: anyRestricts,
  AEXPR_OP_ALL: allRestricts,
  AEXPR_BETWEEN: betweenRestricts,
  AEXPR_BETWEEN_SYM: betweenRestricts,
  AEXPR_NOT_BETWEEN: (fields, positive, rows) => betweenRestricts(fields, !positive, rows),
  AEXPR_NOT_BETWEEN_SYM: (fields, positive, rows) => betweenRestricts(fields, !positive, rows),
};

function operatorOf(fields: Fields, positive: boolean): string | undefined {
  const name = lastNameOf(fields["name"]);
  const operator = name === "!=" ? "<>" : name;
  return positive ? operator : negated(operator);
}

function operatorRestricts(fields: Fields, positive: boolean, rows: Rows): boolean {
  const operator = operatorOf(fields, positive);
  if (operator === undefined) return false;
  const { lexpr: left, rexpr: right } = fields;
  const [lefts, rights] = [fieldsOf(left, "RowExpr"), fieldsOf(right, "RowExpr")];
  if (lefts === undefined || rights === undefined)
    return comparisonRestricts({ operator, left, right }, rows);
  const pairs = listOf(lefts["args"]).map((item, index) => ({
    operator,
    left: item,
    right: listOf(rights["args"])[index],
  }));
  // Rows are compared by their first members first.
  return operator === "="
    ? pairs.some((pair) => comparisonRestricts(pair, rows))
    : pairs[0] !== undefined && comparisonRestricts(pairs[0], rows);
}

function distinctRestricts(fields: Fields, positive: boolean, rows: Rows): boolean {
  const { lexpr: left, rexpr: right } = fields;
  if (constantOf(right) === null) {
    return nullTestRestricts({ arg: left, nulltesttype: "IS_NULL" }, !positive, rows);
  }
  return comparisonRestricts({ operator: positive ? "<>" : "=", left, right }, rows);
}

function listRestricts(fields: Fields, positive: boolean, rows: Rows): boolean {
  const operator = operatorOf(fields, positive);
  const items = listOf(fieldsOf(fields["rexpr"], "List")?.["items"]);
  if (operator === undefined || items.length === 0) return false;
  const left = fields["lexpr"];
  const leftRow = fieldsOf(left, "RowExpr");
  if (leftRow !== undefined) {
    return (
      operator === "=" &&
      items.every((item) => operatorRestricts({ name: fields["name"], lexpr: left, rexpr: item }, true, rows))
    );
  }
  const values = items.map((item) => constantOf(item));
  if (values.includes(true) && values.includes(false)) return false;
  // The column must be on the left: `5 in (id, 5)` is no restriction.
  if (variesBy(left, rows) === undefined) return false;
  return items.every((right) => {
    // Lists of thousands of constants are written: they need no more work than this.
    const constant = operator === "=" ? constantOf(right) : undefined;
    return (
      (constant !== undefined && constant !== null) || comparisonRestricts({ operator, left, right }, rows)
    );
  });
}

/** `id = any(…)` of an array or of a query's rows. */
function anyRestricts(fields: Fields, positive: boolean, rows: Rows): boolean {
  const operator = lastNameOf(fields["name"]);
  if (!positive) return false;
  const { lexpr: left, rexpr: right } = fields;
  const elements = elementsOf(right);
  if (elements !== undefined) {
    return (
      variesBy(left, rows) !== undefined &&
      elements.every((item) => comparisonRestricts({ operator, left, right: item }, rows))
    );
  }
  if (operator !== "=") return false;
  const query = subqueryOf(right);
  if (query === undefined) return !namesQuery(right) && comparisonRestricts({ operator, left, right }, rows);
  const columns = variesBy(left, rows);
  return (
    columns !== undefined && !shareNames(columns, columnsIn(right, rows)) && membershipRestricts(query, rows)
  );
}

/** `any((select array_agg(id) …)::int[])`: a list made of rows that are not known. */
function namesQuery(value: unknown): boolean {
  return JSON.stringify(value).includes('"SubLink"');
}

/** `id <> all(array[1, 2])` is NOT IN; of a list that may be empty ALL is always true. */
function allRestricts(fields: Fields, positive: boolean, rows: Rows): boolean {
  const elements = elementsOf(fields["rexpr"]);
  const operator = operatorOf(fields, true);
  const left = fields["lexpr"];
  if (!positive || elements === undefined || elements.length === 0 || operator === undefined) return false;
  return elements.some((right) => comparisonRestricts({ operator, left, right }, rows));
}

function betweenRestricts(fields: Fields, positive: boolean, rows: Rows): boolean {
  const left = fields["lexpr"];
  const [low, high] = listOf(fieldsOf(fields["rexpr"], "List")?.["items"]);
  // `5 between id and 10` is left alone: the column is to be what is tested.
  if (variesBy(left, rows) === undefined) return false;
  const above = comparisonRestricts({ operator: positive ? ">=" : "<", left, right: low }, rows);
  const below = comparisonRestricts({ operator: positive ? "<=" : ">", left, right: high }, rows);
  // What is not between 5 and 4 is everything.
  return positive ? above || below : above && below && isInOrder(constantOf(low), constantOf(high));
}

function isInOrder(low: unknown, high: unknown): boolean {
  if (typeof low === "number" && typeof high === "number") return low < high;
  return typeof low === "string" && typeof high === "string" && low < high;
}
