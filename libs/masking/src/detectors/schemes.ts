import { Buffer } from "node:buffer";

import { ALNUM, BASE64, characters, isIn } from "../characters.js";
import type { HeadDetector } from "./detector.js";

const BEARER = "bearer ";
const BASIC = "basic ";
const TOKEN68 = characters("0-9", "A-Z", "a-z", "._~+/=-");
const MIN_BEARER = 16;

/** `Bearer <token>` and `Basic <user:password>` wherever they stand (RFC 6750, RFC 7617). */
export const schemes: HeadDetector = {
  heads: [BEARER, BASIC],
  find(runs, at) {
    const { text } = runs;
    if (isIn(ALNUM, text, at - 1)) return undefined;
    const isBearer = text.slice(at, at + BEARER.length).toLowerCase() === BEARER;
    const start = at + (isBearer ? BEARER : BASIC).length;
    const end = runs.end(isBearer ? TOKEN68 : BASE64, start);
    const value = text.slice(start, Math.min(end, start + 4096));
    const isSecret = isBearer ? value.length >= MIN_BEARER && /[0-9]/.test(value) : decodesToPair(value);
    return isSecret ? { start, end, kind: isBearer ? "token" : "password" } : undefined;
  },
};

function decodesToPair(value: string): boolean {
  return (
    value.length >= 8 && /^[\x20-\x7e]+:[\x20-\x7e]*$/.test(Buffer.from(value, "base64").toString("latin1"))
  );
}
