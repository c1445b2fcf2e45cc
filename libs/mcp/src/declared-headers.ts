import { JsonNumber, type JsonView } from "./arguments-view.js";

/** One argument that a tool wants in a header too. */
export interface DeclaredHeader {
  /** Of the argument, from the arguments down. */
  readonly path: readonly string[];
  /** What follows `Mcp-Param-`. */
  readonly name: string;
  /** Compared by value, so that 42.0 is 42. */
  readonly isNumeric: boolean;
}

const DECLARATION = "x-mcp-header";
/** RFC 9110 §5.6.2 */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** `number` is not permitted either, but servers check the headers of tools that have it. */
const TYPES: ReadonlySet<JsonView | undefined> = new Set(["string", "integer", "boolean", "number"]);

/** Keywords with a schema, or schemas, from which a declaration cannot be reached by property names alone. */
const UNREACHABLE = [
  "items",
  "prefixItems",
  "contains",
  "additionalProperties",
  "unevaluatedProperties",
  "unevaluatedItems",
  "propertyNames",
  "oneOf",
  "anyOf",
  "allOf",
  "not",
  "if",
  "then",
  "else",
];
/** The same, where schemas are the values of an object. */
const UNREACHABLE_BY_NAME = ["patternProperties", "dependentSchemas", "$defs", "definitions"];

type Schema = { readonly [key: string]: JsonView };

class InvalidDeclarationError extends Error {}

/** None when any of them is invalid: that makes the whole definition of the tool invalid. */
export function declaredHeaders(inputSchema: JsonView): readonly DeclaredHeader[] {
  const found = new Map<string, DeclaredHeader>();
  try {
    visit(inputSchema, [], found);
  } catch (error) {
    if (error instanceof InvalidDeclarationError) return [];
    throw error;
  }
  return [...found.values()];
}

/** `path`: undefined where declarations are not permitted. The depth of the schema is bounded by who parsed it. */
function visit(
  schema: JsonView | undefined,
  path: readonly string[] | undefined,
  found: Map<string, DeclaredHeader>,
): void {
  if (!isSchema(schema)) return;
  if (Object.hasOwn(schema, DECLARATION)) declare(schema, path, found);
  const { properties } = schema;
  if (isSchema(properties)) {
    for (const [key, inner] of Object.entries(properties)) visit(inner, path && [...path, key], found);
  }
  for (const inner of unreachable(schema)) visit(inner, undefined, found);
}

function declare(
  schema: Schema,
  path: readonly string[] | undefined,
  found: Map<string, DeclaredHeader>,
): void {
  const name = schema[DECLARATION];
  const isValid = path !== undefined && path.length > 0 && typeof name === "string" && TOKEN.test(name);
  if (!isValid || !TYPES.has(schema["type"]) || found.has(name.toLowerCase())) {
    throw new InvalidDeclarationError();
  }
  const isNumeric = schema["type"] === "integer" || schema["type"] === "number";
  found.set(name.toLowerCase(), { path, name, isNumeric });
}

function* unreachable(schema: Schema): Generator<JsonView> {
  for (const keyword of UNREACHABLE) {
    const inner = Object.hasOwn(schema, keyword) ? schema[keyword] : undefined;
    if (Array.isArray(inner)) yield* inner as readonly JsonView[];
    else if (inner !== undefined) yield inner;
  }
  for (const keyword of UNREACHABLE_BY_NAME) {
    const inner = Object.hasOwn(schema, keyword) ? schema[keyword] : undefined;
    if (isSchema(inner)) yield* Object.values(inner);
  }
}

function isSchema(value: JsonView | undefined): value is Schema {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof JsonNumber)
  );
}
