import type { Effects } from "./effects.js";
import { HARMLESS_FUNCTIONS, reachesOut } from "./functions.js";
import { isFields, type Node, type NodeFields } from "./parser.js";
import { restricts, tablesIn, targetsIn } from "./restricting.js";

/**
 * Fields and variants of the syntax tree that do nothing themselves. What is not here and has no rule of its own may
 * do anything: a new  of the parser adds no way around a policy.
 */
const HARMLESS = new Set(
  `alias all any args array asc assignments body charset clauses col_aliases collation column_keyword columns
  compare_op condition conditions constraint content cte_tables data_type distinct distinct_row duplicate_treatment
  else_result end_bound escape_char exists explicit explicit_row expr field filter flavor for_clause format
  fractional_seconds_precision from global group_by having high high_priority hint_type ignore in index_hints
  index_names index_type inline insert_alias insert_token into is_none is_some join_operator joins json_expr
  json_path kind last_field lateral leading_field leading_precision left length limit limit_clause list locks low
  low_priority match_value name name_value named_window negated null_treatment nulls_first offset on on_empty
  on_error op operand opt_search_modifier optimizer_hints options or order_by over parameters partition_by partitions
  path pattern prefix priority projection query quote_style recursive regexp relation replace_into result returning
  right row_alias rows select_modifiers selection set_quantifier shorthand source special sql_big_result
  sql_buffer_result sql_calc_found_rows sql_no_cache sql_small_result start_bound straight_join subquery
  substring_for substring_from syntax table table_with_joins tables target trim_characters trim_what trim_where type
  unit units uses_odbc_syntax using value value_keyword wildcard_token window_before_qualify window_frame window_name
  with within_group AllOp AnyOp Between BigInt Binary Boolean Case Cast Char Character CharacterLength Collate
  ColumnName CompoundIdentifier Convert CrossJoin CurrentRow Custom Date Datetime Decimal Default Derived Double
  DoubleQuotedString DuplicateKeyUpdate Error Exists Expr ExprWithAlias Expressions Extract Float Following
  ForOrdinality HexStringLiteral Identifier InList InSubquery JsonReturningClause JsonNullClause Inner Int Integer IntegerLength Interval IsFalse
  IsNotFalse IsNotNull IsNotTrue IsNotUnknown IsNull IsTrue IsUnknown JSON Join JsonTable Left LeftOuter Like Limit
  LimitOffset List MatchAgainst MemberOf Named NamedWindow Natural Nested NestedJoin None Null Number ObjectName
  OffsetCommaLimit On OrderBy Placeholder Position Preceding Precision PrecisionAndScale Prefixed QualifiedWildcard
  Query QuotedString RLike Real Right RightOuter Select Separator SetOperation Signed SignedInteger
  SingleQuotedString StraightJoin Subquery Substring Time Timestamp Trim Tuple TypedString UnaryOp Unnamed
  UnnamedExpr Unsigned UnsignedInteger Using Value Values Varchar Wildcard WindowSpec WithFromKeyword WithoutKeyword`.split(
    /\s+/,
  ),
);

interface Place {
  readonly effects: Effects;
  /** Names of WITH that are seen from here: they are no tables. */
  readonly withNames: ReadonlySet<string>;
  /** The order of precedence is in doubt: no WHERE of this statement counts. */
  readonly unsure: boolean;
}

/** Adds what a statement's tree says it does. */
export function addSyntax(statement: NodeFields, effects: Effects, unsure: boolean): void {
  visit(statement, { effects, withNames: new Set(), unsure });
}

function visit(node: Node, place: Place): void {
  if (Array.isArray(node)) {
    for (const item of node as readonly Node[]) visit(item, place);
    return;
  }
  if (!isFields(node)) return;
  const inner = isFields(node["with"]) ? visitWith(node["with"], place) : place;
  for (const [name, value] of Object.entries(node)) {
    if (isSaid(name, value)) visitField(name, value, inner);
  }
}

/** Places in the text, and fields that are absent, say nothing. */
function isSaid(name: string, value: Node): boolean {
  if (name === "span" || name === "with" || name.endsWith("_token")) return false;
  return value !== null && value !== undefined && value !== false;
}

function visitField(name: string, value: Node, place: Place): void {
  const rule = Object.hasOwn(RULES, name) ? RULES[name] : undefined;
  if (rule !== undefined && isFields(value)) {
    rule(value, place);
    return;
  }
  if (!HARMLESS.has(name) && !isEmpty(value)) {
    place.effects.runsCode = true;
  }
  visit(value, place);
}

const isEmpty = (value: Node): boolean => Array.isArray(value) && value.length === 0;

/** The queries of WITH, and then the place with their names in sight. */
function visitWith(clause: NodeFields, place: Place): Place {
  const names = new Set(place.withNames);
  const tables = clause["cte_tables"];
  for (const table of Array.isArray(tables) ? (tables as readonly Node[]) : []) {
    const alias = isFields(table) && isFields(table["alias"]) ? table["alias"]["name"] : undefined;
    const name = valueIn(alias).toLowerCase();
    if (clause["recursive"] === true) names.add(name);
    visit(isFields(table) ? table["query"] : table, { ...place, withNames: new Set(names) });
    names.add(name);
  }
  return { ...place, withNames: names };
}

type Rule = (fields: NodeFields, place: Place) => void;

const RULES: Readonly<Record<string, Rule>> = {
  Query: visitQuery,
  Select: (fields, place) => {
    place.effects.kinds.add("select");
    if (isFields(fields["into"])) place.effects.runsCode = true;
    visit(fields, place);
  },
  Values: (fields, place) => {
    visit(fields, place);
  },
  Insert: visitInsert,
  Update: (fields, place) => {
    visitChange("update", fields, { place, changed: fields["table"] });
  },
  Delete: (fields, place) => {
    const inner = isFields(fields["Delete"]) ? fields["Delete"] : fields;
    visitChange("delete", inner, { place, changed: [inner["from"] ?? null, inner["using"] ?? null] });
  },
  Function: visitFunction,
  Table: visitTable,
  BinaryOp: (fields, place) => {
    if (fields["op"] === "Assignment") place.effects.changesSession = true;
    if (typeof fields["op"] !== "string") place.effects.runsCode = true;
    visit(fields["left"], place);
    visit(fields["right"], place);
  },
};

function visitQuery(fields: NodeFields, place: Place): void {
  if (Array.isArray(fields["locks"]) && fields["locks"].length > 0) place.effects.disturbs = true;
  const body = fields["body"];
  if (isFields(body) && "Values" in body) place.effects.kinds.add("select");
  visit({ ...fields, locks: [] }, place);
}

function visitInsert(outer: NodeFields, place: Place): void {
  const fields = isFields(outer["Insert"]) ? outer["Insert"] : outer;
  const { effects } = place;
  effects.writes = true;
  effects.kinds.add("insert");
  // REPLACE deletes the rows that it replaces.
  if (fields["replace_into"] === true) effects.kinds.add("delete");
  const table = isFields(fields["table"]) ? fields["table"]["TableName"] : undefined;
  addTable(table, effects);
  const changesRows = fields["replace_into"] === true || isFields(fields["on"]);
  if (changesRows && takesAllRowsOf(table, fields["source"])) effects.deletesAll = true;
  visit({ ...fields, table: null, columns: null, source: null, replace_into: null }, place);
  // The rows of VALUES are no query of their own.
  const body = isFields(fields["source"]) ? fields["source"]["body"] : undefined;
  visit(isFields(body) && "Values" in body ? body["Values"] : fields["source"], place);
}

/** Whether the rows to be put into a table are all of the same table: then each of them is replaced or changed. */
function takesAllRowsOf(table: Node | undefined, source: Node | undefined): boolean {
  const body = isFields(source) ? source["body"] : undefined;
  const select = isFields(body) ? body["Select"] : undefined;
  if (!isFields(select) || !Array.isArray(table)) return false;
  const from = select["from"] ?? null;
  const lastOf = (name: string): string => name.slice(name.lastIndexOf(".") + 1).toLowerCase();
  const own = nameIn((table as readonly Node[]).at(-1) ?? null).toLowerCase();
  const isRead = tablesIn(from).some((name) => lastOf(name) === own);
  return isRead && !restricts(select["selection"], targetsIn(from));
}

function visitChange(
  kind: "update" | "delete",
  fields: NodeFields,
  { place, changed }: { readonly place: Place; readonly changed: Node },
): void {
  const { effects } = place;
  effects.writes = true;
  effects.kinds.add(kind);
  const targets = targetsIn(changed);
  for (const table of tablesIn(changed)) {
    if (place.withNames.has(table)) effects.tables.add(table);
  }
  if (place.unsure || !(restricts(fields["selection"], targets) || joinsRestrict(changed, targets))) {
    effects.deletesAll = true;
  }
  visit({ ...fields, tables: null, using: fields["using"] ?? null }, place);
  if (Array.isArray(fields["tables"]) && fields["tables"].length > 0 && targets.size === 0) {
    effects.deletesAll = true;
  }
}

/** An inner join on a comparison leaves out what has no partner. */
function joinsRestrict(node: Node, targets: ReadonlyMap<string, string>): boolean {
  if (Array.isArray(node)) return (node as readonly Node[]).some((item) => joinsRestrict(item, targets));
  if (!isFields(node)) return false;
  const operator = node["join_operator"];
  if (isFields(operator)) {
    const constraint = operator["Inner"] ?? operator["Join"] ?? operator["StraightJoin"];
    if (!isFields(constraint)) return false;
    const joinsOthers = "Using" in constraint && new Set(targets.values()).size > 1;
    return joinsOthers || restricts(constraint["On"], targets);
  }
  return ["WithFromKeyword", "WithoutKeyword", "joins"].some((name) => joinsRestrict(node[name], targets));
}

function visitFunction(fields: NodeFields, place: Place): void {
  const { effects } = place;
  const parts = Array.isArray(fields["name"]) ? (fields["name"] as readonly Node[]) : [];
  const names = parts.map((part) => nameIn(part).toLowerCase());
  const name = names.join(".");
  effects.functions.add(name);
  // With a schema before it, it is a stored function, whatever its name.
  if (names.length !== 1 || !HARMLESS_FUNCTIONS.has(name)) effects.runsCode = true;
  if (reachesOut(name)) effects.reachesOut = true;
  const parameters = fields["parameters"];
  visit({ ...fields, name: null, parameters: parameters === "None" ? null : (parameters ?? null) }, place);
}

function visitTable(fields: NodeFields, place: Place): void {
  const parts = fields["name"];
  const [first] = tablesIn({ Table: fields });
  const isWithName = Array.isArray(parts) && parts.length === 1 && place.withNames.has(first ?? "");
  if (!isWithName) addTable(parts, place.effects);
  if (fields["args"] !== null && fields["args"] !== undefined) place.effects.runsCode = true;
  visit({ ...fields, name: null, alias: null }, place);
}

/** Adds the name of a table as it is written: servers keep its case, or not, as their file system does. */
function addTable(parts: Node, effects: Effects): void {
  if (!Array.isArray(parts)) return;
  const names = (parts as readonly Node[]).map(nameIn);
  const name = names.join(".");
  if (name.toLowerCase() !== "dual") effects.tables.add(name);
}

/** One part of a name; what is no plain identifier is a name that nobody has. */
const nameIn = (part: Node): string => (isFields(part) ? valueIn(part["Identifier"]) : "") || "?";

function valueIn(identifier: Node): string {
  const value = isFields(identifier) ? identifier["value"] : undefined;
  return typeof value === "string" ? value : "";
}
