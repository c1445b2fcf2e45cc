import { isLatinTwin, looksForeign, looksLatin } from "./confusables.js";

/** Latin letters that are drawn in another manner: full width, mathematical, in circles. */
const STYLED = /[\uFF21-\uFF3A\uFF41-\uFF5A\u{1D400}-\u{1D7CB}\u24B6-\u24E9]/u;
const WORDS = /[\p{L}\p{M}\u24B6-\u24E9]+/gu;
const MARK = /\p{M}/u;
const LATIN = /\p{Script=Latin}/u;
const FOREIGN = /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}]/u;
const GREEK = /\p{Script=Greek}/u;
const FULL_WIDTH = /[\uFF21-\uFF3A\uFF41-\uFF5A]/u;
/** Writers of these use full width in ordinary text. */
const EAST_ASIAN = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u;
/** PDFы, SQLем: an acronym with an ending, which no one takes for one word of one script. */
const ACRONYM_WITH_ENDING = /^(?:(?=\p{Script=Latin})\p{Lu}){2,}(?:(?!\p{Script=Latin})\p{Ll})+$/u;

/**
 * Whether a word of the text passes for one of another script: a Latin word in which letters were replaced by others that
 * look the same, or the other way round, or one in letters that only look like letters. Words of two scripts that nobody
 * could mistake (μs, kΩ, an acronym with its ending) are none.
 */
export function hasConfusableWord(text: string): boolean {
  if (!FOREIGN.test(text) && !STYLED.test(text)) return false;
  const hasFullWidthText = EAST_ASIAN.test(text);
  return wordsOf(text).some((word) => isMixed(word) || isStyled(word, hasFullWidthText));
}

/** The same for a name, in which a whole word of look-alikes counts too. */
export function isConfusableName(name: string): boolean {
  return STYLED.test(name) || wordsOf(name).some(isLatinInDisguise);
}

function isLatinInDisguise(word: string): boolean {
  const letters = lettersOf(word);
  return letters.length > 0 && letters.every(isLatinTwin);
}

function wordsOf(text: string): readonly string[] {
  return text.match(WORDS) ?? [];
}

function lettersOf(word: string): readonly string[] {
  return Array.from(word).filter((character) => !MARK.test(character));
}

function isMixed(word: string): boolean {
  if (!FOREIGN.test(word) || !LATIN.test(word) || ACRONYM_WITH_ENDING.test(word)) return false;
  const letters = lettersOf(word);
  // Formulas and units: αx, ηr.
  if (letters.length <= 2 && GREEK.test(word)) return false;
  const latin = letters.filter((letter) => LATIN.test(letter));
  const foreign = letters.filter((letter) => FOREIGN.test(letter));
  return foreign.every(looksLatin) || (latin.length < foreign.length && latin.every(looksForeign));
}

function isStyled(word: string, hasFullWidthText: boolean): boolean {
  if (!STYLED.test(word)) return false;
  const letters = lettersOf(word);
  const styled = letters.filter((letter) => STYLED.test(letter));
  if (letters.some((letter) => LATIN.test(letter) && !STYLED.test(letter))) return true;
  return styled.length > 1 && !(hasFullWidthText && styled.every((letter) => FULL_WIDTH.test(letter)));
}
