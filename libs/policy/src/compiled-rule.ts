import type { Feature } from "./features.js";
import type { AppliedLimit, Effect } from "./operation.js";
import type { ReviewTerms } from "./review.js";
import type { Condition } from "./rule-condition.js";

export interface CompiledRule {
  readonly policy: string;
  readonly version: number;
  readonly name: string;
  readonly effect: Effect;
  /** What the rule says, which is not its effect when it is unenforceable. */
  readonly written: Effect;
  /** Set when the rule asks for something nobody here enforces; its effect is then deny, whatever it says. */
  readonly unenforceable?: Feature;
  /** Without one the rule always matches what it speaks of. */
  readonly condition?: Condition;
  readonly limits: readonly AppliedLimit[];
  readonly message?: string;
  /** Of a policy with just-in-time access: a grant may be read, and is told. */
  readonly isUnderGrant?: true;
  /** Who approves; only of rules that ask for it. */
  readonly review?: ReviewTerms;
  /** Position among all rules by policy name, then by place in the policy: decides between equals. */
  readonly position: number;
}

const STRICTNESS = { deny: 2, require_approval: 1, allow: 0 } as const satisfies Record<Effect, number>;

/** Which of two matching rules decides: the stricter, among equals the one that stands first. */
export function decisive(rule: CompiledRule | undefined, other: CompiledRule): CompiledRule {
  if (!rule) return other;
  const difference = STRICTNESS[other.effect] - STRICTNESS[rule.effect];
  return difference > 0 || (difference === 0 && other.position < rule.position) ? other : rule;
}
