import { characters, isIn } from "../characters.js";
import { isNoSecret } from "../key-names.js";
import type { HeadDetector } from "./detector.js";

/** What no password in a URL contains, however carelessly it was pasted. */
const NEVER = characters(" ", "\t", "\r", "\n", '"', "'", "`", "<", ">");
/** What ends the host; behind an @ it ends the look-out for another. */
const AFTER_HOST = characters("(", ")", "[", "]", "{", "}", "|", "\\", "^", ",", ";", "/", "?", "#");
const MAX_USERINFO = 256;

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

/** The last `@` before the host ends. */
function passwordEnd(text: string, from: number): number | undefined {
  let last: number | undefined;
  const limit = Math.min(text.length, from + MAX_USERINFO);
  for (let index = from; index < limit && !isIn(NEVER, text, index); index++) {
    if (text[index] === "@") last = index;
    else if (last !== undefined ? isIn(AFTER_HOST, text, index) : endsPort(text, from, index)) break;
  }
  return last !== undefined && last > from ? last : undefined;
}

/** `host:8080/path` has no password, though an @ may follow somewhere; nor does one reach into the next URL. */
function endsPort(text: string, from: number, slash: number): boolean {
  if (text[slash] !== "/") return false;
  return text[slash - 1] === ":" || (slash - from <= 5 && /^[0-9]*$/.test(text.slice(from, slash)));
}
