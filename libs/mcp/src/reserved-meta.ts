import { Buffer } from "node:buffer";
import { JsonScanner, OPEN_BRACE, OPEN_BRACKET, type Range } from "./json-scanner.js";
import { replaceRanges, type Replacement } from "./replace-ranges.js";

/** Members of `_meta` whose names begin so are said by Drawbridge, and by nobody else. */
export const RESERVED_META = "io.drawbridge/";

const META = "_meta";
/** A key is written as it is, or some character of it as \u00xx or \/ : without any of these there is nothing to look for. */
const TRACES = [RESERVED_META, "\\u00", "\\/"];
/** parseMessage has bounded the depth already. */
const ANY_DEPTH = Number.POSITIVE_INFINITY;

/**
 * A message that parseMessage takes, without members of that kind in any `_meta`, however deep (results within tasks, items of
 * lists and of content); byte for byte the same otherwise.
 */
export function withoutReservedMeta(bytes: Uint8Array): Uint8Array {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!TRACES.some((trace) => buffer.includes(trace))) return bytes;
  const search = new Search(bytes);
  search.value(search.scanner.skipWhitespace(0));
  return search.found.length === 0 ? bytes : replaceRanges(bytes, search.found);
}

class Search {
  readonly scanner: JsonScanner;
  readonly found: Replacement[] = [];

  constructor(bytes: Uint8Array) {
    this.scanner = new JsonScanner(bytes, ANY_DEPTH);
  }

  readonly value = (at: number): number => {
    const byte = this.scanner.bytes[at];
    if (byte === OPEN_BRACKET) return this.scanner.array(at, 1, this.value);
    if (byte !== OPEN_BRACE) return this.scanner.value(at, 1);
    return this.scanner.object(at, 1, (key, start) =>
      key === META && this.scanner.bytes[start] === OPEN_BRACE ? this.meta(start) : this.value(start),
    );
  };

  /** What is left is written anew: of several members in a row nobody has to tell whose comma is whose. */
  private meta(at: number): number {
    const kept: string[] = [];
    let isFree = true;
    const end = this.scanner.object(at, 1, (key, start) => {
      const member: Range = [start, this.scanner.value(start, 1)];
      if (key.startsWith(RESERVED_META)) isFree = false;
      else kept.push(`${JSON.stringify(key)}:${this.scanner.text(member)}`);
      return member[1];
    });
    if (!isFree) this.found.push({ range: [at, end], text: `{${kept.join(",")}}` });
    return end;
  }
}
