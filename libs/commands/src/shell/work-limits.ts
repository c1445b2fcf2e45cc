import { UnreadableLine } from "./unreadable-line.js";

/** Scripts within scripts: substitutions, functions' bodies do not count, `sh -c` does. */
const MAX_DEPTH = 8;
/** Characters looked at, those of nested scripts once more at each level: keeps the whole linear in the text. */
const MAX_CHARACTERS = 4 * 64 * 1024;
const MAX_NODES = 12_000;
/** Calls judged, those of wrapped programs one by one, and redirections. */
const MAX_CALLS = 2_000;

/** Programs that run programs that run programs: env nice timeout 5 … */
const MAX_WRAPPED = 16;
/** Nodes within nodes: operators, blocks, quotes. The parser itself allows 256 blocks. */
const MAX_TREE_DEPTH = 400;
/** Brackets of any kind that are open at once, wherever they stand: the parser goes over each pair's text again. */
const MAX_OPEN_BRACKETS = 100;
/** The parser goes over a line once more for each here-document that begins on it. */
const MAX_HERE_DOCUMENTS = 500;

/** Refuses what the parser itself would take long over. */
export function refuseCostly(source: string): void {
  if (source.split("<<").length > MAX_HERE_DOCUMENTS)
    throw new UnreadableLine("it has too many here-documents");
  let open = 0;
  for (const [bracket] of source.matchAll(/[()[\]{}]/g)) {
    open = "([{".includes(bracket) ? open + 1 : Math.max(0, open - 1);
    if (open > MAX_OPEN_BRACKETS) throw new UnreadableLine("its brackets are nested too deep");
  }
}

/** Bounds the work that one text can cause, however it is nested. */
export class WorkLimits {
  #depth = 0;
  #characters = 0;
  #nodes = 0;
  #treeDepth = 0;
  #wrapped = 0;
  #calls = 0;

  spend(characters: number): void {
    this.#characters += characters;
    if (this.#characters > MAX_CHARACTERS) throw new UnreadableLine("there is too much nested text");
  }

  node(work: () => void): void {
    this.#nodes += 1;
    this.#treeDepth += 1;
    if (this.#nodes > MAX_NODES || this.#treeDepth > MAX_TREE_DEPTH)
      throw new UnreadableLine("it has too many parts");
    work();
    this.#treeDepth -= 1;
  }

  call(): void {
    this.#calls += 1;
    if (this.#calls > MAX_CALLS) throw new UnreadableLine("it runs too many programs");
  }

  /** The call of a program by another; each goes over the words again. */
  wrapped(words: number, work: () => void): void {
    this.#wrapped += 1;
    if (this.#wrapped > MAX_WRAPPED) throw new UnreadableLine("its programs run too many others");
    this.spend(words);
    work();
    this.#wrapped -= 1;
  }

  nested<Result>(work: () => Result): Result {
    if (this.#depth >= MAX_DEPTH) throw new UnreadableLine("its scripts are nested too deep");
    this.#depth += 1;
    const result = work();
    this.#depth -= 1;
    return result;
  }
}
