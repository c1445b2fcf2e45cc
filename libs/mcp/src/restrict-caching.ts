import type { McpResponse } from "./message.js";
import { ObjectMembers } from "./object-members.js";
import { replaceRanges, type Replacement } from "./replace-ranges.js";

/**
 * The response without leave to share it among users or to keep it for longer than `maxTtlMs` (2026-07-28, Caching): what
 * one user may see is not for others, and policies change. The very bytes when it claims neither.
 */
export function restrictCaching(response: McpResponse, maxTtlMs: number): Uint8Array {
  const result = ObjectMembers.of(response, response.ranges.result);
  if (result === undefined) return response.bytes;
  const replacements: Replacement[] = [];
  const scope = result.range("cacheScope");
  if (scope !== undefined && result.string("cacheScope") !== "private") {
    replacements.push({ range: scope, text: '"private"' });
  }
  const ttl = result.range("ttlMs");
  if (ttl !== undefined && !(Number(result.text("ttlMs")) <= maxTtlMs)) {
    replacements.push({ range: ttl, text: String(maxTtlMs) });
  }
  if (replacements.length === 0) return response.bytes;
  return replaceRanges(
    response.bytes,
    replacements.toSorted((one, other) => one.range[0] - other.range[0]),
  );
}
