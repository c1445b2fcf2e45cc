import { type AstNode, type Fields, fieldsOf, isFields, listOf, textOf, aliasOf } from "./ast.js";
import type { CteScope } from "./cte-scope.js";
import { restricts } from "./restriction.js";
import { isCopy, rereads } from "./row-queries.js";
import { type Rows, fromItems, qualifierOf } from "./rows.js";

/** Steps that one statement's conditions may take; more than any that a person writes. */
const BUDGET = 20_000;

/**
 * Whether an UPDATE, DELETE, MERGE or INSERT … ON CONFLICT DO UPDATE has nothing that keeps it from all rows of its
 * table. In doubt it has not.
 */
export function touchesAllRows({ type, fields }: AstNode, ctes: CteScope | undefined): boolean {
  if (type === "MergeStmt") return mergeTouchesAll(fields, rowsOf(fields, [fields["sourceRelation"]], ctes));
  if (type === "InsertStmt") return upsertTouchesAll(fields, rowsOf(fields, [], ctes));
  if (type !== "UpdateStmt" && type !== "DeleteStmt") return false;
  const others = [...listOf(fields["usingClause"]), ...listOf(fields["fromClause"])];
  return !restricts(fields["whereClause"], true, rowsOf(fields, others, ctes));
}

function rowsOf(fields: Fields, others: readonly unknown[], ctes: CteScope | undefined): Rows {
  const range = isFields(fields["relation"]) ? fields["relation"] : {};
  const relation = textOf(range["relname"]);
  const name = aliasOf(range) ?? relation;
  const rows: Rows = {
    relation,
    names: new Set(name === undefined ? [] : [name]),
    copies: new Set(),
    any: false,
    bare: true,
    ctes,
    budget: { left: BUDGET },
    restricts,
  };
  const copies = fromItems(others).filter((item) => isCopy(item, rows));
  return { ...rows, copies: new Set(copies.flatMap((item) => qualifierOf(item) ?? [])) };
}

/** Rows that are inserted again are updated, where that is what is to be done with them. */
function upsertTouchesAll(fields: Fields, rows: Rows): boolean {
  const conflict = isFields(fields["onConflictClause"]) ? fields["onConflictClause"] : {};
  const query = fieldsOf(fields["selectStmt"], "SelectStmt");
  if (conflict["action"] !== "ONCONFLICT_UPDATE" || query === undefined) return false;
  return rereads(query, rows) && !restricts(conflict["whereClause"], true, rows);
}

/** Rows without a match in the source are all rows when the source is empty: what meets them needs a condition. */
function mergeTouchesAll(fields: Fields, rows: Rows): boolean {
  const joined = restricts(fields["joinCondition"], true, rows);
  return listOf(fields["mergeWhenClauses"]).some((item) => {
    const clause = fieldsOf(item, "MergeWhenClause");
    if (clause === undefined) return true;
    if (clause["commandType"] !== "CMD_DELETE" && clause["commandType"] !== "CMD_UPDATE") return false;
    const matched = clause["matchKind"] === "MERGE_WHEN_MATCHED";
    return !(matched && joined) && !restricts(clause["condition"], true, rows);
  });
}
