import { BOUNDS } from "./bounds.js";
import { Failure, keysOf } from "./values.js";

export const TOO_COSTLY = new Failure("it costs too much for an operation of this size");

/** What conditions may still cost in one decision. */
export class Meter {
  #ofDecision: number = BOUNDS.decisionCost;
  #ofCondition: number = 0;
  // Of large objects only: reading their keys takes long, and may be asked for by every condition.
  readonly #keys = new WeakMap<object, readonly string[]>();

  /** Whether a condition can cost anything any more. */
  begin(): boolean {
    this.#ofCondition = Math.min(BOUNDS.conditionCost, this.#ofDecision);
    this.#ofDecision -= this.#ofCondition;
    return this.#ofCondition > 0;
  }

  get isExhausted(): boolean {
    return this.#ofDecision <= 0;
  }

  /** What conditions have cost; of one that went beyond its bound, all it was given. */
  get spent(): number {
    return BOUNDS.decisionCost - this.#ofDecision;
  }

  /** Gives back what the condition did not need. Whether it stayed within its bound. */
  end(): boolean {
    if (this.#ofCondition < 0) return false;
    this.#ofDecision += this.#ofCondition;
    this.#ofCondition = 0;
    return true;
  }

  /** Whether there was as much left. Ask before the work is done; once it was not enough it never is again. */
  spend(cost: number): boolean {
    if (this.#ofCondition < 0) return false;
    this.#ofCondition -= cost;
    return this.#ofCondition >= 0;
  }

  /** Undefined when it was too costly. The cost is that of reading them for the first time, whoever asks first. */
  keys(map: Parameters<typeof keysOf>[0]): readonly string[] | undefined {
    const keys = this.#keys.get(map) ?? keysOf(map);
    if (keys.length > 64) this.#keys.set(map, keys);
    return this.spend(30 + keys.length * 8) ? keys : undefined;
  }
}
