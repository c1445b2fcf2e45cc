import type { AllowedDifference } from "./differences.js";

const PROBE =
  "before the first request of a client the agent asks the target once, also with initialize, which revisions it speaks; " +
  "the scenario's server, of 2026-07-28 only, takes that for a request of the client";

const probe = (scenario: string, check: string): AllowedDifference => ({
  side: "client",
  revision: "2026-07-28",
  scenario,
  check,
  reason: PROBE,
});

/** Differences between a direct run and one through Drawbridge that are accepted, each with its reason. */
export const ALLOWED_DIFFERENCES: readonly AllowedDifference[] = [
  probe("request-metadata", "sep-2575-client-populates-meta"),
  probe("request-metadata", "sep-2575-client-sends-client-info"),
  probe("request-metadata", "sep-2575-http-client-sends-version-header"),
  probe("http-standard-headers", "sep-2243-client-includes-standard-headers"),
];
