import type { Era } from "./load-generator.js";
import type { Part } from "./process-usage.js";

/** Something that can be called like the target, and what may be asked about it. */
export interface Subject {
  readonly name: string;
  readonly url: string;
  readonly transport?: "sse";
  /** Both, unless it knows only sessions. */
  readonly eras?: readonly Era[];
  readonly headers: Readonly<Record<string, string>>;
  /** What it calls the tool, where it gives tools other names. */
  readonly toolName?: string;
  /** Its processes now, without the target and the load generator. */
  parts(): Promise<Part[]>;
  /** Looks whether what was answered was also governed. @throws when it was not */
  verify?(facts: { answered: number; sample: string }): Promise<string>;
  stop(): Promise<void>;
}

/** A case that cannot be measured on this machine. The run goes on without it, and says so. */
export class SkippedError extends Error {
  override readonly name = "SkippedError";
}
