/** What an `Anchors` scan reports. Positions are where the anchor starts. */
export interface AnchorVisitor {
  onHead: (head: number, start: number) => void;
  /** A run of exactly so many digits has been seen: reported at 2 and at 3, whatever follows. */
  onDigits: (count: 2 | 3, start: number) => void;
}

const DIGIT_0 = 48;
const DIGIT_9 = 57;

/**
 * Finds all of many short texts ("heads") in one pass, without regard to case: Aho and Corasick's automaton as a dense
 * table over classes of characters. What happens at a head is the detectors' work; here only speed matters.
 */
export class Anchors {
  readonly #classOf = new Uint8Array(128);
  readonly #width: number;
  readonly #next: Uint16Array;
  /** For each state the head that ends there plus one, and the longest shorter suffix state with a head. */
  readonly #head: Int16Array;
  readonly #suffix: Uint16Array;
  readonly #lengths: readonly number[];

  /** Heads are lower-case ASCII and distinct. */
  constructor(heads: readonly string[]) {
    const alphabet = new Set(heads.join(""));
    let classes = 1;
    for (const character of alphabet) {
      this.#classOf[character.charCodeAt(0)] = classes;
      this.#classOf[character.toUpperCase().charCodeAt(0)] = classes;
      classes++;
    }
    const states = heads.reduce((sum, head) => sum + head.length, 1);
    this.#width = classes;
    this.#lengths = heads.map((head) => head.length);
    this.#next = new Uint16Array(states * classes);
    this.#head = new Int16Array(states);
    this.#suffix = new Uint16Array(states);
    this.#addHeads(heads);
    this.#link();
  }

  scan(text: string, visitor: AnchorVisitor): void {
    const next = this.#next;
    const classOf = this.#classOf;
    const width = this.#width;
    const head = this.#head;
    const suffix = this.#suffix;
    let state = 0;
    let digits = 0;
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      digits = code >= DIGIT_0 && code <= DIGIT_9 ? digits + 1 : 0;
      if (digits === 2 || digits === 3) visitor.onDigits(digits, index + 1 - digits);
      state = next[state * width + (classOf[code] ?? 0)] ?? 0;
      if (head[state] !== 0 || suffix[state] !== 0) this.#report(state, index + 1, visitor);
    }
  }

  #report(from: number, end: number, visitor: AnchorVisitor): void {
    for (let state = from; state !== 0; state = this.#suffix[state] ?? 0) {
      const found = (this.#head[state] ?? 0) - 1;
      if (found >= 0) visitor.onHead(found, end - (this.#lengths[found] ?? 0));
    }
  }

  #addHeads(heads: readonly string[]): void {
    let states = 1;
    for (const [index, text] of heads.entries()) {
      let state = 0;
      for (let at = 0; at < text.length; at++) {
        const edge = state * this.#width + (this.#classOf[text.charCodeAt(at)] ?? 0);
        if (this.#next[edge] === 0) this.#next[edge] = states++;
        state = this.#next[edge] ?? 0;
      }
      this.#head[state] = index + 1;
    }
  }

  /** Breadth first: a state's missing edges are those of its longest proper suffix, which is done already. */
  #link(): void {
    const fail = new Uint16Array(this.#head.length);
    const queue: number[] = [];
    for (let index = 0; index < this.#width; index++) {
      const state = this.#next[index] ?? 0;
      if (state !== 0) queue.push(state);
    }
    for (const state of queue) {
      const fallback = fail[state] ?? 0;
      this.#suffix[state] = this.#head[fallback] === 0 ? (this.#suffix[fallback] ?? 0) : fallback;
      for (const { target, viaFallback } of this.#completeEdges(state, fallback)) {
        fail[target] = viaFallback;
        queue.push(target);
      }
    }
  }

  /** Fills the missing edges of a state from its fallback, and gives the ones that are its own. */
  #completeEdges(state: number, fallback: number): { target: number; viaFallback: number }[] {
    const own: { target: number; viaFallback: number }[] = [];
    for (let index = 0; index < this.#width; index++) {
      const target = this.#next[state * this.#width + index] ?? 0;
      const viaFallback = this.#next[fallback * this.#width + index] ?? 0;
      if (target === 0) this.#next[state * this.#width + index] = viaFallback;
      else own.push({ target, viaFallback });
    }
    return own;
  }
}
