import { ALNUM, isIn } from "../characters.js";
import type { DigitDetector } from "./detector.js";

const SHAPE = /[0-9]{3}([- ])[0-9]{2}\1[0-9]{4}(?![0-9A-Za-z]|[- ][0-9])/y;

/** United States social security numbers with their separators; nine bare digits are too many other things. */
export const ssns: DigitDetector = {
  find(text, at) {
    const separator = text[at + 3];
    if ((separator !== "-" && separator !== " ") || !canStart(text, at)) return undefined;
    SHAPE.lastIndex = at;
    const [whole] = SHAPE.exec(text) ?? [];
    if (whole === undefined || !isIssued(whole)) return undefined;
    return { start: at, end: at + whole.length, kind: "ssn" };
  },
};

function canStart(text: string, at: number): boolean {
  return !isIn(ALNUM, text, at - 1) && text[at - 1] !== "-" && text[at - 1] !== ".";
}

/** Areas 000, 666 and 900 to 999, group 00 and serial 0000 are never issued. */
function isIssued(number: string): boolean {
  return !/^(?:000|666|9)|^.{4}00|0000$/.test(number);
}
