import {
  type AstNode,
  type Fields,
  aliasOf,
  fieldsOf,
  isFields,
  listOf,
  namesOf,
  nodeOf,
  relationName,
  textOf,
} from "./ast.js";
import {
  columnsOfRangeFunction,
  effectsOfCall,
  effectsOfFunction,
  effectsOfIndirection,
  effectsOfOperator,
  effectsOfSampling,
  effectsOfType,
  nameOfCall,
} from "./calls.js";
import { type CteScope, cteOf, entriesOf, scopeWith } from "./cte-scope.js";
import { touchesAllRows } from "./all-rows.js";
import type { Effect, Findings } from "./findings.js";
import { PLAIN_NODES, typeOfMember } from "./node-types.js";
import { catalogEffects, explainRuns, furtherEffects, tablesNamedByLists } from "./statement-effects.js";
import { STATEMENT_KINDS, UNKNOWN_STATEMENT } from "./statement-kinds.js";

/** More would not be written by a person, and could end the stack. */
const MAX_DEPTH = 500;

export class TooDeepError extends Error {
  override readonly name = "TooDeepError";
}

/** Where in a statement the walk is. */
interface Place {
  readonly ctes: CteScope | undefined;
  /** Within EXPLAIN without ANALYZE: it is planned and not run. */
  readonly planned: boolean;
  readonly depth: number;
}

/** Goes over every node of one statement and writes down what it may do. Throws TooDeepError. */
export function walkStatement(statement: unknown, findings: Findings): void {
  const place: Place = { ctes: undefined, planned: false, depth: 0 };
  visit(statement, place, findings);
  for (const { alias, name } of findings.qualified) {
    const columns = findings.rangeFunctions.get(alias);
    if (columns !== undefined && !columns.has(name)) {
      add(effectsOfFunction([name], findings), place, findings);
    }
  }
}

function visit(value: unknown, place: Place, findings: Findings): void {
  if (Array.isArray(value)) {
    for (const item of value as readonly unknown[]) visit(item, place, findings);
    return;
  }
  // An empty object is a place in a list where nothing is.
  if (!isFields(value) || Object.keys(value).length === 0) return;
  const node = nodeOf(value);
  if (node === undefined) {
    add(UNKNOWN_STATEMENT.effects, place, findings);
    return;
  }
  visitNode(node, place, findings);
}

function visitNode(node: AstNode, place: Place, findings: Findings): void {
  const below = { ...place, depth: place.depth + 1 };
  if (below.depth > MAX_DEPTH) throw new TooDeepError("it is nested too deeply");
  if (node.type === "A_Const") return;
  if (!PLAIN_NODES.has(node.type)) {
    visitStatement(node, below, findings);
    return;
  }
  look(node, below, findings);
  visitMembers(node, below, findings);
}

function visitStatement(node: AstNode, place: Place, findings: Findings): void {
  const { type, fields } = node;
  const { kind, effects } = STATEMENT_KINDS.get(type) ?? UNKNOWN_STATEMENT;
  findings.kinds.add(GRANTS.has(type) ? grantKind(fields) : kind);
  add(effects, place, findings);
  add(furtherEffects(type, fields), place, findings);
  for (const table of tablesNamedByLists(fields)) findings.tables.add(table);

  const ctes = visitCtes(fields["withClause"], place, findings);
  const planned = place.planned || (type === "ExplainStmt" && !explainRuns(fields));
  visitMembers({ type, fields: { ...fields, withClause: undefined } }, { ...place, ctes, planned }, findings);
  if (!MODIFYING.has(type)) return;
  // A name in WITH is never what is modified.
  if (isFields(fields["relation"])) {
    findings.tables.add(relationName(fields["relation"]));
    add(catalogEffects(fields["relation"]), place, findings);
  }
  if (touchesAllRows(node, ctes)) add(["deletesAll"], place, findings);
}

const MODIFYING: ReadonlySet<string> = new Set(["InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"]);
const GRANTS: ReadonlySet<string> = new Set(["GrantStmt", "GrantRoleStmt"]);

function visitCtes(withClause: unknown, place: Place, findings: Findings): CteScope | undefined {
  const ctes = scopeWith(withClause, place.ctes);
  for (const { cte, inside } of entriesOf(ctes, place.ctes)) {
    visitNode({ type: "CommonTableExpr", fields: cte }, { ...place, ctes: inside }, findings);
  }
  return ctes;
}

function grantKind(fields: Fields): string {
  return fields["is_grant"] === true ? "grant" : "revoke";
}

function visitMembers(node: AstNode, place: Place, findings: Findings): void {
  for (const [name, value] of Object.entries(node.fields)) {
    if (!isFields(value) || nodeOf(value) !== undefined) {
      visit(value, place, findings);
      continue;
    }
    const type = typeOfMember(node.type, name);
    if (type === undefined) visit(value, place, findings);
    else visitNode({ type, fields: value }, place, findings);
  }
}

/** What a planned statement would do is not done; but planning calls functions whose result is fixed. */
const DONE_BY_PLANNING: ReadonlySet<Effect> = new Set([
  "privileges",
  "runsCode",
  "reachesOut",
  "copyProgram",
]);

function add(effects: readonly Effect[], place: Place, findings: Findings): void {
  for (const effect of effects) {
    if (!place.planned || DONE_BY_PLANNING.has(effect)) findings.effects.add(effect);
  }
}

function look({ type, fields }: AstNode, place: Place, findings: Findings): void {
  const looked = LOOKS[type]?.(fields, place, findings);
  if (looked !== undefined) add(looked, place, findings);
}

type Look = (fields: Fields, place: Place, findings: Findings) => readonly Effect[] | undefined;

const LOOKS: Readonly<Record<string, Look>> = {
  A_Expr: (fields) =>
    textOf(fields["kind"])?.includes("BETWEEN") ? undefined : effectsOfOperator(fields["name"]),
  A_Indirection: (fields, _place, findings) => effectsOfIndirection(fields, findings),
  ColumnRef: (fields, _place, findings) => noteQualified(fields, findings),
  FuncCall: (fields, _place, findings) => effectsOfCall(fields, findings),
  IntoClause: (_fields, place, findings) => {
    if (!place.planned) findings.kinds.add("create");
    return ["ddl", "writes"];
  },
  LockingClause: () => ["acts"],
  RangeFunction: (fields, _place, findings) => noteRangeFunction(fields, findings),
  RangeTableSample: (fields) => effectsOfSampling(fields),
  RangeVar: (fields, place, findings) => {
    if (cteOf(fields, place.ctes) === undefined) findings.tables.add(relationName(fields));
    return undefined;
  },
  SortBy: (fields) => (fields["useOp"] === undefined ? undefined : effectsOfOperator(fields["useOp"])),
  SubLink: (fields) => (fields["operName"] === undefined ? undefined : effectsOfOperator(fields["operName"])),
  TypeName: (fields) => effectsOfType(fields),
};

function noteQualified(fields: Fields, findings: Findings): undefined {
  const names = namesOf(fields["fields"]);
  const [alias, name] = names.slice(-2);
  if (alias !== undefined && name !== undefined && name !== "*") findings.qualified.push({ alias, name });
}

function noteRangeFunction(fields: Fields, findings: Findings): readonly Effect[] {
  const call = listOf(fieldsOf(listOf(fields["functions"])[0], "List")?.["items"])[0];
  const alias = aliasOf(fields) ?? nameOfCall(call);
  // COALESCE and the like, which are not named here: what qualifies their column is not known.
  if (alias === "") return ["acts"];
  const columns = columnsOfRangeFunction(fields, alias);
  if (columns === undefined) return [];
  // Of two with the same alias it is not asked which one a name means: it must be a column of both.
  const known = findings.rangeFunctions.get(alias);
  findings.rangeFunctions.set(
    alias,
    known === undefined ? columns : new Set([...columns].filter((name) => known.has(name))),
  );
  return [];
}
