import { RE2JS } from "re2js";
import { BOUNDS } from "./bounds.js";

export interface Pattern {
  readonly isIn: (text: string) => boolean;
  /** For each UTF-16 code unit of the text. */
  readonly costPerCharacter: number;
}

const REPEAT = /\{(\d+)(?:,(\d*))?\}/g;

/**
 * A pattern of RE2, which takes time proportional to the text. `problem` says what is wrong with it. The cost is what the
 * slowest of RE2's ways to match takes, at most 20 ns for each instruction and character.
 */
export function compilePattern(source: string): Pattern | { readonly problem: string } {
  if (source.length > BOUNDS.patternLength) {
    return { problem: `shorten the pattern: it has more than ${BOUNDS.patternLength} characters` };
  }
  for (const [, least, most] of source.matchAll(REPEAT)) {
    if (Math.max(Number(least), Number(most ?? 0)) > BOUNDS.patternRepeat) {
      return { problem: `repeat less: a pattern repeats at most ${BOUNDS.patternRepeat} times` };
    }
  }
  const compiled = compile(source);
  if (typeof compiled === "string") return { problem: `correct the pattern, which is RE2: ${compiled}` };
  const size = compiled.programSize();
  if (size > BOUNDS.patternSize) {
    return { problem: `simplify the pattern: it has ${size} instructions, more than ${BOUNDS.patternSize}` };
  }
  return { isIn: (text) => compiled.test(text), costPerCharacter: Math.max(20, size * 2) };
}

function compile(source: string): RE2JS | string {
  try {
    return RE2JS.compile(source);
  } catch (error) {
    return error instanceof Error ? error.message.replace(/^error parsing regexp: /, "") : "it is not one";
  }
}
