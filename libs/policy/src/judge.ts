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
 * The one walk over the rules that speak of an operation. Conditions of rules that deny are asked first; the others only
 * when none of those holds or fails, because then they cannot make a difference.
 */
export function judge(matching: MatchingRules, evaluation: Evaluation): Judgement {
  const denied = judgeDenials(matching, evaluation);
  if (denied.decidedBy?.effect === "deny" || denied.failed.length > 0) return denied;
  return judgeOthers(matching, evaluation);
}

/** Finds the first rule that denies. One without a condition ends the search: those behind it could not go before it. */
function judgeDenials({ unconditional, denying }: MatchingRules, evaluation: Evaluation): Judgement {
  const end = unconditional?.effect === "deny" ? unconditional.position : Infinity;
  const failed: FailedRule[] = [];
  const judgement = { failed, limited: [], isOpen: false };
  for (const rule of denying) {
    if (rule.position > end) break;
    const outcome = evaluation.outcomeOf(rule);
    if (outcome === true) return { decidedBy: rule, ...judgement };
    if (!(outcome instanceof Failure)) continue;
    if (failed.length < MAX_FAILED) failed.push({ rule, problem: outcome.problem });
    if (evaluation.isExhausted) break;
  }
  return { decidedBy: unconditional, ...judgement };
}

function judgeOthers(
  { unconditional, limited, otherConditional }: MatchingRules,
  evaluation: Evaluation,
): Judgement {
  let decidedBy = unconditional;
  let isOpen = false;
  const held: CompiledRule[] = [];
  for (const rule of otherConditional) {
    const outcome = evaluation.outcomeOf(rule);
    if (outcome instanceof Failure) {
      return { decidedBy: undefined, failed: [{ rule, problem: outcome.problem }], limited: [], isOpen };
    }
    isOpen ||= outcome === "open";
    if (outcome !== true) continue;
    decidedBy = decisive(decidedBy, rule);
    if (rule.limits.length > 0) held.push(rule);
  }
  return { decidedBy, failed: [], limited: held.length > 0 ? [...limited, ...held] : limited, isOpen };
}
