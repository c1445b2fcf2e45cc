import type { Field } from "./field.js";
import type { Found } from "./found.js";
import type { WorkLimits } from "./work-limits.js";

/** What a program finds on its standard input. */
export interface Feed {
  /** A pipe, a file or a here-document, rather than nothing. */
  readonly fed: boolean;
  /** All of it, when it is certain. */
  readonly text?: string;
}

export const NOT_FED: Feed = { fed: false };
export const FED: Feed = { fed: true };

/** One program being run. */
export interface Call {
  /** Its name without its folder. */
  readonly name: string;
  readonly words: readonly Field[];
  readonly feed: Feed;
}

/** What the parts of the analysis need of each other: programs run programs, and some run shell lines. */
export interface Analysis {
  readonly found: Found;
  readonly limits: WorkLimits;
  /** Judges a text as a shell script of its own, that knows no variables of the line around it. */
  script(text: string, feed: Feed): void;
  /** Judges the call of a program; the first field names it. */
  program(fields: readonly Field[], feed: Feed): void;
  /** A builtin gives this variable a value that is not known. */
  changesVariable(name: string): void;
  /** Something is evaluated as arithmetic, where a[$(…)] runs programs. */
  evaluates(): void;
}
