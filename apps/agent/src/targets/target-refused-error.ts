/** A target that is not used from here, before anything was sent to it. `message` is for the caller. */
export class TargetRefusedError extends Error {
  override readonly name = "TargetRefusedError";
  readonly failure: "NOT_SENT" | "NOT_ALLOWED_HERE" | "TARGET_UNAVAILABLE";

  constructor(failure: TargetRefusedError["failure"], message: string) {
    super(message);
    this.failure = failure;
  }
}
