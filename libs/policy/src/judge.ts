import { type CompiledRule, decisive } from "./compiled-rule.js";
import { Failure } from "./conditions/values.js";
import type { Evaluation } from "./evaluation.js";
import type { MatchingRules } from "./method-rules.js";

export interface FailedRule {
  readonly rule: CompiledRule;
  readonly problem: string;
}

export interface Judgement {
  /** The strictest rule that matches; a failed one goes before it unless it denies. */
  readonly decidedBy: CompiledRule | undefined;
  /** Those that were found before there was a decision, or the first of them. */
  readonly failed: readonly FailedRule[];
  /** Rules that match, do not deny and have limits, where all that match were found. */
  readonly limited: readonly CompiledRule[];
  /** Whether a rule that does not deny might match. */
  readonly isOpen: boolean;
}

const MAX_FAILED = 20;

/**
 * The one walk over the rules that speak of an operation, given by policy in order of position. Conditions of rules that
 * deny are asked first; the others only when none of those holds or fails, because then they cannot make a difference.
 */
export function judge(matching: readonly MatchingRules[], evaluation: Evaluation): Judgement {
  const always = matching.reduce<CompiledRule | undefined>(
    (rule, { unconditional }) => (unconditional ? decisive(rule, unconditional) : rule),
    undefined,
  );
  const denied = judgeDenials(matching, always, evaluation);
  if (denied.decidedBy?.effect === "deny" || denied.failed.length > 0) return denied;
  return judgeOthers(matching, always, evaluation);
}

/** Finds the first rule that denies. One without a condition ends the search: those behind it could not go before it. */
function judgeDenials(
  matching: readonly MatchingRules[],
  always: CompiledRule | undefined,
  evaluation: Evaluation,
): Judgement {
  const end = always?.effect === "deny" ? always.position : Infinity;
  const failed: FailedRule[] = [];
  const judgement = { failed, limited: [], isOpen: false };
  for (const { denying } of matching) {
    for (const rule of denying) {
      if (rule.position > end) return { decidedBy: always, ...judgement };
      const outcome = evaluation.outcomeOf(rule);
      if (outcome === true) return { decidedBy: rule, ...judgement };
      if (!(outcome instanceof Failure)) continue;
      if (failed.length < MAX_FAILED) failed.push({ rule, problem: outcome.problem });
      if (evaluation.isExhausted) return { decidedBy: always, ...judgement };
    }
  }
  return { decidedBy: always, ...judgement };
}

function judgeOthers(
  matching: readonly MatchingRules[],
  always: CompiledRule | undefined,
  evaluation: Evaluation,
): Judgement {
  let decidedBy = always;
  let isOpen = false;
  const limited: CompiledRule[] = [];
  for (const { limited: alwaysLimited, otherConditional } of matching) {
    limited.push(...alwaysLimited);
    for (const rule of otherConditional) {
      const outcome = evaluation.outcomeOf(rule);
      if (outcome instanceof Failure) {
        return { decidedBy: undefined, failed: [{ rule, problem: outcome.problem }], limited: [], isOpen };
      }
      isOpen ||= outcome === "open";
      if (outcome !== true) continue;
      decidedBy = decisive(decidedBy, rule);
      if (rule.limits.length > 0) limited.push(rule);
    }
  }
  return { decidedBy, failed: [], limited, isOpen };
}
