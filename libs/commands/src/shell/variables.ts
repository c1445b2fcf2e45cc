import { type Field, literalField } from "./field.js";

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

/**
 * The variables of one script whose value is certain: those that the text names once, where it gives them a constant
 * value, and that value only below it, in the same or an inner block. A loop cannot go back behind such a value, and
 * no `read`, `unset` or second assignment can change it, because each would have to name the variable.
 */
export class Variables {
  readonly #mentions = new Map<string, number>();
  #blocks: Map<string, Field>[] = [new Map()];

  constructor(source: string) {
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

  valueOf(name: string): Field | undefined {
    for (const block of this.#blocks.toReversed()) {
      const value = block.get(name);
      if (value !== undefined) return value;
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
    if (!NUMBERS.has(name)) return undefined;
    return { text: undefined, prefix: "0", suffix: "", splits: false, operand: true };
  }
}
