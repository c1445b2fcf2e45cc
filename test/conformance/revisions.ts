/** The revisions that the suite runs at, oldest first. */
export const REVISIONS = ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"] as const;
export type Revision = (typeof REVISIONS)[number];

/** How the agent reaches a target. */
export const TRANSPORTS = ["http", "stdio", "sse"] as const;
export type Transport = (typeof TRANSPORTS)[number];

/** What there is to run: HTTP+SSE ended with the sessions it was made of. */
export function isPossible(transport: Transport, revision: Revision): boolean {
  return transport !== "sse" || revision !== "2026-07-28";
}

/** Revisions for which the suite says what conformance requires; of the others it runs whatever applies to them. */
export const HAS_REQUIREMENTS: ReadonlySet<Revision> = new Set(["2025-11-25", "2026-07-28"]);
