import { type Fields, listOf, textOf, fieldsOf, isFields } from "./ast.js";

/** The WITH queries that a name in FROM may mean, innermost first. */
export interface CteScope {
  readonly name: string;
  /** A CommonTableExpr. */
  readonly cte: Fields;
  /** What names mean within the WITH query itself. */
  readonly inside: CteScope | undefined;
  readonly outer: CteScope | undefined;
}

/** The WITH query that this table of FROM stands for, if it stands for one and not for a table. */
export function cteOf(range: Fields, scope: CteScope | undefined): CteScope | undefined {
  if (range["schemaname"] !== undefined) return undefined;
  for (let entry = scope; entry !== undefined; entry = entry.outer) {
    if (entry.name === range["relname"]) return entry;
  }
  return undefined;
}

/**
 * What names mean in a statement with this WITH clause. A WITH query sees those before it; with RECURSIVE all of them.
 */
export function scopeWith(withClause: unknown, outer: CteScope | undefined): CteScope | undefined {
  if (!isFields(withClause)) return outer;
  const recursive = withClause["recursive"] === true;
  let scope = outer;
  const entries: { name: string; cte: Fields; inside: CteScope | undefined; outer: CteScope | undefined }[] =
    [];
  for (const item of listOf(withClause["ctes"])) {
    const cte = fieldsOf(item, "CommonTableExpr") ?? {};
    const entry = { name: textOf(cte["ctename"]) ?? "", cte, inside: scope, outer: scope };
    entries.push(entry);
    scope = entry;
  }
  if (recursive) for (const entry of entries) entry.inside = scope;
  return scope;
}

/** The entries that this WITH clause adds, with what names mean within each. */
export function entriesOf(scope: CteScope | undefined, outer: CteScope | undefined): readonly CteScope[] {
  const entries: CteScope[] = [];
  for (let entry = scope; entry !== undefined && entry !== outer; entry = entry.outer) entries.push(entry);
  return entries.reverse();
}
