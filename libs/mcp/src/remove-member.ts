import { JsonScanner, type Range } from "./json-scanner.js";
import type { McpRequest } from "./message.js";
import { ObjectMembers } from "./object-members.js";
import { replaceRanges } from "./replace-ranges.js";

const COMMA = 0x2c;

/** The text of a string among the members of `params`; undefined when there is none of this name, or no string. */
export function stringInParams(request: McpRequest, key: string): string | undefined {
  return ObjectMembers.of(request, request.ranges.params)?.string(key);
}

/**
 * The request without a member of `params`, of its `_meta` or of the client's capabilities there; byte for byte the same
 * otherwise. `path`: the keys on the way to it, its own last.
 */
export function removeMember(
  request: McpRequest,
  from: "params" | "meta" | "clientCapabilities",
  ...path: readonly string[]
): Uint8Array {
  const { bytes, ranges } = request;
  const key = path.at(-1);
  const [object, members] = inside(request, ranges[from], path.slice(0, -1));
  const member = key === undefined ? undefined : members?.range(key);
  if (!members || !object || key === undefined || !member) return bytes;
  const keys = [...members.keys];
  const before = keys[keys.indexOf(key) - 1];
  const previous = before === undefined ? undefined : members.range(before);
  // With the comma before it or, of the first one, with the comma after it.
  const range = previous
    ? ([previous[1], member[1]] as const)
    : ([object[0] + 1, afterComma(bytes, member[1])] as const);
  return replaceRanges(bytes, [{ range, text: "" }]);
}

function inside(
  request: McpRequest,
  outermost: Range | undefined,
  path: readonly string[],
): readonly [Range | undefined, ObjectMembers | undefined] {
  let range = outermost;
  for (const key of path) range = ObjectMembers.of(request, range)?.range(key);
  return [range, ObjectMembers.of(request, range)];
}

function afterComma(bytes: Uint8Array, end: number): number {
  const at = new JsonScanner(bytes, Number.POSITIVE_INFINITY).skipWhitespace(end);
  return bytes[at] === COMMA ? at + 1 : end;
}
