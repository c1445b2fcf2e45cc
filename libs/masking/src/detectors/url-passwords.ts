import { isNoSecret } from "../key-names.js";
import type { HeadDetector } from "./detector.js";

/** What ends the part of a URL that may hold a user and a password. */
const ENDS = new Set(" \t\r\n\"'`<>()[]{}|\\^,;/?#");
/** Passwords are often pasted without escaping; these may stand in one, when an @ still follows. */
const ENDS_ALWAYS = new Set(" \t\r\n\"'`<>");
const MAX_USERINFO = 512;

/** The password in `scheme://user:password@host`; user and host stay readable. */
export const urlPasswords: HeadDetector = {
  heads: ["://"],
  find({ text }, at) {
    const start = at + 3;
    const colon = text.slice(start, start + MAX_USERINFO).search(/[:@/\s"'<>]/);
    if (colon === -1 || text[start + colon] !== ":") return undefined;
    const password = start + colon + 1;
    const end = passwordEnd(text, password);
    if (end === undefined || isNoSecret(text.slice(password, end))) return undefined;
    return { start: password, end, kind: "password" };
  },
};

/** The last `@` before the authority ends; failing that, the first before the text ends. */
function passwordEnd(text: string, from: number): number | undefined {
  let last: number | undefined;
  const limit = Math.min(text.length, from + MAX_USERINFO);
  for (let index = from; index < limit; index++) {
    const character = text[index] ?? "";
    if (character === "@") last = index;
    else if (ENDS_ALWAYS.has(character) || (last !== undefined && ENDS.has(character))) break;
    else if (character === "/" && (text[index - 1] === ":" || looksLikePort(text.slice(from, index)))) break;
  }
  return last !== undefined && last > from ? last : undefined;
}

function looksLikePort(text: string): boolean {
  return /^[0-9]{1,5}$/.test(text);
}
