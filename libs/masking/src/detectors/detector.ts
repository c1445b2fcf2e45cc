import type { Runs } from "../characters.js";
import type { Kind } from "../profile.js";

/** A range of a text that holds a secret. */
export interface Finding {
  readonly start: number;
  readonly end: number;
  readonly kind: Kind;
}

/**
 * Looks at the places where one of its heads stands. Must be cheap: either its work is bounded, or it uses `runs`, or
 * it returns a finding as long as what it read. Then a whole text costs linear time whatever is in it.
 */
export interface HeadDetector {
  /** Lower-case; case is the detector's own matter. */
  readonly heads: readonly string[];
  readonly find: (runs: Runs, at: number) => Finding | undefined;
}

/** Looks at the places where a run of digits starts. */
export interface DigitDetector {
  readonly find: (text: string, at: number) => Finding | undefined;
}
