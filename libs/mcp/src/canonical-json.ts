import { Buffer } from "node:buffer";
import { canonicalNumber, JsonNumber, type JsonView } from "./arguments-view.js";

/**
 * The one text of all JSON texts that say the same. Digests of it are kept for years, so this form is a file format and
 * must never change:
 *
 *   object   {"key":value,…}  members sorted by the code points of their keys, no white space; all of them
 *   array    [value,…]        in the order given
 *   string   "…"              of the escapes only \" \\ \b \t \n \f \r, and \u00xx in lower case for the other controls
 *                             below U+0020; everything else as itself, nothing normalised (RFC 8785 §3.2.2.2)
 *   number   15e-1, -2e3, 0   by value: 1.50, 1.5 and 15e-1 are one, see canonicalNumber
 *   rest     true false null
 *
 * So two texts have one form exactly when they say the same: white space, the order of members, the writing of strings
 * and numbers are nothing; any other byte is something. Recurses: the depth is for the parser to bound.
 */
export function canonicalJson(value: JsonView): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number" || value instanceof JsonNumber) return canonicalNumber(value);
  if (typeof value !== "object" || value === null) return String(value);
  return isArray(value) ? canonicalArray(value) : canonicalObject(value);
}

function canonicalArray(values: readonly JsonView[]): string {
  let text = "[";
  for (const value of values) text += (text.length > 1 ? "," : "") + canonicalJson(value);
  return `${text}]`;
}

function canonicalObject(members: { readonly [key: string]: JsonView }): string {
  let text = "{";
  for (const key of sorted(Object.keys(members)))
    text += `${text.length > 1 ? "," : ""}${JSON.stringify(key)}:${canonicalJson(members[key] as JsonView)}`;
  return `${text}}`;
}

const SURROGATE = /[\uD800-\uDFFF]/;

/** JavaScript compares UTF-16 units, which puts U+1F600 before U+FF21. UTF-8 sorts as code points do. */
function sorted(keys: readonly string[]): readonly string[] {
  if (!SURROGATE.test(keys.join(""))) return keys.toSorted();
  const encoded = keys.map((key) => ({ key, bytes: Buffer.from(key) }));
  return encoded.toSorted((a, b) => Buffer.compare(a.bytes, b.bytes)).map(({ key }) => key);
}

function isArray(value: object): value is readonly JsonView[] {
  return Array.isArray(value);
}
