import { UnreadableLine } from "./unreadable-line.js";

/** Scripts within scripts: substitutions, functions' bodies do not count, `sh -c` does. */
const MAX_DEPTH = 8;
/** Characters looked at, those of nested scripts once more at each level: keeps the whole linear in the text. */
const MAX_CHARACTERS = 4 * 64 * 1024;
const MAX_NODES = 24_000;
/** Calls judged, those of alternatives ({a,b}, variables of several values) and of wrapped programs counted singly. */
const MAX_CALLS = 6_000;

/** Bounds the work that one text can cause, however it is nested. */
export class WorkLimits {
  #depth = 0;
  #characters = 0;
  #nodes = 0;
  #calls = 0;

  spend(characters: number): void {
    this.#characters += characters;
    if (this.#characters > MAX_CHARACTERS) throw new UnreadableLine("there is too much nested text");
  }

  node(): void {
    this.#nodes += 1;
    if (this.#nodes > MAX_NODES) throw new UnreadableLine("it has too many parts");
  }

  call(): void {
    this.#calls += 1;
    if (this.#calls > MAX_CALLS) throw new UnreadableLine("it runs too many programs");
  }

  nested<Result>(work: () => Result): Result {
    if (this.#depth >= MAX_DEPTH) throw new UnreadableLine("its scripts are nested too deep");
    this.#depth += 1;
    const result = work();
    this.#depth -= 1;
    return result;
  }
}
