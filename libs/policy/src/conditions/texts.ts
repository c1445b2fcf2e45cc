import type { Meter } from "./meter.js";

const SHORT = 16;
const TRIES = 8;

/** The number of characters, which is that of code points. */
export function countCharacters(text: string): number {
  let count = text.length;
  for (let index = 0; index < text.length - 1; index++) {
    if ((text.charCodeAt(index) & 0xfc_00) !== 0xd8_00) continue;
    if ((text.charCodeAt(index + 1) & 0xfc_00) !== 0xdc_00) continue;
    count--;
    index++;
  }
  return count;
}

/**
 * As `text.includes(part)`, which can take time proportional to the product of both lengths: this takes that of the sum.
 * Undefined when it was too costly.
 */
export function contains(text: string, part: string, meter: Meter): boolean | undefined {
  if (!meter.spend(text.length / 4)) return undefined;
  if (part.length <= SHORT) return text.includes(part);
  const head = part.slice(0, SHORT);
  let from = text.indexOf(head);
  for (let tries = 0; from !== -1 && tries < TRIES; tries++) {
    if (!meter.spend(part.length / 8)) return undefined;
    if (text.startsWith(part, from)) return true;
    from = text.indexOf(head, from + 1);
  }
  if (from === -1) return false;
  // The text is full of beginnings of the part.
  if (!meter.spend((text.length - from + part.length) * 3)) return undefined;
  return searchByBorders(text.slice(from), part);
}

/** The algorithm of Knuth, Morris and Pratt. */
function searchByBorders(text: string, part: string): boolean {
  const border = bordersOf(part);
  let matched = 0;
  for (let index = 0; index < text.length; index++) {
    const character = text.charCodeAt(index);
    while (matched > 0 && part.charCodeAt(matched) !== character) matched = border[matched - 1] ?? 0;
    if (part.charCodeAt(matched) === character) matched++;
    if (matched === part.length) return true;
  }
  return false;
}

/** Of each beginning of the text, the length of the longest shorter one that is its end as well. */
function bordersOf(part: string): Uint32Array {
  const border = new Uint32Array(part.length);
  let matched = 0;
  for (let index = 1; index < part.length; index++) {
    const character = part.charCodeAt(index);
    while (matched > 0 && part.charCodeAt(matched) !== character) matched = border[matched - 1] ?? 0;
    if (part.charCodeAt(matched) === character) matched++;
    border[index] = matched;
  }
  return border;
}

/** A to Z alone: others have no lower case that every program agrees on. */
export function lowerAscii(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

export function upperAscii(text: string): string {
  return text.replace(/[a-z]+/g, (letters) => letters.toUpperCase());
}
