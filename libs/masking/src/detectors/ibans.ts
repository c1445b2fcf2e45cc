import { ALNUM, isIn, UPPER } from "../characters.js";
import type { DigitDetector } from "./detector.js";

/** Lengths by country, from the SWIFT IBAN registry. */
const LENGTHS = new Map(
  (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 " +
    "ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 " +
    "LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 " +
    "PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30"
  )
    .split(" ")
    .map((entry) => [entry.slice(0, 2), Number(entry.slice(2))] as const),
);

/** International bank account numbers, plain or in groups; the check digits decide. */
export const ibans: DigitDetector = {
  find(text, at) {
    const start = at - 2;
    const length = canStart(text, start) ? LENGTHS.get(text.slice(start, at)) : undefined;
    const number = length === undefined ? undefined : readGroups(text, start, length);
    if (!number || isIn(ALNUM, text, number.end) || !passesMod97(number.compact)) return undefined;
    return { start, end: number.end, kind: "iban" };
  },
};

function canStart(text: string, start: number): boolean {
  return isIn(UPPER, text, start) && isIn(UPPER, text, start + 1) && !isIn(ALNUM, text, start - 1);
}

/** Reads so many letters and digits, with single spaces or dashes between them. */
function readGroups(
  text: string,
  start: number,
  length: number,
): { compact: string; end: number } | undefined {
  let compact = "";
  let end = start;
  for (; compact.length < length; end++) {
    if (isIn(ALNUM, text, end)) compact += text[end];
    else if ((text[end] !== " " && text[end] !== "-") || !isIn(ALNUM, text, end + 1)) return undefined;
  }
  return { compact: compact.toUpperCase(), end };
}

function passesMod97(iban: string): boolean {
  let remainder = 0;
  for (const character of iban.slice(4) + iban.slice(0, 4)) {
    const value = Number.parseInt(character, 36);
    remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97;
  }
  return remainder === 1;
}
