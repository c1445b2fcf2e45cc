import { ALNUM, characters, DIGIT, isIn } from "../characters.js";
import type { DigitDetector } from "./detector.js";

const SHORTEST = 13;
const LONGEST = 19;
const PREFIX_DIGITS = 4;
const FIRST_DIGIT = characters("2-6", "8");

/** Issuer prefixes with the lengths they use (ISO/IEC 7812; the networks' published ranges). */
const ISSUERS: readonly {
  readonly from: number;
  readonly to: number;
  readonly lengths: readonly number[];
}[] = [
  { from: 4, to: 4, lengths: [13, 16, 19] }, // Visa
  { from: 51, to: 55, lengths: [16] }, // Mastercard
  { from: 2221, to: 2720, lengths: [16] }, // Mastercard
  { from: 34, to: 34, lengths: [15] }, // American Express
  { from: 37, to: 37, lengths: [15] }, // American Express
  { from: 300, to: 305, lengths: [14, 16, 17, 18, 19] }, // Diners Club
  { from: 3095, to: 3095, lengths: [14, 16, 17, 18, 19] }, // Diners Club
  { from: 36, to: 36, lengths: [14, 15, 16, 17, 18, 19] }, // Diners Club
  { from: 38, to: 39, lengths: [14, 16, 17, 18, 19] }, // Diners Club
  { from: 6011, to: 6011, lengths: [16, 17, 18, 19] }, // Discover
  { from: 644, to: 659, lengths: [16, 17, 18, 19] }, // Discover
  { from: 3528, to: 3589, lengths: [16, 17, 18, 19] }, // JCB
  { from: 62, to: 62, lengths: [16, 17, 18, 19] }, // UnionPay
  { from: 81, to: 82, lengths: [16] }, // UnionPay, RuPay
  { from: 60, to: 60, lengths: [16] }, // RuPay
  { from: 2200, to: 2204, lengths: [16, 17, 18, 19] }, // Mir
  { from: 5018, to: 5018, lengths: [13, 14, 15, 16, 17, 18, 19] }, // Maestro
  { from: 5020, to: 5020, lengths: [13, 14, 15, 16, 17, 18, 19] }, // Maestro
  { from: 5038, to: 5038, lengths: [13, 14, 15, 16, 17, 18, 19] }, // Maestro
  { from: 5067, to: 5067, lengths: [16, 17, 18, 19] }, // Elo, Verve
  { from: 6304, to: 6304, lengths: [13, 14, 15, 16, 17, 18, 19] }, // Maestro
  { from: 6759, to: 6763, lengths: [13, 14, 15, 16, 17, 18, 19] }, // Maestro
];

/** Payment card numbers, plain or in groups parted by single spaces or dashes. */
export const cards: DigitDetector = {
  find(text, at) {
    if (!isIn(FIRST_DIGIT, text, at) || !canStart(text, at)) return undefined;
    const { digits, ends } = readGroups(text, at);
    for (const { end, count } of ends.reverse()) {
      if (!isIn(ALNUM, text, end) && isCardNumber(digits.slice(0, count)))
        return { start: at, end, kind: "card" };
    }
    return undefined;
  },
};

/** Known issuer, a length it uses, and Luhn's check digit. */
export function isCardNumber(digits: string): boolean {
  if (digits.length < SHORTEST || digits.length > LONGEST || !passesLuhn(digits)) return false;
  const prefix = Number(digits.slice(0, PREFIX_DIGITS));
  return ISSUERS.some(({ from, to, lengths }) => {
    const scale = 10 ** (PREFIX_DIGITS - String(from).length);
    return prefix >= from * scale && prefix < (to + 1) * scale && lengths.includes(digits.length);
  });
}

function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let index = 0; index < digits.length; index++) {
    const digit = digits.charCodeAt(digits.length - 1 - index) - 48;
    const doubled = index % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

/** Not inside a word or a longer number; `%B` is how a magnetic stripe starts. */
function canStart(text: string, at: number): boolean {
  if (!isIn(ALNUM, text, at - 1)) return text[at - 1] !== "." || !isIn(DIGIT, text, at - 2);
  return text[at - 1] === "B" && text[at - 2] === "%";
}

interface Groups {
  readonly digits: string;
  /** Where the number could end, and how many digits it would have. */
  readonly ends: { readonly end: number; readonly count: number }[];
}

/** Reads groups of digits as long as the same single separator parts them. */
function readGroups(text: string, at: number): Groups {
  const ends: { end: number; count: number }[] = [];
  let digits = "";
  let separator: string | undefined;
  for (let index = at; digits.length <= LONGEST; index++) {
    const here = text[index];
    if (isIn(DIGIT, text, index)) {
      digits += here;
      continue;
    }
    if (digits.length >= SHORTEST) ends.push({ end: index, count: digits.length });
    separator ??= here;
    if (!isSeparator(here) || here !== separator || !isIn(DIGIT, text, index + 1)) break;
  }
  return { digits, ends };
}

function isSeparator(character: string | undefined): boolean {
  return character === " " || character === "-";
}
