/** What the process exits with: 2 when what the operator gave cannot be used, 1 when doing it failed. */
export type ExitCode = 1 | 2;

/** A failure the operator can act on. `message` says what to do and never holds a secret. */
export class OperatorError extends Error {
  override readonly name = "OperatorError";
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/** The arguments or the configuration cannot be used as they are. */
export function usageError(message: string): OperatorError {
  return new OperatorError(2, message);
}

/** What was asked for was understood and did not work. */
export function failure(message: string, cause?: unknown): OperatorError {
  return new OperatorError(1, message, cause === undefined ? undefined : { cause });
}
