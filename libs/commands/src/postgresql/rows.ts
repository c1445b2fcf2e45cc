import {
  type Fields,
  aliasColumns,
  aliasOf,
  fieldsOf,
  isFields,
  listOf,
  namesOf,
  nodeOf,
  textOf,
  lastNameOf,
  targetOf,
} from "./ast.js";
import { type CteScope, cteOf } from "./cte-scope.js";

/** The work that may still be spent on the question whether a statement is restricted. */
export interface Budget {
  left: number;
}

/** The rows that a WHERE is asked about, and what its names mean. */
export interface Rows {
  /** The table itself, to find it again in subqueries. Undefined for rows of a subquery. */
  readonly relation: string | undefined;
  /** Qualifiers of its columns: its alias, or its name. */
  readonly names: ReadonlySet<string>;
  /** Qualifiers of other things in FROM that hold all of its rows again, or any number of rows. */
  readonly copies: ReadonlySet<string>;
  /** Whether every qualifier stands for these rows: rows of a subquery. */
  readonly any: boolean;
  /** Whether names without a qualifier are columns of these rows: not within a subquery that has a FROM of its own. */
  readonly bare: boolean;
  readonly ctes: CteScope | undefined;
  readonly budget: Budget;
  /** The question itself (`restricts`), for the conditions of subqueries. */
  readonly restricts: (condition: unknown, positive: boolean, rows: Rows) => boolean;
}

export function shareNames(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  return [...one].some((name) => other.has(name));
}

/** Takes from the budget; false when it is used up: the question is then not answered well. */
export function spend(rows: Rows, work = 1): boolean {
  rows.budget.left -= work;
  return rows.budget.left >= 0;
}

/** The column of the rows that this is; undefined for all else, also for a column of a copy. */
export function columnOf(value: unknown, rows: Rows): string | undefined {
  const names = namesOf(fieldsOf(value, "ColumnRef")?.["fields"]);
  const [name, qualifier] = [names.at(-1), names.at(-2)];
  if (name === undefined || name === "*") return undefined;
  if (qualifier !== undefined) return rows.any || rows.names.has(qualifier) ? name : undefined;
  // A table's name alone is its whole row, which is never null and equals itself.
  return rows.bare && !isOfRows(name, rows) ? name : undefined;
}

function isOfRows(qualifier: string, rows: Rows): boolean {
  return rows.names.has(qualifier) || rows.copies.has(qualifier);
}

/** Whether anything in this is of a copy: to be equal to some row of the same table is no restriction. */
export function namesCopy(value: unknown, rows: Rows): boolean {
  if (rows.copies.size === 0 || typeof value !== "object" || value === null) return false;
  if (!spend(rows)) return true;
  const names = namesOf(fieldsOf(value, "ColumnRef")?.["fields"]);
  const first = names.length > 1 ? names.at(-2) : names[0];
  if (first !== undefined && rows.copies.has(first)) return true;
  return Object.values(value).some((member) => namesCopy(member, rows));
}

/** All columns of the rows that are named anywhere in this, also within subqueries. */
export function columnsIn(value: unknown, rows: Rows): ReadonlySet<string> {
  const found = new Set<string>();
  collect(value, rows, found);
  return found;
}

function collect(value: unknown, rows: Rows, found: Set<string>): void {
  if (typeof value !== "object" || value === null || !spend(rows)) return;
  const node = nodeOf(value);
  if (node?.type === "ColumnRef") {
    const column = columnOf(value, rows);
    if (column !== undefined) found.add(column);
    return;
  }
  const within = node?.type === "SelectStmt" ? withinQuery(node.fields, rows, found) : rows;
  for (const [name, member] of Object.entries(value)) collect(asQuery(name, member), within, found);
}

/** The two queries of a UNION do not say their type. */
function asQuery(name: string, member: unknown): unknown {
  const isQuery = (name === "larg" || name === "rarg") && nodeOf(member) === undefined;
  return isQuery ? { SelectStmt: member } : member;
}

/** What names of the rows still mean within a subquery: those that its own FROM does not take. */
function withinQuery(query: Fields, rows: Rows, found: Set<string>): Rows {
  const items = fromItems(query["fromClause"]);
  if (items.length === 0) return rows;
  const taken = new Set(items.flatMap((item) => qualifierOf(item) ?? []));
  const left = (names: ReadonlySet<string>): Set<string> =>
    new Set([...names].filter((name) => !taken.has(name)));
  for (const name of rows.bare ? unqualifiedOf(query, rows) : []) {
    if (!items.some((item) => mayHave(item, name, rows))) found.add(name);
  }
  return { ...rows, names: left(rows.names), copies: left(rows.copies), any: false, bare: false };
}

function unqualifiedOf(query: Fields, rows: Rows): readonly string[] {
  const names: string[] = [];
  for (const item of [...listOf(query["targetList"]), query["whereClause"], query["havingClause"]]) {
    gatherUnqualified(item, rows, names);
  }
  return names;
}

function gatherUnqualified(value: unknown, rows: Rows, names: string[]): void {
  if (typeof value !== "object" || value === null || !spend(rows)) return;
  if (nodeOf(value)?.type === "SelectStmt") return;
  const parts = namesOf(fieldsOf(value, "ColumnRef")?.["fields"]);
  if (parts.length === 1) names.push(...parts.filter((name) => name !== "*"));
  for (const member of Object.values(value)) gatherUnqualified(member, rows, names);
}

/** What FROM is made of, joins taken apart. */
export function fromItems(fromClause: unknown): readonly unknown[] {
  return listOf(fromClause).flatMap(partsOfItem);
}

function partsOfItem(item: unknown): readonly unknown[] {
  const join = fieldsOf(item, "JoinExpr");
  return join === undefined ? [item] : [...partsOfItem(join["larg"]), ...partsOfItem(join["rarg"])];
}

/** What qualifies the columns of a part of FROM. */
export function qualifierOf(item: unknown): string | undefined {
  const node = nodeOf(item);
  if (node === undefined) return undefined;
  return aliasOf(node.fields) ?? (node.type === "RangeVar" ? textOf(node.fields["relname"]) : undefined);
}

/** Whether a part of FROM may have a column of this name. Of a table it is not known. */
function mayHave(item: unknown, name: string, rows: Rows): boolean {
  const node = nodeOf(item);
  if (node === undefined) return true;
  const renamed = aliasColumns(node.fields);
  if (renamed.includes(name) || qualifierOf(item) === name) return true;
  if (renamed.length > 0 && node.type !== "RangeVar") return false;
  switch (node.type) {
    case "RangeSubselect":
      return gives(node.fields["subquery"], name);
    case "RangeFunction":
      return aliasOf(node.fields) === undefined;
    case "RangeVar":
      return tableMayHave(node.fields, name, rows);
    default:
      return true;
  }
}

function tableMayHave(range: Fields, name: string, rows: Rows): boolean {
  const cte = cteOf(range, rows.ctes)?.cte;
  if (cte === undefined) return true;
  const given = namesOf(cte["aliascolnames"]);
  return given.length === 0 ? gives(cte["ctequery"], name) : given.includes(name);
}

function gives(query: unknown, name: string): boolean {
  const select = fieldsOf(query, "SelectStmt");
  if (select === undefined) return true;
  const targets = listOf(select["targetList"]);
  // VALUES has column1 and so on, UNION the names of its first query.
  if (targets.length === 0) return isFields(select["larg"]) || name.startsWith("column");
  return targets.some((target) => {
    const given = nameGivenTo(target);
    return given === "*" || given === name;
  });
}

function nameGivenTo(target: unknown): string {
  const given = textOf(fieldsOf(target, "ResTarget")?.["name"]);
  if (given !== undefined) return given;
  const value = targetOf(target);
  return (
    lastNameOf(fieldsOf(value, "ColumnRef")?.["fields"]) ||
    lastNameOf(fieldsOf(value, "FuncCall")?.["funcname"])
  );
}
