import { Buffer } from "node:buffer";
import { JsonScanner, OPEN_BRACE, OPEN_BRACKET, type Range } from "./json-scanner.js";
import type { McpMessage } from "./message.js";
import type { ListName } from "./methods.js";
import { fold } from "./wanted-members.js";

/** The member that names an entry, as the call that uses the entry names it. */
const NAME_OF_ENTRY = {
  tools: "name",
  prompts: "name",
  resources: "uri",
  resourceTemplates: "uriTemplate",
  tasks: "taskId",
} as const satisfies Record<ListName, string>;

/** parseMessage has bounded the depth already. */
const ANY_DEPTH = Number.POSITIVE_INFINITY;
const QUOTE = 0x22;

/** The message is not the result of a list request, so nothing of it may be shown. */
export class NotAListResultError extends Error {
  override readonly name = "NotAListResultError";
}

export interface ListEntry {
  /** Name or URI (template). Undefined when there is none that all read alike: nobody could be allowed such an entry. */
  readonly name: string | undefined;
  /** Where the entry is in the bytes of the message. */
  readonly range: Range;
}

/** The entries of a list result, in order. Throws NotAListResultError for anything else. */
export function listEntries(message: McpMessage, list: ListName): readonly ListEntry[] {
  const scanner = new JsonScanner(message.bytes, ANY_DEPTH);
  const entries: ListEntry[] = [];
  scanner.array(arrayStart(scanner, message, list), 1, (at) => {
    const entry = readEntry(scanner, at, NAME_OF_ENTRY[list]);
    entries.push(entry);
    return entry.range[1];
  });
  return entries;
}

/**
 * The message without the entries that `keep` refuses or that have no name. What is kept stays byte for byte;
 * when all is kept, the very bytes come back. Throws NotAListResultError for anything but a list result.
 */
export function filterListResult(
  message: McpMessage,
  list: ListName,
  keep: (name: string) => boolean,
): Uint8Array {
  const entries = listEntries(message, list);
  const kept = entries.filter(({ name }) => name !== undefined && keep(name));
  const first = entries[0];
  const last = entries.at(-1);
  if (first === undefined || last === undefined || kept.length === entries.length) return message.bytes;

  const comma = Buffer.from(",");
  const pieces = [message.bytes.subarray(0, first.range[0])];
  for (const [index, { range }] of kept.entries()) {
    if (index > 0) pieces.push(comma);
    pieces.push(message.bytes.subarray(range[0], range[1]));
  }
  pieces.push(message.bytes.subarray(last.range[1]));
  return Buffer.concat(pieces);
}

function arrayStart(scanner: JsonScanner, message: McpMessage, list: ListName): number {
  const result = message.ranges.result;
  if (result === undefined || scanner.bytes[result[0]] !== OPEN_BRACE) {
    throw new NotAListResultError("the target's answer is not a result object");
  }
  const folded = fold(list);
  let start: number | undefined;
  scanner.object(result[0], 1, (key, at) => {
    if (key === list) start = at;
    // A reader that ignores case could take that for the list, and nobody has looked at what is in it.
    else if (fold(key) === folded) throw new NotAListResultError(`the target's result has ${list} twice`);
    return scanner.value(at, 2);
  });
  if (start === undefined || scanner.bytes[start] !== OPEN_BRACKET) {
    throw new NotAListResultError(`the target's result has no array ${list}`);
  }
  return start;
}

function readEntry(scanner: JsonScanner, start: number, nameMember: string): ListEntry {
  if (scanner.bytes[start] !== OPEN_BRACE)
    return { name: undefined, range: [start, scanner.value(start, 2)] };
  const folded = fold(nameMember);
  let name: string | undefined;
  let isAmbiguous = false;
  const end = scanner.object(start, 2, (key, at) => {
    const valueEnd = scanner.value(at, 3);
    if (key !== nameMember) isAmbiguous ||= key.length === nameMember.length && fold(key) === folded;
    else if (scanner.bytes[at] === QUOTE) name = scanner.decodeString(at, valueEnd);
    return valueEnd;
  });
  return { name: isAmbiguous || name?.includes("\0") === true ? undefined : name, range: [start, end] };
}
