import { type Field, literalField, UNKNOWN_FIELDS } from "./field.js";
import type { WorkLimits } from "./work-limits.js";

/** Variables that hold a path, and a path that tells as much. */
const PATHS = new Map([
  ["HOME", "~"],
  ["PWD", "."],
  ["OLDPWD", "."],
  ["TMPDIR", "/tmp"],
]);
/** Variables that hold a number. */
const NUMBERS = new Set(
  "# ? $ ! RANDOM SRANDOM SECONDS LINENO EPOCHSECONDS UID EUID PPID BASHPID COLUMNS LINES SHLVL".split(" "),
);

/** What a variable holds that the line around does not set: whoever wrote the line cannot have chosen it. */
export const FROM_ENVIRONMENT: Field = { ...UNKNOWN_FIELDS };

/** Where one of these is, `date` and its like may be something else than the program. */
const REDEFINES = /\(\s*\)|\bfunction\b|\balias\b|\bhash\b|\benable\b/;

/**
 * The variables of one script whose value is certain: those that the text names once, where it gives them a constant
 * value, and that value only below it, in the same or an inner block. A loop cannot go back behind such a value, and
 * no `read`, `unset` or second assignment can change it, because each would have to name the variable.
 */
export class Variables {
  readonly #mentions = new Map<string, number>();
  #blocks = [new Map<string, Field>()];

  /** No text around this one could have set variables for it. */
  readonly #isOutermost: boolean;
  readonly #redefines: boolean;
  readonly #limits: WorkLimits;

  constructor(source: string, script: { readonly limits: WorkLimits; readonly isOutermost: boolean }) {
    this.#isOutermost = script.isOutermost;
    this.#limits = script.limits;
    this.#redefines = REDEFINES.test(source);
    const joined = source.replaceAll("\\\n", "");
    for (const match of joined.matchAll(/(?<![\w$\-./]|\$\{[#!]?)[A-Za-z_]\w*/g)) {
      this.#mentions.set(match[0], (this.#mentions.get(match[0]) ?? 0) + 1);
    }
  }

  assign(name: string, value: Field | undefined): void {
    const block = this.#blocks.at(-1);
    if (value !== undefined && this.#mentions.get(name) === 1) block?.set(name, value);
  }

  /** Whether a builtin that changes this variable changes one that was taken for constant. */
  isConstant(name: string): boolean {
    return this.#blocks.some((block) => block.has(name));
  }

  /** The names of programs mean those programs, as far as this text goes. */
  get definesNoProgram(): boolean {
    return this.#isOutermost && !this.#redefines;
  }

  valueOf(name: string): Field | undefined {
    for (const block of this.#blocks.toReversed()) {
      const value = block.get(name);
      if (value === undefined) continue;
      // A long value may be used many times.
      this.#limits.spend(value.prefix.length);
      return value;
    }
    return this.#wellKnown(name);
  }

  /** What is assigned within may never happen, or not to the shell around: it is forgotten at the end. */
  block(work: () => void): void {
    this.#blocks.push(new Map());
    work();
    this.#blocks.pop();
  }

  #wellKnown(name: string): Field | undefined {
    if (this.#mentions.has(name)) return undefined;
    const path = PATHS.get(name);
    if (path !== undefined) return literalField(path);
    if (!NUMBERS.has(name))
      return this.#isOutermost && /^[A-Za-z_]\w*$/.test(name) ? FROM_ENVIRONMENT : undefined;
    return { text: undefined, prefix: "0", suffix: "", splits: false, operand: true };
  }
}
