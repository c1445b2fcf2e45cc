/**
 * What bounds conditions. Costs are in units of about 10 ns at worst, counted from the sizes of what is looked at and never
 * from a clock: whether a condition is too costly depends on the operation alone.
 */
export const BOUNDS = {
  /** Of the text of a condition. */
  nodes: 500,
  depth: 48,
  listElements: 256,
  comprehensionDepth: 2,
  /** Of a pattern: characters, the number in {…}, and instructions of its program. */
  patternLength: 512,
  patternRepeat: 200,
  patternSize: 400,
  /** Bytes that matching may remember for each pattern. */
  patternMemory: 131_072,
  /** UTF-16 code units of a text that a pattern is looked for in, and of a text that a condition makes. */
  matchedText: 32_768,
  madeText: 262_144,
  splitParts: 10_000,
  separator: 16,
  /** Of lists that a condition makes. */
  madeList: 20_000,
  /** Nesting of values that are compared. */
  compareDepth: 200,
  /** Cost of one condition, and of all conditions of one decision. */
  conditionCost: 1_000_000,
  decisionCost: 2_000_000,
  /** Cost of all conditions that only an explanation asks. */
  explanationCost: 8_000_000,
} as const;
