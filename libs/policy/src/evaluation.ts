import { Failure } from "./conditions/values.js";
import { BOUNDS } from "./conditions/bounds.js";
import { TOO_COSTLY } from "./conditions/meter.js";
import { Scope } from "./conditions/scope.js";
import type { CompiledRule } from "./compiled-rule.js";
import { grantsInForce } from "./grants-in-force.js";
import type { Context, Grant, Operation } from "./operation.js";
import type { Condition } from "./rule-condition.js";

/** What became of a condition that only an explanation would have asked, after it had cost all it may. */
export const NOT_LOOKED_AT = new Failure("the explanation costs too much for an operation of this size");

/** What became of the condition of a rule; open: it depends on what only a call has. */
export type Outcome = boolean | "open" | Failure;

interface EvaluationOptions {
  readonly isListing?: boolean;
  readonly remembers?: boolean;
  /** A policy that is taken as granted. What conditions ask of such a grant is left open. */
  readonly assumed?: string;
  /** What is known of the operation already. */
  readonly scope?: Scope;
}

/** One decision: what its conditions read, and what became of them. */
export class Evaluation {
  readonly operation: Operation;
  readonly context: Context;
  readonly #scope: Scope;
  readonly #assumed: string | undefined;
  readonly #outcomes: Map<CompiledRule, Outcome> | undefined;
  #grants: ReadonlyMap<string, Grant> | undefined;
  #costAfterwards = 0;

  constructor(operation: Operation, context: Context, options: EvaluationOptions = {}) {
    this.operation = operation;
    this.context = context;
    this.#scope = options.scope ?? new Scope(operation, context, options);
    this.#assumed = options.assumed;
    this.#outcomes = options.remembers ? new Map() : undefined;
  }

  /** As if there were a grant of the policy. What is known of the operation is not asked for again. */
  assuming(policy: string): Evaluation {
    return new Evaluation(this.operation, this.context, { assumed: policy, scope: this.#scope });
  }

  /** By policy. */
  get grants(): ReadonlyMap<string, Grant> {
    this.#grants ??= grantsInForce(this.operation, this.context);
    return this.#grants;
  }

  /** Whether the rules of a policy with just-in-time access match. */
  opens(policy: string): boolean {
    return this.#assumed === policy || this.grants.has(policy);
  }

  /** Of which policies that is so, for a key. */
  get opened(): readonly (string | null)[] {
    return [this.#assumed ?? null, ...[...this.grants.keys()].sort()];
  }

  /** That which opens the rule's policy; where access is standing there is none to speak of. */
  grantFor({ policy, isUnderGrant }: CompiledRule): Grant | "assumed" | undefined {
    if (!isUnderGrant) return undefined;
    const grant = this.grants.get(policy);
    if (grant || this.#assumed === undefined) return grant;
    return this.opens(policy) ? "assumed" : undefined;
  }

  /** Of a rule without a condition it is true. */
  outcomeOf(rule: CompiledRule): Outcome {
    if (!rule.condition) return true;
    this.#scope.grant = rule.isUnderGrant && this.grantFor(rule);
    const outcome = this.#ask(rule.condition);
    this.#outcomes?.set(rule, outcome);
    return outcome;
  }

  /** The same, after the decision and as it was in it; conditions that it did not need have bounds of their own. */
  outcomeAfterwards(rule: CompiledRule): Outcome {
    const known = this.#outcomes?.get(rule);
    return known ?? this.#afterwards(rule, this);
  }

  /** The same, as if there were a grant of the rule's policy. */
  outcomeUnderGrant(rule: CompiledRule): Outcome {
    return this.#afterwards(rule, this.assuming(rule.policy));
  }

  /** Lets conditions cost as much again as in the decision. */
  renewMeter(): void {
    this.#scope.renewMeter();
  }

  /** Whether conditions have cost all they may: every further one fails. */
  get isExhausted(): boolean {
    return this.#scope.meter.isExhausted;
  }

  #afterwards(rule: CompiledRule, evaluation: Evaluation): Outcome {
    if (!rule.condition) return true;
    if (this.#costAfterwards > BOUNDS.explanationCost) return NOT_LOOKED_AT;
    this.#scope.renewMeter();
    const outcome = evaluation.outcomeOf(rule);
    this.#costAfterwards += this.#scope.meter.spent;
    return outcome;
  }

  #ask(condition: Condition): Outcome {
    const scope = this.#scope;
    scope.hasMetUnknown = false;
    const outcome = condition(scope);
    if (typeof outcome === "boolean") return outcome;
    // What was left open cost something that the call need not cost.
    return scope.hasMetUnknown || (scope.isListing && outcome === TOO_COSTLY) ? "open" : outcome;
  }
}
