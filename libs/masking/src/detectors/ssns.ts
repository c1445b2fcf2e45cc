import { ALNUM, isIn } from "../characters.js";
import type { DigitDetector } from "./detector.js";

const SHAPE = /([0-9]{3})([- ])([0-9]{2})\2([0-9]{4})(?![0-9A-Za-z]|[- ][0-9])/y;

/** United States social security numbers with their separators; nine bare digits are too many other things. */
export const ssns: DigitDetector = {
  digits: 3,
  find(text, at) {
    if (isIn(ALNUM, text, at - 1) || text[at - 1] === "-" || text[at - 1] === ".") return undefined;
    SHAPE.lastIndex = at;
    const [whole, area, , group, serial] = SHAPE.exec(text) ?? [];
    if (whole === undefined || area === undefined) return undefined;
    const issued = area !== "000" && area !== "666" && area < "900" && group !== "00" && serial !== "0000";
    return issued ? { start: at, end: at + whole.length, kind: "ssn" } : undefined;
  },
};
