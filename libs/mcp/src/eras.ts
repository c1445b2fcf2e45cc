import type { McpMessage } from "./message.js";

/** legacy: initialize and sessions. modern: stateless. The wire protocols differ; see the specification, Versioning. */
export type Era = "legacy" | "modern";

/** Revisions a session may negotiate, oldest first. */
export const LEGACY_REVISIONS = ["2025-03-26", "2025-06-18", "2025-11-25"] as const;

export type LegacyRevision = (typeof LEGACY_REVISIONS)[number];

export const MODERN_REVISION = "2026-07-28";

/** Revisions a request may claim in `_meta`, oldest first. */
export const MODERN_REVISIONS = [MODERN_REVISION] as const;

export function isLegacyRevision(version: string): version is LegacyRevision {
  return LEGACY_REVISIONS.some((revision) => revision === version);
}

export function isModernRevision(version: string): boolean {
  return MODERN_REVISIONS.some((revision) => revision === version);
}

/** Whether a version is of the modern era or of one to come, whether we speak it or not: revisions are dates. */
export function isModernOrLater(version: string): boolean {
  return version >= MODERN_REVISION;
}

/** The body decides, never a header: a version claimed in `_meta` means modern, whatever it says; all else is legacy, and so is initialize
 * unless the version it claims there is modern. */
export function eraOf(message: McpMessage): Era {
  if (message.kind === "response") return "legacy";
  return message.protocolVersionClaim?.from === "meta" ? "modern" : "legacy";
}
