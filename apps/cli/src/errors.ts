/** What the shell sees when a command ends. Scripts test for these; they never change their meaning. */
export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  notSignedIn: 3,
  notPermitted: 4,
  interrupted: 130,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** An expected failure. Message and details are shown to the user, so they never hold a token. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exitCode: ExitCode;
  /** More lines below the message, one problem each. */
  readonly details: readonly string[];
  /** The stable code of the control plane's problem, where it was one. */
  readonly code: string | undefined;

  constructor(message: string, options: CliErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.exitCode = options.exitCode ?? EXIT.failure;
    this.code = options.code;
    this.details = options.details ?? [];
  }
}

interface CliErrorOptions {
  readonly exitCode?: ExitCode;
  readonly details?: readonly string[];
  readonly code?: string;
  readonly cause?: unknown;
}

export function usageError(message: string): CliError {
  return new CliError(message, { exitCode: EXIT.usage });
}

export function notSignedIn(message: string): CliError {
  return new CliError(message, { exitCode: EXIT.notSignedIn });
}

/** What is wrong in one place of a document, as one line. */
export function problemLine({ line, path, message }: Problem): string {
  return [line === undefined ? "" : `line ${line}`, path, message].filter((part) => part !== "").join(": ");
}

interface Problem {
  readonly line?: number | undefined;
  readonly path: string;
  readonly message: string;
}
