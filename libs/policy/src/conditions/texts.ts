const SHORT = 16;

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

export function containsCost(text: string, part: string): number {
  return part.length <= SHORT ? text.length / 8 : text.length / 2 + part.length;
}

/** As `text.includes(part)`, which can take time proportional to the product of both lengths: this takes that of the sum. */
export function contains(text: string, part: string): boolean {
  if (part.length <= SHORT) return text.includes(part);
  if (part.length > text.length) return false;
  return searchByBorders(text, part);
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
