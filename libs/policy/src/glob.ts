/** A compiled glob. `literal` is what stands before its first wildcard. */
export interface Glob {
  readonly literal: string;
  readonly matches: (name: string) => boolean;
}

const WILDCARD = /[*?]/;

/** True when the text has no wildcard, so that equality decides. */
export function isExact(glob: string): boolean {
  return !WILDCARD.test(glob);
}

// Up to here searching for the texts between the stars is quicker than the automaton, and still bounded: at most
// (pattern length × name length) comparisons.
const SHORT_NAME = 512;

/**
 * `*` stands for any characters, also none and also `/`; `?` for exactly one; nothing else is special, and case counts.
 * The pattern becomes a nondeterministic automaton with one bit a state, so that matching costs at most
 * (pattern length / 32) steps a character: no pattern and no name makes it slow.
 */
export function compileGlob(glob: string): Glob {
  const literal = glob.slice(0, glob.search(WILDCARD) === -1 ? glob.length : glob.search(WILDCARD));
  if (isExact(glob)) return { literal, matches: (name) => name === glob };
  if (glob === `${literal}*`) return { literal, matches: (name) => name.startsWith(literal) };
  const automaton = buildAutomaton(glob);
  const matchesAny = (name: string) => name.startsWith(literal) && run(automaton, name);
  // Half a surrogate pair in a pattern would be found inside a whole one in a name.
  if (glob.includes("?") || !glob.isWellFormed()) return { literal, matches: matchesAny };
  const texts = glob.split("*");
  return {
    literal,
    matches: (name) => (name.length > SHORT_NAME ? matchesAny(name) : matchesTexts(texts, name)),
  };
}

/** Whether the name is these texts in order, the first at its start, the last at its end, anything in between. */
function matchesTexts(texts: readonly string[], name: string): boolean {
  const first = texts[0] ?? "";
  const last = texts.at(-1) ?? "";
  const end = name.length - last.length;
  if (!name.startsWith(first) || !name.endsWith(last)) return false;
  let position = first.length;
  // The earliest place of each text leaves the most room for the others.
  for (let index = 1; index < texts.length - 1; index++) {
    const text = texts[index] ?? "";
    const found = name.indexOf(text, position);
    if (found === -1) return false;
    position = found + text.length;
  }
  return position <= end;
}

/**
 * State i is "the first i single-character tokens are matched". `step` says, for each character, in which states the
 * next token accepts it; `stay` marks the states that have a `*` and therefore accept anything without moving.
 */
interface Automaton {
  readonly words: number;
  readonly final: number;
  readonly stay: Uint32Array;
  readonly step: ReadonlyMap<string, Uint32Array>;
  readonly stepOther: Uint32Array;
}

function buildAutomaton(glob: string): Automaton {
  const characters = Array.from(glob);
  const tokens = characters.filter((character) => character !== "*");
  const words = Math.floor(tokens.length / 32) + 1;
  const stay = new Uint32Array(words);
  const stepOther = new Uint32Array(words);
  let state = 0;
  for (const character of characters) {
    if (character === "*") setBit(stay, state);
    else if (character === "?") setBit(stepOther, state++);
    else state++;
  }
  const step = new Map<string, Uint32Array>();
  for (const [index, token] of tokens.entries()) {
    if (token === "?") continue;
    const accepts = step.get(token) ?? stepOther.slice();
    setBit(accepts, index);
    step.set(token, accepts);
  }
  return { words, final: tokens.length, stay, step, stepOther };
}

function run(automaton: Automaton, name: string): boolean {
  let states = new Uint32Array(automaton.words);
  let next = new Uint32Array(automaton.words);
  states[0] = 1;
  for (const character of name) {
    const accepts = automaton.step.get(character) ?? automaton.stepOther;
    let carry = 0;
    let alive = 0;
    for (let word = 0; word < automaton.words; word++) {
      const current = states[word] ?? 0;
      const moving = current & (accepts[word] ?? 0);
      const reached = (moving << 1) | carry | (current & (automaton.stay[word] ?? 0));
      carry = moving >>> 31;
      next[word] = reached;
      alive |= reached;
    }
    if (alive === 0) return false;
    [states, next] = [next, states];
  }
  return ((states[automaton.final >>> 5] ?? 0) & (1 << (automaton.final & 31))) !== 0;
}

function setBit(bits: Uint32Array, index: number): void {
  bits[index >>> 5] = (bits[index >>> 5] ?? 0) | (1 << (index & 31));
}
