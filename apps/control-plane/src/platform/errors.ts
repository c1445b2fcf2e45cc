import type { ErrorCode, ProblemDetail } from "@drawbridge/contracts";

/** An expected failure. `message` is shown to the caller, so it never holds a secret. */
export class DomainError extends Error {
  override readonly name = "DomainError";

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly problems: readonly ProblemDetail[] = [],
  ) {
    super(message);
  }
}
