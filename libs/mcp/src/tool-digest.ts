import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { jsonView } from "./arguments-view.js";
import { canonicalJson } from "./canonical-json.js";

/**
 * What a tool definition is known by: 32 bytes, SHA-256 over the UTF-8 of its canonical form, `_meta` and all. Accepted
 * digests are kept for years. `definition`: one JSON text, as parseMessage has passed it, so without duplicate keys, half
 * surrogate pairs or unbounded depth.
 */
export function toolDigest(definition: Uint8Array): Uint8Array {
  const { buffer, byteOffset, byteLength } = definition;
  const text = Buffer.from(buffer, byteOffset, byteLength).toString("utf8");
  return createHash("sha256")
    .update(canonicalJson(jsonView(text)))
    .digest();
}
