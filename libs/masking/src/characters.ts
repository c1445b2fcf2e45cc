/** Which of the 128 ASCII characters belong to a class. Others never do. */
export type CharacterSet = Uint8Array;

/** Builds a class from ranges such as `A-Z` and single characters; a literal dash comes last. */
export function characters(...parts: string[]): CharacterSet {
  const set = new Uint8Array(128);
  for (const part of parts) {
    const isRange = part.length === 3 && part[1] === "-";
    const codes = isRange
      ? range(part.charCodeAt(0), part.charCodeAt(2))
      : Array.from(part, (c) => c.charCodeAt(0));
    for (const code of codes) set[code] = 1;
  }
  return set;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

export const DIGIT = characters("0-9");
export const UPPER = characters("A-Z");
export const ALNUM = characters("0-9", "A-Z", "a-z");
export const WORD = characters("0-9", "A-Z", "a-z", "_");
export const BASE64URL = characters("0-9", "A-Z", "a-z", "_-");
export const BASE64 = characters("0-9", "A-Z", "a-z", "+/=");
export const HEX = characters("0-9", "a-f", "A-F");
export const LOWER_ALNUM = characters("0-9", "a-z");
export const UPPER_ALNUM = characters("0-9", "A-Z");

export function isIn(set: CharacterSet, text: string, index: number): boolean {
  return set[text.charCodeAt(index)] === 1;
}

/**
 * Finds where runs of a class end, in one text. Remembers the last run of each class, so that asking again from inside
 * it costs nothing: without that, a text of a million token heads would be read a million times.
 */
export class Runs {
  readonly text: string;
  readonly #last = new Map<CharacterSet, { start: number; end: number }>();

  constructor(text: string) {
    this.text = text;
  }

  /** The first position at or after `from` that is not in the set. */
  end(set: CharacterSet, from: number): number {
    const last = this.#last.get(set);
    if (last && from >= last.start && from < last.end) return last.end;
    let end = from;
    while (set[this.text.charCodeAt(end)] === 1) end++;
    if (end > from) this.#last.set(set, { start: from, end });
    return end;
  }
}
