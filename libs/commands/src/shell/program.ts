import type { Effect } from "./found.js";

/** Effects, separated by blanks; none: it reads. */
export type Effects = "" | Effect | `${Effect} ${Effect}` | `${Effect} ${Effect} ${Effect}`;

/** A row of the tables of programs: what a program does, by its options and sub-commands. */
export interface Program {
  /** What it does whatever its options are. */
  readonly does?: Effects;
  /** Options that add something: "o output" is -o and --output. */
  readonly options?: Readonly<Record<string, Effects>>;
  /** The same, of a program with sub-commands, before or behind the sub-command. */
  readonly optionsAnywhere?: Readonly<Record<string, Effects>>;
  /** Options whose value is the rest of the word or the next word. */
  readonly valued?: string;
  /** With one of these, spelled out, it reads whatever else is there. */
  readonly readsWith?: string;
  /** More operands than this, and it writes: `uniq in out`, `hostname name`. */
  readonly operands?: { readonly most: number; readonly beyond: Effects };
  /** By its first operand; one that is not named here runs code. */
  readonly subcommands?: Readonly<Record<string, Program>>;
  /** Options without a value before the sub-command. Any other there, and the sub-command is uncertain. */
  readonly flags?: string;
  /** What it does without any sub-command: it prints help, when left out. */
  readonly alone?: Program;
}

/** The same row for several names. */
export function each(names: string, program: Program): Readonly<Record<string, Program>> {
  return Object.fromEntries(names.split(/\s+/).map((name) => [name, program]));
}
