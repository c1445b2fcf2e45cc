import { ALNUM, BASE64URL, characters, DIGIT, isIn, type Runs } from "../characters.js";
import type { HeadDetector } from "./detector.js";

const TELEGRAM = ":aa";
const AZURE = "q~";
const AZURE_BODY = characters("0-9", "A-Z", "a-z", "_~.-");

/**
 * Tokens whose distinctive part stands inside: Telegram's `<8 to 10 digits>:AA…` (core.telegram.org/bots/api) and
 * Microsoft Entra's client secrets, three characters, a digit, `Q~` and the rest
 * (learn.microsoft.com/entra/identity-platform).
 */
export const infixTokens: HeadDetector = {
  heads: [TELEGRAM, AZURE],
  find(runs, at) {
    const range = runs.text[at] === ":" ? telegram(runs, at) : azure(runs, at);
    return range && !isIn(ALNUM, runs.text, range.start - 1) ? { ...range, kind: "token" } : undefined;
  },
};

interface Range {
  readonly start: number;
  readonly end: number;
}

function telegram(runs: Runs, at: number): Range | undefined {
  let start = at;
  while (at - start <= 10 && isIn(DIGIT, runs.text, start - 1)) start--;
  const end = runs.end(BASE64URL, at + 1);
  const hasShape = at - start >= 8 && at - start <= 10 && end - at >= 34 && end - at <= 38;
  return hasShape && runs.text.startsWith(":AA", at) ? { start, end } : undefined;
}

function azure(runs: Runs, at: number): Range | undefined {
  const end = runs.end(AZURE_BODY, at + 1);
  const hasShape = at >= 4 && isIn(DIGIT, runs.text, at - 1) && end - at >= 33 && end - at <= 38;
  return hasShape && runs.text.startsWith("Q~", at) ? { start: at - 4, end } : undefined;
}
