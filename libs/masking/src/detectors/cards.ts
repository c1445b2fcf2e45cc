import { ALNUM, DIGIT, isIn } from "../characters.js";
import type { DigitDetector } from "./detector.js";

const SHORTEST = 13;
const LONGEST = 19;

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
  digits: 3,
  find(text, at) {
    if (!canStart(text, at)) return undefined;
    const ends = groupEnds(text, at);
    for (let index = ends.length - 1; index >= 0; index--) {
      const end = ends[index] ?? at;
      if (isIn(ALNUM, text, end)) continue;
      if (isCardNumber(text.slice(at, end).replaceAll(/[ -]/g, ""))) return { start: at, end, kind: "card" };
    }
    return undefined;
  },
};

/** Known issuer, a length it uses, and Luhn's check digit. */
export function isCardNumber(digits: string): boolean {
  if (digits.length < SHORTEST || digits.length > LONGEST) return false;
  const known = ISSUERS.some(({ from, to, lengths }) => {
    const prefix = Number(digits.slice(0, String(from).length));
    return prefix >= from && prefix <= to && lengths.includes(digits.length);
  });
  return known && passesLuhn(digits);
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

/** Where the number could end: after each group, as long as groups are parted by the same single separator. */
function groupEnds(text: string, at: number): number[] {
  const ends: number[] = [];
  let separator: string | undefined;
  let count = 0;
  for (let index = at; count <= LONGEST; index++) {
    if (isIn(DIGIT, text, index)) {
      count++;
      continue;
    }
    ends.push(index);
    const here = text[index];
    if ((here !== " " && here !== "-") || !isIn(DIGIT, text, index + 1)) break;
    separator ??= here;
    if (here !== separator) break;
  }
  return ends;
}
