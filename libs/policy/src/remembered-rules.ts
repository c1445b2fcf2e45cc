import type { MatchingRules } from "./method-rules.js";

/** What decides about operations that nothing tells apart. */
export interface RulesInForce {
  readonly matching: MatchingRules;
  /** Policies with just-in-time access that speak of the method and whose rules, but for denials, no grant opens. */
  readonly closed: readonly string[];
}

/** A hundred people at eighty tools. Their keys are at most 2 KiB each, and 200 bytes as a rule. */
const MAX_ENTRIES = 8_192;
/** References to rules in all entries together. */
const MAX_RULES = 200_000;

/** A memory of bounded size, emptied when it is full. */
export class RememberedRules {
  readonly #entries = new Map<string, RulesInForce>();
  #rules = 0;

  get(key: string): RulesInForce | undefined {
    return this.#entries.get(key);
  }

  set(key: string, rulesInForce: RulesInForce): void {
    const { limited, denying, otherConditional } = rulesInForce.matching;
    const rules = limited.length + denying.length + otherConditional.length;
    if (this.#entries.size >= MAX_ENTRIES || this.#rules + rules > MAX_RULES) {
      this.#entries.clear();
      this.#rules = 0;
    }
    this.#entries.set(key, rulesInForce);
    this.#rules += rules;
  }
}
