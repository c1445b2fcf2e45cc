import type { AllowedDifference } from "./differences.js";

/** Differences between a direct run and one through Drawbridge that are accepted, each with its reason. None is left. */
export const ALLOWED_DIFFERENCES: readonly AllowedDifference[] = [];
