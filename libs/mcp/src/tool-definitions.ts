import { listEntries } from "./list-result.js";
import type { McpMessage } from "./message.js";

/** One tool as a server lists it. */
export interface ListedDefinition {
  readonly name: string;
  /** The definition's JSON, a part of the message's own bytes. */
  readonly bytes: Uint8Array;
}

/**
 * The tools of a tools/list result in its order; a name that is in it twice comes twice. An entry without a name that can
 * be read is left out, as nobody can call it. Throws NotAListResultError for anything but such a result.
 */
export function toolDefinitions(message: McpMessage): readonly ListedDefinition[] {
  return listEntries(message, "tools").flatMap(({ name, range }) =>
    name === undefined ? [] : [{ name, bytes: message.bytes.subarray(...range) }],
  );
}
