import { LATIN_TWINS, LIKE_FOREIGN, LIKE_LATIN } from "./confusables.js";

const FULL_WIDTH = String.raw`[\uFF21-\uFF3A\uFF41-\uFF5A]`;
/** Latin letters that are drawn in another manner: full width, mathematical, in circles. */
const STYLED = String.raw`[\uFF21-\uFF3A\uFF41-\uFF5A\u{1D400}-\u{1D7CB}\u24B6-\u24E9]`;
const FOREIGN = String.raw`[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}]`;
const LATIN = String.raw`\p{Script=Latin}`;

const WORDS = /[\p{L}\p{M}\u24B6-\u24E9]+/gu;
const HAS_STYLED = new RegExp(STYLED, "u");
const HAS_FOREIGN = new RegExp(FOREIGN, "u");
const HAS_LATIN = new RegExp(LATIN, "u");
const HAS_PLAIN_LATIN = new RegExp(`(?!${STYLED})${LATIN}`, "u");
const HAS_UNLIKE_LATIN = new RegExp(`(?!${LIKE_LATIN})${FOREIGN}`, "u");
const HAS_UNLIKE_FOREIGN = new RegExp(`(?!${LIKE_FOREIGN})${LATIN}`, "u");
const HAS_STYLED_OF_ANY_WIDTH = new RegExp(`(?!${FULL_WIDTH})${STYLED}`, "u");
const LATIN_LETTERS = new RegExp(LATIN, "gu");
const FOREIGN_LETTERS = new RegExp(FOREIGN, "gu");
const STYLED_LETTERS = new RegExp(STYLED, "gu");
/** A word in letters of other scripts, every one of which looks like a Latin one. */
const LATIN_IN_DISGUISE = new RegExp(String.raw`^\p{M}*(?:${LATIN_TWINS}\p{M}*)+$`, "u");
/** Formulas and units: αx, ηr. */
const GREEK_FORMULA = /^(?:\p{Script=Greek}\p{Script=Latin}|\p{Script=Latin}\p{Script=Greek})\p{M}*$/u;
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
  if (!HAS_FOREIGN.test(text) && !HAS_STYLED.test(text)) return false;
  const hasFullWidthText = EAST_ASIAN.test(text);
  return wordsOf(text).some((word) => isMixed(word) || isStyled(word, hasFullWidthText));
}

/** The same for a name, in which a whole word of look-alikes counts too. */
export function isConfusableName(name: string): boolean {
  return HAS_STYLED.test(name) || wordsOf(name).some((word) => LATIN_IN_DISGUISE.test(word));
}

function wordsOf(text: string): readonly string[] {
  return text.match(WORDS) ?? [];
}

function isMixed(word: string): boolean {
  if (!HAS_FOREIGN.test(word) || !HAS_LATIN.test(word)) return false;
  if (ACRONYM_WITH_ENDING.test(word) || GREEK_FORMULA.test(word)) return false;
  if (!HAS_UNLIKE_LATIN.test(word)) return true;
  return !HAS_UNLIKE_FOREIGN.test(word) && count(word, LATIN_LETTERS) < count(word, FOREIGN_LETTERS);
}

function isStyled(word: string, hasFullWidthText: boolean): boolean {
  if (!HAS_STYLED.test(word)) return false;
  if (HAS_PLAIN_LATIN.test(word)) return true;
  return count(word, STYLED_LETTERS) > 1 && !(hasFullWidthText && !HAS_STYLED_OF_ANY_WIDTH.test(word));
}

function count(text: string, letters: RegExp): number {
  return text.match(letters)?.length ?? 0;
}
