import { Failure } from "./conditions/values.js";
import { BOUNDS } from "./conditions/bounds.js";
import { TOO_COSTLY } from "./conditions/meter.js";
import { Scope } from "./conditions/scope.js";
import type { CompiledRule } from "./compiled-rule.js";
import type { Context, Operation } from "./operation.js";
import type { Condition } from "./rule-condition.js";

/** What became of a condition that only an explanation would have asked, after it had cost all it may. */
export const NOT_LOOKED_AT = new Failure("the explanation costs too much for an operation of this size");

/** What became of the condition of a rule; open: it depends on what only a call has. */
export type Outcome = boolean | "open" | Failure;

/** One decision: what its conditions read, and what became of them. */
export class Evaluation {
  readonly operation: Operation;
  readonly context: Context;
  readonly #scope: Scope;
  #costAfterwards = 0;
  readonly #outcomes: Map<CompiledRule, Outcome> | undefined;

  constructor(
    operation: Operation,
    context: Context,
    options: { readonly isListing?: boolean; readonly remembers?: boolean } = {},
  ) {
    this.operation = operation;
    this.context = context;
    this.#scope = new Scope(operation, context, options);
    this.#outcomes = options.remembers ? new Map() : undefined;
  }

  /** Of a rule without a condition it is true. */
  outcomeOf(rule: CompiledRule): Outcome {
    if (!rule.condition) return true;
    const outcome = this.#ask(rule.condition);
    this.#outcomes?.set(rule, outcome);
    return outcome;
  }

  /** The same, after the decision and as it was in it; conditions that it did not need have bounds of their own. */
  outcomeAfterwards(rule: CompiledRule): Outcome {
    const known = this.#outcomes?.get(rule);
    if (known !== undefined || !rule.condition) return known ?? true;
    if (this.#costAfterwards > BOUNDS.explanationCost) return NOT_LOOKED_AT;
    this.#scope.renewMeter();
    const outcome = this.outcomeOf(rule);
    this.#costAfterwards += this.#scope.meter.spent;
    return outcome;
  }

  /** Whether conditions have cost all they may: every further one fails. */
  get isExhausted(): boolean {
    return this.#scope.meter.isExhausted;
  }

  #ask(condition: Condition): Outcome {
    const scope = this.#scope;
    scope.hasMetUnknown = false;
    const outcome = condition(scope);
    if (!scope.isListing || typeof outcome === "boolean") return outcome;
    // What was left open cost something that the call need not cost.
    return scope.hasMetUnknown || outcome === TOO_COSTLY ? "open" : outcome;
  }
}
