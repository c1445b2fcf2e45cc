import { type Fields, fieldsOf, isFields, listOf, namesOf, nodeOf, textOf, lastNameOf } from "./ast.js";
import type { Effect, Findings } from "./findings.js";
import { harmOf } from "./harmful-functions.js";
import { HARMLESS_EXTENSION_FUNCTIONS, HARMLESS_FUNCTIONS } from "./harmless-functions.js";
import { HARMLESS_OPERATORS } from "./harmless-operators.js";
import { HARMLESS_TYPES } from "./harmless-types.js";
import { ROW_FUNCTIONS } from "./row-functions.js";

const UNKNOWN_CODE: readonly Effect[] = ["runsCode"];
const NONE: readonly Effect[] = [];

/** Settings that decide who one is, or whom rules and triggers hold for. */
export const SETTINGS_OF_PRIVILEGES: ReadonlySet<string> = new Set([
  "role",
  "session_authorization",
  "row_security",
  "session_replication_role",
]);

/** What a call of this function may do; its name goes into the findings. */
export function effectsOfFunction(names: readonly string[], findings: Findings): readonly Effect[] {
  const name = names.at(-1) ?? "*";
  findings.functions.add(names.join("."));
  if (isBuiltIn(names)) {
    // Also without its schema, so that a condition finds it however it was written.
    findings.functions.add(name);
    if (HARMLESS_FUNCTIONS.has(name)) return NONE;
    if (names.length === 1 && HARMLESS_EXTENSION_FUNCTIONS.has(name)) return NONE;
    return harmOf(name) ?? UNKNOWN_CODE;
  }
  return [...UNKNOWN_CODE, ...(harmOf(name) ?? NONE)];
}

function isBuiltIn(names: readonly string[]): boolean {
  return names.length <= 1 || (names.length === 2 && names[0] === "pg_catalog");
}

export function effectsOfCall(call: Fields, findings: Findings): readonly Effect[] {
  const names = namesOf(call["funcname"]);
  const effects = effectsOfFunction(names, findings);
  if (names.at(-1) !== "set_config") return effects;
  const setting = constantText(listOf(call["args"])[0]);
  return setting === undefined || SETTINGS_OF_PRIVILEGES.has(setting.toLowerCase())
    ? [...effects, "privileges"]
    : effects;
}

function constantText(value: unknown): string | undefined {
  const sval = fieldsOf(value, "A_Const")?.["sval"];
  return isFields(sval) ? (textOf(sval["sval"]) ?? "") : undefined;
}

/**
 * `(x).name` is a column of x where x is a row, and the call `name(x)` where it is not. Rows of functions that are known
 * to return rows have columns.
 */
export function effectsOfIndirection(indirection: Fields, findings: Findings): readonly Effect[] {
  const names = listOf(indirection["indirection"])
    .map((item) => textOf(fieldsOf(item, "String")?.["sval"]))
    .filter((name) => name !== undefined);
  if (names.length === 0 || isRowFunction(indirection["arg"])) return NONE;
  return names.flatMap((name) => effectsOfFunction([name], findings));
}

function isRowFunction(value: unknown): boolean {
  const call = fieldsOf(value, "FuncCall");
  const names = call === undefined ? [] : namesOf(call["funcname"]);
  return ROW_FUNCTIONS.has(names.at(-1) ?? "");
}

/** An operator stands for a function. */
export function effectsOfOperator(value: unknown): readonly Effect[] {
  const names = namesOf(value);
  return isBuiltIn(names) && HARMLESS_OPERATORS.has(names.at(-1) ?? "") ? NONE : UNKNOWN_CODE;
}

/** A type may bring casts, checks and input functions of its own. */
export function effectsOfType(typeName: Fields): readonly Effect[] {
  const names = namesOf(typeName["names"]);
  return isBuiltIn(names) && HARMLESS_TYPES.has(names.at(-1) ?? "") ? NONE : ["acts"];
}

const SAMPLING_METHODS: ReadonlySet<string> = new Set(["system", "bernoulli", "pg_catalog.system"]);

export function effectsOfSampling(sample: Fields): readonly Effect[] {
  return SAMPLING_METHODS.has(namesOf(sample["method"]).join(".")) ? NONE : UNKNOWN_CODE;
}

/** What `alias.name` may mean for a function in FROM; undefined when its rows have columns of their own. */
export function columnsOfRangeFunction(range: Fields, alias: string): ReadonlySet<string> | undefined {
  const calls = listOf(range["functions"]).map((item) => listOf(fieldsOf(item, "List")?.["items"])[0]);
  if (calls.some(isRowFunction)) return undefined;
  const defined = listOf(range["coldeflist"]).map(
    (item) => textOf(fieldsOf(item, "ColumnDef")?.["colname"]) ?? "",
  );
  const aliasNode = range["alias"];
  const renamed = isFields(aliasNode) ? namesOf(aliasNode["colnames"]) : [];
  return new Set([alias, ...calls.map(nameOfCall), ...defined, ...renamed, "key", "value", "ordinality"]);
}

export function nameOfCall(call: unknown): string {
  const node = nodeOf(call);
  return node?.type === "FuncCall" ? lastNameOf(node.fields["funcname"]) : "";
}
