import { type Fields, fieldsOf, isFields, listOf, nodeOf, lastNameOf, targetOf } from "./ast.js";
import { constantOf, isParameter } from "./constants.js";
import { cteOf, scopeWith } from "./cte-scope.js";
import { type Rows, columnsIn, fromItems, qualifierOf, spend } from "./rows.js";

/** What a query costs of the budget: queries may stand for each other, in circles too. */
const QUERY_WORK = 150;

/** The SELECT of a subquery in an expression. */
export function subqueryOf(value: unknown): Fields | undefined {
  return fieldsOf(fieldsOf(value, "SubLink")?.["subselect"], "SelectStmt");
}

/** Whether this asks the same table for its first or last, or has a subquery of no table at all. */
export function asksForBounds(value: unknown, rows: Rows): boolean {
  const query = subqueryOf(value);
  if (query === undefined) return JSON.stringify(value)?.includes('"SubLink"') ?? false;
  const items = fromItems(query["fromClause"]);
  return (
    items.length === 0 ||
    items.some((item) => fieldsOf(item, "RangeVar")?.["relname"] === rows.relation) ||
    rereads(query, rows)
  );
}

/**
 * Whether a query reads the same table again and leaves nothing out: no WHERE that restricts, no LIMIT, no GROUP BY.
 */
export function rereads(query: Fields, rows: Rows): boolean {
  if (!spend(rows, QUERY_WORK)) return true;
  const ctes = scopeWith(query["withClause"], rows.ctes);
  const inside: Rows = { ...rows, ctes };
  if (isFields(query["larg"])) {
    const left = rereads(query["larg"], inside);
    // UNION has the rows of both, INTERSECT and EXCEPT at most those of the first.
    return query["op"] === "SETOP_UNION" ? left || rereads(asFields(query["rarg"]), inside) : left;
  }
  if (isLimited(query)) return false;
  const again = fromItems(query["fromClause"]).filter((item) => isCopy(item, inside));
  return again.length > 0 && !filters(query, inside);
}

function asFields(value: unknown): Fields {
  return isFields(value) ? value : {};
}

function isLimited(query: Fields): boolean {
  const limit = query["limitCount"];
  const count = constantOf(limit);
  const limited = limit !== undefined && count !== null && !(typeof count === "number" && count > 100_000);
  return limited || isGrouped(query);
}

/** `min(id) … GROUP BY email`, or groups of which HAVING says something. */
function isGrouped(query: Fields): boolean {
  const having = query["havingClause"];
  if (having !== undefined && /"(?:FuncCall|ColumnRef)"/u.test(JSON.stringify(having))) return true;
  const first = listOf(query["targetList"])[0];
  return query["groupClause"] !== undefined && nodeOf(targetOf(first))?.type === "FuncCall";
}

/** Whether WHERE, or the condition of a join, leaves out rows of this query. */
function filters(query: Fields, rows: Rows): boolean {
  const own: Rows = { ...rows, names: new Set(), copies: new Set(), any: true, bare: true };
  const conditions = [query["whereClause"], ...listOf(query["fromClause"]).flatMap(joinConditions)];
  return conditions.some((condition) => condition !== undefined && rows.restricts(condition, true, own));
}

function joinConditions(item: unknown): readonly unknown[] {
  const join = fieldsOf(item, "JoinExpr");
  if (join === undefined) return [];
  return [
    ...(join["jointype"] === "JOIN_INNER" ? [join["quals"]] : []),
    ...joinConditions(join["larg"]),
    ...joinConditions(join["rarg"]),
  ];
}

/** Whether a part of FROM holds all of the rows again, or may: the table itself, a query over it, a made series. */
export function isCopy(item: unknown, rows: Rows): boolean {
  if (!spend(rows)) return true;
  const { type, fields } = nodeOf(item) ?? { type: "", fields: {} };
  switch (type) {
    case "RangeSubselect":
      return holdsAll(fieldsOf(fields["subquery"], "SelectStmt"), rows);
    case "RangeFunction":
      return !isListed(item);
    case "RangeVar":
      return isCopiedTable(fields, rows);
    default:
      return false;
  }
}

function isCopiedTable(range: Fields, rows: Rows): boolean {
  const entry = cteOf(range, rows.ctes);
  if (entry === undefined) return range["relname"] === rows.relation;
  const query = fieldsOf(entry.cte["ctequery"], "SelectStmt");
  return query !== undefined && holdsAll(query, { ...rows, ctes: entry.inside });
}

function holdsAll(query: Fields | undefined, rows: Rows): boolean {
  return query !== undefined && (rereads(query, rows) || !membershipRestricts(query, rows));
}

/** Whether `column IN (query)` leaves rows out. */
export function membershipRestricts(query: Fields, rows: Rows): boolean {
  if (rereads(query, rows)) return false;
  if (isFields(query["larg"])) {
    const inside: Rows = { ...rows, ctes: scopeWith(query["withClause"], rows.ctes) };
    return (
      membershipRestricts(query["larg"], inside) &&
      (query["op"] !== "SETOP_UNION" || membershipRestricts(asFields(query["rarg"]), inside))
    );
  }
  return readsTables(query) || listsConstants(query);
}

function readsTables(query: Fields): boolean {
  return fromItems(query["fromClause"]).some((item) => {
    const subquery = fieldsOf(fieldsOf(item, "RangeSubselect")?.["subquery"], "SelectStmt");
    if (subquery !== undefined)
      return readsTables(subquery) || isFields(subquery["larg"]) || listsConstants(subquery);
    return nodeOf(item)?.type === "RangeVar" || isListed(item);
  });
}

/** `unnest($1)` and the like: a list that was given, not made. */
function isListed(item: unknown): boolean {
  const functions = listOf(fieldsOf(item, "RangeFunction")?.["functions"]);
  const call = fieldsOf(listOf(fieldsOf(functions[0], "List")?.["items"])[0], "FuncCall");
  return LISTING.has(lastNameOf(call?.["funcname"]));
}

const LISTING: ReadonlySet<string> = new Set([
  "unnest",
  "string_to_table",
  "regexp_split_to_table",
  "json_array_elements_text",
  "jsonb_array_elements_text",
]);

/** VALUES, or SELECT of constants. */
function listsConstants(query: Fields): boolean {
  if (listOf(query["valuesLists"]).length > 0) return true;
  const targets = listOf(query["targetList"]).map((target) => targetOf(target));
  return (
    query["fromClause"] === undefined &&
    targets.every((value) => constantOf(value) !== undefined || isParameter(value))
  );
}

/** Whether `column NOT IN (query)` leaves rows out: not when the query is empty, or may be for all that is known. */
export function absenceRestricts(query: Fields, rows: Rows): boolean {
  if (fromItems(query["fromClause"]).length === 0) return false;
  if (isCertainlyEmpty(query)) return false;
  if (!fromItems(query["fromClause"]).some((item) => isCopy(item, rows))) return readsTables(query);
  return query["groupClause"] !== undefined;
}

function isCertainlyEmpty(query: Fields): boolean {
  if (constantOf(query["limitCount"]) === 0 || query["limitOffset"] !== undefined) return true;
  return hasConstantPart(query["whereClause"]);
}

/** A condition with a part that names no column at all may be false for every row. */
function hasConstantPart(condition: unknown): boolean {
  const node = nodeOf(condition);
  if (node === undefined) return false;
  if (node.type === "BoolExpr") return listOf(node.fields["args"]).some(hasConstantPart);
  return !JSON.stringify(node.fields).includes('"ColumnRef"');
}

/** Whether EXISTS, or NOT EXISTS, leaves rows out: when the query is about the row, and of another table. */
export function existenceRestricts(query: Fields, positive: boolean, rows: Rows): boolean {
  const items = fromItems(query["fromClause"]);
  if (items.length === 0 || isFields(query["larg"]) || (!positive && isCertainlyEmpty(query))) return false;
  if (query["groupClause"] === undefined && query["targetList"] !== undefined && isAggregated(query))
    return false;
  const taken = new Set(items.flatMap((item) => qualifierOf(item) ?? []));
  const outer = (names: ReadonlySet<string>): Set<string> =>
    new Set([...names].filter((name) => !taken.has(name)));
  const copies = new Set(
    items.filter((item) => isCopy(item, rows)).flatMap((item) => qualifierOf(item) ?? []),
  );
  const within: Rows = {
    ...rows,
    names: outer(rows.names),
    copies: new Set([...outer(rows.copies), ...copies]),
    any: false,
    bare: false,
  };
  return (
    columnsIn(query["whereClause"], within).size > 0 && rows.restricts(query["whereClause"], true, within)
  );
}

/** SELECT count(*) always has a row. */
function isAggregated(query: Fields): boolean {
  return listOf(query["targetList"]).some((target) => fieldsOf(targetOf(target), "FuncCall") !== undefined);
}
