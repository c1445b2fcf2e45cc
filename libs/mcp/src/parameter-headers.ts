import { isSameNumber, JsonNumber, type JsonView } from "./arguments-view.js";
import { decodeHeaderValue } from "./header-values.js";
import { PARAMETER_HEADER_PREFIX } from "./http-headers.js";
import { declaredHeaders, type DeclaredHeader } from "./declared-headers.js";

const MAX_HEADERS = 64;
/** Name and value of one, in characters. */
const MAX_HEADER_LENGTH = 8192;

/**
 * The Mcp-Param-* headers of a request, names in lower case. What is too long or too many is left out: the server, which
 * finds the argument in the body and not in a header, refuses such a call.
 */
export function parameterHeaders(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string> {
  const found: Record<string, string> = {};
  let count = 0;
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase();
    if (value === undefined || !isParameterHeader(lower)) continue;
    const text = typeof value === "string" ? value : value.join(", ");
    if (lower.length + text.length > MAX_HEADER_LENGTH || count === MAX_HEADERS) continue;
    found[lower] = text;
    count++;
  }
  return found;
}

function isParameterHeader(name: string): boolean {
  return name.startsWith(PARAMETER_HEADER_PREFIX) && name.length > PARAMETER_HEADER_PREFIX.length;
}

/**
 * Compares the arguments of a call with its Mcp-Param-* headers, as the tool's `inputSchema` (as the target lists it) wants
 * them with `x-mcp-header` (2026-07-28, Streamable HTTP, "Server Behavior for Custom Headers"). Says what is wrong, or
 * undefined. A schema whose declarations are invalid declares nothing: no client would send headers for it.
 * `headers`: names in lower case.
 */
export function checkParameterHeaders(
  inputSchema: JsonView,
  args: JsonView | undefined,
  headers: Readonly<Record<string, string>>,
): string | undefined {
  for (const declared of declaredHeaders(inputSchema)) {
    const problem = problemOf(declared, valueAt(args, declared.path), headers);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function problemOf(
  declared: DeclaredHeader,
  value: JsonView | undefined,
  headers: Readonly<Record<string, string>>,
): string | undefined {
  const name = `Mcp-Param-${declared.name}`;
  const expected = headerText(value);
  if (expected === undefined) return undefined;
  const key = name.toLowerCase();
  const header = Object.hasOwn(headers, key) ? headers[key] : undefined;
  if (header === undefined) {
    return isUnsafe(value) ? undefined : `header ${name} is missing: the arguments have a value for it`;
  }
  const said = decodeHeaderValue(header);
  if (said === undefined) return `header ${name} is not Base64 of UTF-8 in its sentinel`;
  const same = said === expected || (declared.isNumeric && isNumeric(value) && isSameNumber(said, expected));
  return same ? undefined : `header ${name} differs from the arguments: send the same in both`;
}

/** Undefined for what goes into no header: null, nothing at all, arrays and objects. */
function headerText(value: JsonView | undefined): string | undefined {
  if (value instanceof JsonNumber) return value.text;
  if (typeof value === "string") return value;
  return typeof value === "number" || typeof value === "boolean" ? String(value) : undefined;
}

function isNumeric(value: JsonView | undefined): boolean {
  return typeof value === "number" || value instanceof JsonNumber;
}

/** Clients send no header for a number that they cannot hold exactly. */
function isUnsafe(value: JsonView | undefined): boolean {
  if (value instanceof JsonNumber) return true;
  return typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value);
}

function valueAt(root: JsonView | undefined, path: readonly string[]): JsonView | undefined {
  let value = root;
  for (const key of path) {
    if (!isObject(value) || !Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return value;
}

function isObject(value: JsonView | undefined): value is { readonly [key: string]: JsonView } {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof JsonNumber)
  );
}
