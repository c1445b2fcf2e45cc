import { Buffer } from "node:buffer";
import type { Range } from "./json-scanner.js";

export interface Replacement {
  readonly range: Range;
  readonly text: string;
}

/** A copy with some ranges replaced, byte for byte the same otherwise. The ranges are in order and do not overlap. */
export function replaceRanges(bytes: Uint8Array, replacements: readonly Replacement[]): Uint8Array {
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const { range, text } of replacements) {
    if (range[0] < at || range[1] < range[0]) throw new RangeError("ranges have to be in order and apart");
    pieces.push(bytes.subarray(at, range[0]), Buffer.from(text));
    at = range[1];
  }
  pieces.push(bytes.subarray(at));
  return Buffer.concat(pieces);
}
