import { JsonScanner, OPEN_BRACKET, type Range } from "./json-scanner.js";
import type { McpResponse } from "./message.js";
import { ObjectMembers } from "./object-members.js";
import { replaceRanges, type Replacement } from "./replace-ranges.js";

/** What is added to a result. */
export interface ResultAddition {
  /** A member of `_meta`; one of this name that is there already is replaced. `value` must survive JSON.stringify. */
  readonly meta: { readonly key: string; readonly value: object };
  /** A text item at the end of `content`. */
  readonly text?: string | undefined;
}

const CLOSE_BRACKET = 0x5d;

/**
 * The response with what is added to its result, byte for byte the same otherwise. What has no place for it (an error, a
 * result that is no object, `_meta` or `content` of another type) stays without it; `content` is not made where there is
 * none.
 */
export function addToResult(response: McpResponse, { meta, text }: ResultAddition): Uint8Array {
  const at = response.ranges.result;
  const result = ObjectMembers.of(response, at);
  if (at === undefined || result === undefined) return response.bytes;
  const replacements = [
    metaAdded(result, at, meta),
    text === undefined ? undefined : textAdded(response, result.range("content"), text),
  ].filter((replacement) => replacement !== undefined);
  return replaceRanges(
    response.bytes,
    replacements.toSorted((one, other) => one.range[0] - other.range[0]),
  );
}

function metaAdded(
  result: ObjectMembers,
  at: Range,
  { key, value }: ResultAddition["meta"],
): Replacement | undefined {
  const range = result.range("_meta");
  const member = `${JSON.stringify(key)}:${JSON.stringify(value)}`;
  if (range === undefined) return atEndOf(at, `"_meta":{${member}}`, isEmpty(result));
  const there = result.object("_meta");
  if (there === undefined) return undefined;
  const known = there.range(key);
  if (known !== undefined) return { range: known, text: JSON.stringify(value) };
  return atEndOf(range, member, isEmpty(there));
}

function textAdded({ bytes }: McpResponse, at: Range | undefined, text: string): Replacement | undefined {
  if (at === undefined || bytes[at[0]] !== OPEN_BRACKET) return undefined;
  const scanner = new JsonScanner(bytes, Number.POSITIVE_INFINITY);
  const hasNone = bytes[scanner.skipWhitespace(at[0] + 1)] === CLOSE_BRACKET;
  return atEndOf(at, JSON.stringify({ type: "text", text }), hasNone);
}

/** Before the bracket that closes what is at `range`. */
function atEndOf([, end]: Range, json: string, isFirst: boolean): Replacement {
  return { range: [end - 1, end - 1], text: isFirst ? json : `,${json}` };
}

function isEmpty({ keys }: ObjectMembers): boolean {
  for (const _ of keys) return false;
  return true;
}
