import type { McpResponse } from "./message.js";
import { ObjectMembers } from "./object-members.js";
import { replaceRanges, type Replacement } from "./replace-ranges.js";

/** What a result says of caching it: the JSON texts of these members. */
export interface Caching {
  readonly scope: string | undefined;
  readonly ttlMs: string | undefined;
}

/** Whether nobody but its reader may keep the result, and for no longer than `maxTtlMs`. */
export function isRestricted({ scope, ttlMs }: Caching, maxTtlMs: number): boolean {
  return isPrivate(scope) && isShort(ttlMs, maxTtlMs);
}

function isPrivate(scope: string | undefined): boolean {
  return scope === undefined || (scope.startsWith('"') && JSON.parse(scope) === "private");
}

function isShort(ttlMs: string | undefined, maxTtlMs: number): boolean {
  return ttlMs === undefined || Number(ttlMs) <= maxTtlMs;
}

/**
 * The response without leave to share it among users or to keep it for longer than `maxTtlMs` (2026-07-28, Caching): what
 * one user may see is not for others, and policies change. The very bytes when it claims neither.
 */
export function restrictCaching(response: McpResponse, maxTtlMs: number): Uint8Array {
  const result = ObjectMembers.of(response, response.ranges.result);
  if (result === undefined) return response.bytes;
  const replacements: Replacement[] = [];
  const scope = result.range("cacheScope");
  if (scope !== undefined && !isPrivate(result.text("cacheScope"))) {
    replacements.push({ range: scope, text: '"private"' });
  }
  const ttl = result.range("ttlMs");
  if (ttl !== undefined && !isShort(result.text("ttlMs"), maxTtlMs)) {
    replacements.push({ range: ttl, text: String(maxTtlMs) });
  }
  if (replacements.length === 0) return response.bytes;
  return replaceRanges(
    response.bytes,
    replacements.toSorted((one, other) => one.range[0] - other.range[0]),
  );
}
