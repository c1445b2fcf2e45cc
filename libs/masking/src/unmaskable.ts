export type UnmaskableReason =
  | "invalid_utf8"
  | "invalid_json"
  | "too_large"
  | "too_deep"
  | "too_slow"
  | "internal";

const MESSAGES = {
  invalid_utf8: "the message is not valid UTF-8",
  invalid_json: "the message is not valid JSON",
  too_large: "the message is larger than the masker's limit",
  too_deep: "the message is nested more deeply than the masker's limit",
  too_slow: "masking took longer than its time limit",
  internal: "masking failed unexpectedly",
} as const satisfies Record<UnmaskableReason, string>;

/**
 * Something could not be masked, so it must not be passed on. Has no cause and quotes nothing: the errors it stands for
 * (a JSON syntax error, for one) repeat pieces of the text.
 */
export class UnmaskableError extends Error {
  override readonly name = "UnmaskableError";
  readonly reason: UnmaskableReason;

  constructor(reason: UnmaskableReason) {
    super(MESSAGES[reason]);
    this.reason = reason;
  }
}
