import type { CompiledPolicies } from "./compile.js";
import type { CompiledRule } from "./compiled-rule.js";
import { Failure } from "./conditions/values.js";
import { decide, isClosed, policiesInForce, reasonOf, refusal } from "./evaluate.js";
import { Evaluation, NOT_LOOKED_AT, type Outcome } from "./evaluation.js";
import type { Context, Decision, Effect, Operation } from "./operation.js";
import { reviewInWords } from "./review.js";

/** What one rule says of an operation. */
export interface RuleVoice {
  readonly policy: string;
  readonly version: number;
  readonly rule: string;
  /** What it comes to: a rule whose condition fails denies. */
  readonly effect: Effect;
  /** What the rule says. */
  readonly written: Effect;
  /** Its condition holds, or failed, or there is none; false where it was not looked at, and where it needs a grant. */
  readonly matched: boolean;
  readonly condition: "none" | "true" | "false" | "failed";
  /** Why, in one sentence. */
  readonly says: string;
  readonly decisive: boolean;
}

export interface Explanation {
  /** That of `evaluate`. */
  readonly decision: Decision;
  /** Every rule for this target, principal, method and name, at most 1,000, the decisive one among them. */
  readonly rules: readonly RuleVoice[];
}

const MAX_VOICES = 1_000;

/** Decides one operation and says what every rule that speaks of it says. */
export function explainOperation(
  compiled: CompiledPolicies,
  operation: Operation,
  context: Context,
): Explanation {
  const evaluation = new Evaluation(operation, context, { remembers: true });
  const decision = decide(compiled, evaluation);
  if (refusal(operation) !== undefined) return { decision, rules: [] };
  const policies = policiesInForce(compiled, evaluation);
  const closed = new Set(policies.filter((policy) => isClosed(policy, evaluation)).map(({ name }) => name));
  const speaking = policies.flatMap(
    (policy) => policy.methods.get(operation.method)?.speaking(operation.name) ?? [],
  );
  const rules = shown(speaking, decision).map((rule) => {
    const needsGrant = rule.effect !== "deny" && closed.has(rule.policy);
    return needsGrant ? voiceUnderGrant(rule, evaluation) : voiceOf(rule, evaluation, decision);
  });
  return { decision, rules };
}

/** Of a rule that matches only under a grant, and there is none. */
function voiceUnderGrant(rule: CompiledRule, evaluation: Evaluation): RuleVoice {
  const outcome = evaluation.outcomeUnderGrant(rule);
  const { policy, version, name, effect, written } = rule;
  return {
    policy,
    version,
    rule: name,
    effect,
    written,
    matched: false,
    condition: outcome === "open" ? "none" : conditionWord(rule, outcome),
    says: `would need a grant of policy "${policy}"; then ${saysOf(rule, outcome, evaluation.operation)}`,
    decisive: false,
  };
}

function isDecisive(rule: CompiledRule, decision: Decision): boolean {
  return rule.policy === decision.policy && rule.name === decision.rule;
}

/** The first of them; the decisive one takes the last place when it is further behind. */
function shown(rules: readonly CompiledRule[], decision: Decision): readonly CompiledRule[] {
  if (rules.length <= MAX_VOICES) return rules;
  const first = rules.slice(0, MAX_VOICES);
  const decisive = rules.find((rule) => isDecisive(rule, decision));
  return !decisive || first.includes(decisive) ? first : [...first.slice(0, -1), decisive];
}

function voiceOf(rule: CompiledRule, evaluation: Evaluation, decision: Decision): RuleVoice {
  const outcome = evaluation.outcomeAfterwards(rule);
  const isFailed = outcome instanceof Failure && outcome !== NOT_LOOKED_AT;
  return {
    policy: rule.policy,
    version: rule.version,
    rule: rule.name,
    effect: isFailed ? "deny" : rule.effect,
    written: rule.written,
    matched: outcome !== false && outcome !== NOT_LOOKED_AT,
    condition: conditionWord(rule, outcome),
    says: saysOf(rule, outcome, evaluation.operation),
    decisive: isDecisive(rule, decision),
  };
}

function conditionWord({ condition }: CompiledRule, outcome: Outcome): RuleVoice["condition"] {
  if (!condition) return "none";
  if (outcome instanceof Failure) return "failed";
  return outcome === true ? "true" : "false";
}

function saysOf(rule: CompiledRule, outcome: Outcome, operation: Operation): string {
  if (outcome === NOT_LOOKED_AT) return `its condition was not looked at: ${outcome.problem}`;
  if (outcome instanceof Failure)
    return `its condition could not be decided: ${outcome.problem}; so it denies`;
  if (outcome === false) return "its condition does not hold";
  if (outcome === "open") return "its condition depends on that grant";
  return rule.review
    ? `${reasonOf(rule, operation)}; it would be held for ${reviewInWords(rule.review)}`
    : reasonOf(rule, operation);
}
