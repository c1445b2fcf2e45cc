import { type Fields, fieldsOf, isFields, listOf, namesOf, nodeOf, textOf } from "./ast.js";
import { SETTINGS_OF_PRIVILEGES } from "./calls.js";
import type { Effect } from "./findings.js";

/** What a statement does beside what every statement of its type does. */
export function furtherEffects(type: string, fields: Fields): readonly Effect[] {
  return FURTHER[type]?.(fields) ?? [];
}

/**
 * What writing to a table of the server itself does: roles, functions and settings are rows of such. (A row of
 * pg_settings that is updated is a setting that is set.)
 */
export function catalogEffects(relation: Fields): readonly Effect[] {
  const [schema, name] = [textOf(relation["schemaname"]), textOf(relation["relname"]) ?? ""];
  const ofServer = schema === "pg_catalog" || schema === "information_schema" || schema === "pg_toast";
  return ofServer || (schema === undefined && name.startsWith("pg_"))
    ? ["ddl", "privileges", "changesSession"]
    : [];
}

const FURTHER: Readonly<Record<string, (fields: Fields) => readonly Effect[]>> = {
  CopyStmt: copyEffects,
  VariableSetStmt: (fields) =>
    SETTINGS_OF_PRIVILEGES.has(textOf(fields["name"]) ?? "") ? ["privileges"] : [],
  AlterTableStmt: (fields) => (listOf(fields["cmds"]).some(changesPrivileges) ? ["privileges"] : []),
  DropStmt: (fields) => (fields["removeType"] === "OBJECT_POLICY" ? ["privileges"] : []),
  RenameStmt: (fields) => (fields["renameType"] === "OBJECT_ROLE" ? ["privileges"] : []),
  CreateSchemaStmt: (fields) => (fields["authrole"] === undefined ? [] : ["privileges"]),
};

function copyEffects(fields: Fields): readonly Effect[] {
  const effects: Effect[] = [];
  const relation = fields["relation"];
  if (fields["is_from"] === true)
    effects.push("writes", ...(isFields(relation) ? catalogEffects(relation) : []));
  if (fields["filename"] !== undefined) effects.push("reachesOut");
  if (fields["is_program"] === true) effects.push("reachesOut", "copyProgram", "runsCode");
  return effects;
}

function changesPrivileges(command: unknown): boolean {
  const subtype = textOf(fieldsOf(command, "AlterTableCmd")?.["subtype"]) ?? "";
  return subtype === "AT_ChangeOwner" || subtype.endsWith("RowSecurity");
}

/** EXPLAIN runs the statement only with ANALYZE; in doubt it does. */
export function explainRuns(fields: Fields): boolean {
  return listOf(fields["options"]).some((item) => {
    const option = fieldsOf(item, "DefElem");
    return option === undefined || (option["defname"] === "analyze" && !isOff(option["arg"]));
  });
}

function isOff(value: unknown): boolean {
  const node = nodeOf(value);
  if (node?.type === "Integer") return (node.fields["ival"] ?? 0) === 0;
  const text = node?.type === "String" ? textOf(node.fields["sval"]) : undefined;
  return text !== undefined && ["off", "false"].includes(text.toLowerCase());
}

/** Whether a statement looks like one that only reads. */
export function looksLikeReading(kind: string, fields: Fields): boolean {
  return kind === "copy" ? fields["is_from"] !== true : ["select", "explain", "show", "other"].includes(kind);
}

const NAMED_BY_LIST: ReadonlySet<string> = new Set([
  "OBJECT_TABLE",
  "OBJECT_VIEW",
  "OBJECT_MATVIEW",
  "OBJECT_FOREIGN_TABLE",
  "OBJECT_SEQUENCE",
]);
/** Of these the last name is the column's, trigger's …: what is before it is the table. */
const NAMED_WITH_TABLE: ReadonlySet<string> = new Set([
  "OBJECT_COLUMN",
  "OBJECT_TRIGGER",
  "OBJECT_POLICY",
  "OBJECT_RULE",
  "OBJECT_TABCONSTRAINT",
]);

/** Tables that DROP, COMMENT and the like name by lists of names, as they name everything. */
export function tablesNamedByLists(fields: Fields): readonly string[] {
  const type =
    textOf(fields["removeType"]) ?? textOf(fields["objtype"]) ?? textOf(fields["objectType"]) ?? "";
  const dropLast = NAMED_WITH_TABLE.has(type);
  if (!dropLast && !NAMED_BY_LIST.has(type)) return [];
  return [...listOf(fields["objects"]), fields["object"]]
    .filter((item) => nodeOf(item)?.type === "List")
    .map((item) => namesOf(item))
    .map((names) => (dropLast ? names.slice(0, -1) : names).join("."))
    .filter((name) => name !== "");
}
