import { type Token, Unreadable } from "./tokens.js";

/** Beyond these the parser would take too long, or run out of its stack; real statements are far below. */
const MAX_WORK = 8000;
const MAX_STATEMENTS = 300;
const MAX_PARENTHESES = 24;
const MAX_DEPTH = 200;

/** What stands in these the parser tries so often when it does not understand it, at every level of them anew. */
const TRIED_AGAIN = new Map([
  ["cast", 2],
  ["convert", 2],
  ["substring", 2],
  ["substr", 2],
  ["trim", 2],
  ["extract", 2],
  ["match", 2],
  ["interval", 2],
  ["position", 4],
]);

/** Words of which each makes the syntax tree one level deeper, when they stand one after another. */
const DEEPENING = new Set(
  "and or xor not like rlike regexp in is between div mod collate binary union except intersect member sounds case interval escape".split(
    " ",
  ),
);
const FLAT_SYMBOLS = new Set([",", "(", ")", ".", ";", "?"]);

interface Level {
  /** How deep what stands here since the last comma is, and what stood in parentheses in it; the most there was. */
  depth: number;
  inner: number;
  deepest: number;
  /** How often a token is looked at here; more than at the start of the level after INTERVAL and CASE, which have no parentheses. */
  times: number;
  readonly timesAtStart: number;
}

const levelOf = (times: number): Level => ({ depth: 0, inner: 0, deepest: 0, times, timesAtStart: times });

/** What parsing the statements of one operation costs, by their tokens; too much is refused before it is tried. */
export class Work {
  #work = 0;
  #statements = 0;

  add(tokens: readonly Token[]): void {
    this.#statements++;
    this.#work += 8 + workOf(tokens);
    if (this.#work > MAX_WORK || this.#statements > MAX_STATEMENTS) {
      throw new Unreadable("it has too many parts, or parts too deep within each other", false);
    }
  }
}

/** Adds up the tokens that the parser gets to see, those that it may see several times so often. */
function workOf(tokens: readonly Token[]): number {
  const levels: Level[] = [levelOf(1)];
  let work = 0;
  for (const [at, token] of tokens.entries()) {
    const level = levels.at(-1);
    if (level === undefined) throw new Unreadable("a parenthesis closes nothing", false);
    work += level.times;
    step(token, { before: tokens[at - 1], levels, level });
    if (levels.length > MAX_PARENTHESES || level.depth + level.inner > MAX_DEPTH || work > MAX_WORK) {
      return Infinity;
    }
  }
  if (levels.length > 1) throw new Unreadable("a parenthesis is not closed", false);
  return work;
}

interface Place {
  readonly before: Token | undefined;
  readonly levels: Level[];
  readonly level: Level;
}

function step(token: Token, place: Place): void {
  const { level } = place;
  if (token.kind === "word") {
    if (DEEPENING.has(token.lower)) level.depth++;
    if (token.lower === "interval" || token.lower === "case") level.times *= 2;
    if (token.lower === "end" && level.times > level.timesAtStart) level.times /= 2;
  } else if (token.kind === "symbol") {
    stepSymbol(token.text, place);
  }
}

function stepSymbol(symbol: string, { before, levels, level }: Place): void {
  if (symbol === "(") {
    const times = before?.kind === "word" ? (TRIED_AGAIN.get(before.lower) ?? 1) : 1;
    levels.push(levelOf(level.times * times));
  } else if (symbol === ")") {
    levels.pop();
    endPart(level);
    const outer = levels.at(-1);
    if (outer !== undefined) outer.inner = Math.max(outer.inner, level.deepest + 1);
  } else if (symbol === ",") {
    endPart(level);
  } else if (!FLAT_SYMBOLS.has(symbol)) {
    level.depth++;
  }
}

function endPart(level: Level): void {
  level.deepest = Math.max(level.deepest, level.depth + level.inner);
  level.depth = 0;
  level.inner = 0;
  level.times = level.timesAtStart;
}
