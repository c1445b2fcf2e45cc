/** The members of a node of libpg-query's JSON. Members with their default value are left out of it. */
export type Fields = Readonly<Record<string, unknown>>;

export interface AstNode {
  readonly type: string;
  readonly fields: Fields;
}

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `{ "RangeVar": { … } }`: a node that says its type. Undefined for anything else. */
export function nodeOf(value: unknown): AstNode | undefined {
  if (!isFields(value)) return undefined;
  const [type, ...others] = Object.keys(value);
  if (type === undefined || others.length > 0 || !/^[A-Z]/u.test(type)) return undefined;
  const fields = value[type];
  return isFields(fields) ? { type, fields } : undefined;
}

/** The members of the node, if it is of this type. */
export function fieldsOf(value: unknown, type: string): Fields | undefined {
  const node = nodeOf(value);
  return node?.type === type ? node.fields : undefined;
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]) : [];
}

export function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** The texts of a list of String nodes; anything else in it counts as "*". */
export function namesOf(value: unknown): readonly string[] {
  const items = nodeOf(value)?.type === "List" ? fieldsOf(value, "List")?.["items"] : value;
  return listOf(items).map((item) => textOf(fieldsOf(item, "String")?.["sval"]) ?? "*");
}

/** The last of the names: without the schema. */
export function lastNameOf(value: unknown): string {
  return namesOf(value).at(-1) ?? "";
}

/** The value of a ResTarget. */
export function targetOf(value: unknown): unknown {
  return fieldsOf(value, "ResTarget")?.["val"];
}

/** schema.table, as written. */
export function relationName(range: Fields): string {
  const parts = [range["catalogname"], range["schemaname"], range["relname"]];
  return parts.filter((part) => typeof part === "string").join(".");
}

/** By what name its columns may be qualified. */
export function aliasOf(fields: Fields): string | undefined {
  const alias = fields["alias"];
  return isFields(alias) ? textOf(alias["aliasname"]) : undefined;
}

export function aliasColumns(fields: Fields): readonly string[] {
  const alias = fields["alias"];
  return isFields(alias) ? namesOf(alias["colnames"]) : [];
}
