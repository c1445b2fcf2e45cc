/** Where a JSON string ends (behind its closing quote), or -1 when it does not. `at` is its opening quote. */
export interface StringToken {
  readonly end: number;
  readonly hasEscapes: boolean;
}

const QUOTE = 34;
const BACKSLASH = 92;
const SPACE = 32;

export function readString(text: string, at: number): StringToken | undefined {
  let hasEscapes = false;
  for (let index = at + 1; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === QUOTE) return { end: index + 1, hasEscapes };
    if (code < SPACE) return undefined;
    if (code === BACKSLASH) {
      hasEscapes = true;
      index++;
    }
  }
  return undefined;
}

/** The value of the string token `text.slice(start, end)`, quotes included; undefined when an escape is malformed. */
export function unescapeString(token: string): string | undefined {
  try {
    const value: unknown = JSON.parse(token);
    return typeof value === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Walks through the inside of a string token and tells where in it a position of its value stands. Positions must be
 * asked for in ascending order.
 */
export class EscapedPositions {
  readonly #text: string;
  #raw: number;
  #value = 0;

  /** `start` is behind the opening quote. */
  constructor(text: string, start: number) {
    this.#text = text;
    this.#raw = start;
  }

  rawOf(value: number): number {
    while (this.#value < value) {
      this.#raw +=
        this.#text.charCodeAt(this.#raw) === BACKSLASH ? (this.#text[this.#raw + 1] === "u" ? 6 : 2) : 1;
      this.#value++;
    }
    return this.#raw;
  }
}
