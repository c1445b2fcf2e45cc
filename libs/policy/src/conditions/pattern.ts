import { RE2JS, RE2Set } from "re2js";
import { BOUNDS } from "./bounds.js";

export interface Pattern {
  readonly isIn: (text: string) => boolean;
  /** For each UTF-16 code unit of the text. */
  readonly costPerCharacter: number;
}

const REPEAT = /\{(\d+)(?:,(\d*))?\}/g;

/**
 * A pattern of RE2, which takes time proportional to the text. `problem` says what is wrong with it. The cost is what the
 * slowest of RE2's ways to match takes, about 20 ns for each instruction and character; nearly always it is quicker.
 */
export function compilePattern(source: string): Pattern | { readonly problem: string } {
  const known = COMPILED.get(source);
  if (known) return known;
  const pattern = compile(source);
  if (COMPILED.size >= REMEMBERED) COMPILED.clear();
  if (source.length <= BOUNDS.patternLength) COMPILED.set(source, pattern);
  return pattern;
}

/** Policies are checked before they are compiled, and many rules have the same pattern, right or wrong. */
const COMPILED = new Map<string, Pattern | { readonly problem: string }>();
const REMEMBERED = 200;

function compile(source: string): Pattern | { readonly problem: string } {
  if (source.length > BOUNDS.patternLength) {
    return { problem: `shorten the pattern: it has more than ${BOUNDS.patternLength} characters` };
  }
  for (const [, least, most] of source.matchAll(REPEAT)) {
    if (Math.max(Number(least), Number(most ?? 0)) > BOUNDS.patternRepeat) {
      return { problem: `repeat less: a pattern repeats at most ${BOUNDS.patternRepeat} times` };
    }
  }
  const size = sizeOf(source);
  if (typeof size === "string") return { problem: `correct the pattern, which is RE2: ${size}` };
  if (size > BOUNDS.patternSize) {
    return { problem: `simplify the pattern: it has ${size} instructions, more than ${BOUNDS.patternSize}` };
  }
  return { isIn: matcher(source), costPerCharacter: Math.max(10, size * 2) };
}

function sizeOf(source: string): number | string {
  try {
    return RE2JS.compile(source).programSize();
  } catch (error) {
    return error instanceof Error ? error.message.replace(/^error parsing regexp: /, "") : "it is not one";
  }
}

/** A set of one pattern, because only a set takes a bound on what it remembers of the texts it has seen. */
function matcher(source: string): Pattern["isIn"] {
  let set: RE2Set | undefined;
  return (text) => {
    // Only now: documents are checked more often than they decide.
    set ??= setOf(source);
    return set.match(text).length > 0;
  };
}

function setOf(source: string): RE2Set {
  const set = new RE2Set(RE2Set.UNANCHORED, 0, BOUNDS.patternMemory);
  set.add(source);
  return set;
}
