const QUOTE = 34;
const BACKSLASH = 92;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;

/**
 * Runs ahead of the walk through a JSON document and knows which containers, and which string, are still open where
 * the text known so far ends. What starts before and is not among them is there whole. Positions count from the start
 * of the document. Says nothing useful about what is not JSON, which the walk finds out.
 */
export class Lookahead {
  readonly #maxDepth: number;
  readonly #starts: number[] = [];
  #depth = 0;
  #position = 0;
  #stringStart = -1;
  #isEscaped = false;

  /** No container is asked for below this depth. */
  constructor(maxDepth: number) {
    this.#maxDepth = maxDepth;
  }

  read(text: string): void {
    for (let index = 0; index < text.length;) {
      index = this.#stringStart === -1 ? this.#readStructure(text, index) : this.#readString(text, index);
    }
    this.#position += text.length;
  }

  /** Whether the container or string that starts there, inside so many open containers, has not ended yet. */
  isOpen(start: number, depth: number): boolean {
    if (depth < this.#depth) return this.#starts[depth] === start;
    return this.#stringStart === start;
  }

  #readStructure(text: string, from: number): number {
    for (let index = from; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (code === QUOTE) {
        this.#stringStart = this.#position + index;
        return index + 1;
      }
      if (code === OPEN_BRACE || code === OPEN_BRACKET) this.#open(this.#position + index);
      else if ((code === CLOSE_BRACE || code === CLOSE_BRACKET) && this.#depth > 0) this.#close();
    }
    return text.length;
  }

  #open(start: number): void {
    if (this.#depth < this.#maxDepth) this.#starts.push(start);
    this.#depth++;
  }

  #close(): void {
    this.#depth--;
    if (this.#depth < this.#starts.length) this.#starts.pop();
  }

  #readString(text: string, from: number): number {
    let index = from;
    if (this.#isEscaped) {
      this.#isEscaped = false;
      index++;
    }
    for (; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (code === QUOTE) {
        this.#stringStart = -1;
        return index + 1;
      }
      if (code === BACKSLASH && ++index === text.length) this.#isEscaped = true;
    }
    return text.length;
  }
}
