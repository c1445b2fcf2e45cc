import type { Feature } from "@drawbridge/policy";

/**
 * What this system enforces beyond plain rules. A policy that needs more is refused when it is applied; one that got in
 * all the same denies what it matches. Both read this list, so that they cannot disagree.
 */
export const ENFORCED_FEATURES: ReadonlySet<Feature> = new Set(["condition", "limits", "approval", "jit"]);
