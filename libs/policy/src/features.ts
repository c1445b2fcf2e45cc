import type { PolicyDocument, PolicyRule } from "./document.js";
import type { PolicyProblem } from "./document-problems.js";
import { readsGrant } from "./rule-condition.js";

/** What a policy may need beyond plain rules. A running system enforces some of these, or none. */
export type Feature = "condition" | "approval" | "jit" | "limits" | "mask_profile";

export interface RequiredFeature {
  readonly feature: Feature;
  /** Where in the document it is asked for. */
  readonly path: readonly (string | number)[];
  /** The rule's name; absent when the whole policy needs it. */
  readonly rule?: string;
}

/** Everything the policy needs beyond plain rules, in the order of the document. */
export function featuresRequired(policy: PolicyDocument): RequiredFeature[] {
  const ofPolicy: RequiredFeature[] = needsGrant(policy)
    ? [{ feature: "jit", path: ["spec", "access", "mode"] }]
    : [];
  const ofRules = policy.spec.rules.flatMap((rule, index) =>
    ruleFeatures(rule).map(({ feature, key }) => ({
      feature,
      path: ["spec", "rules", index, key],
      rule: rule.name,
    })),
  );
  return [...ofPolicy, ...ofRules];
}

export function needsGrant(policy: PolicyDocument): boolean {
  return policy.spec.access?.mode === "jit";
}

/** What one rule needs, with the key that asks for it. The default masking profile always applies and needs nothing. */
export function ruleFeatures(rule: PolicyRule): { feature: Feature; key: string }[] {
  const needed: { feature: Feature; key: string }[] = [];
  if (rule.when !== undefined) needed.push({ feature: "condition", key: "when" });
  if (rule.when !== undefined && readsGrant(rule.when)) needed.push({ feature: "jit", key: "when" });
  if (rule.effect === "require_approval") needed.push({ feature: "approval", key: "effect" });
  if (rule.mask && (rule.mask.profile !== "default" || rule.mask.except?.length)) {
    needed.push({ feature: "mask_profile", key: "mask" });
  }
  if (rule.limits) needed.push({ feature: "limits", key: "limits" });
  return needed;
}

const ADVICE = {
  condition:
    "conditions are not enforced by this system yet: remove `when`, or narrow the rule by tools, resources or prompts",
  approval: "approvals are not enforced by this system: use deny, or allow for a smaller group",
  jit: "just-in-time access is not enforced by this system: use `mode: standing` for a smaller group and conditions without `grant`",
  limits: "limits are not enforced by this system yet: remove `limits`",
  mask_profile:
    "only the default masking profile is enforced by this system yet: use `profile: default` without `except`, or remove `mask`",
} as const satisfies Record<Feature, string>;

/** The parts a system with these features cannot enforce, each with what to do about it. Apply only when it is empty. */
export function unenforceable(policy: PolicyDocument, available: ReadonlySet<Feature>): PolicyProblem[] {
  return featuresRequired(policy)
    .filter(({ feature }) => !available.has(feature))
    .map(({ feature, path }) => ({ path, message: ADVICE[feature] }));
}
