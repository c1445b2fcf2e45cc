import type { MatchingRules } from "./method-rules.js";

/** A hundred people at eighty tools. Their keys are at most 2 KiB each, and 200 bytes as a rule. */
const MAX_ENTRIES = 8_192;
/** References to rules in all entries together. */
const MAX_RULES = 200_000;

/** A memory of bounded size, emptied when it is full. */
export class RememberedRules {
  readonly #entries = new Map<string, MatchingRules>();
  #rules = 0;

  get(key: string): MatchingRules | undefined {
    return this.#entries.get(key);
  }

  set(key: string, matching: MatchingRules): void {
    const { limited, denying, otherConditional } = matching;
    const rules = limited.length + denying.length + otherConditional.length;
    if (this.#entries.size >= MAX_ENTRIES || this.#rules + rules > MAX_RULES) {
      this.#entries.clear();
      this.#rules = 0;
    }
    this.#entries.set(key, matching);
    this.#rules += rules;
  }
}
