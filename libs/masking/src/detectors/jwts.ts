import { Buffer } from "node:buffer";

import { BASE64URL, isIn, WORD } from "../characters.js";
import type { HeadDetector } from "./detector.js";

/** The first member's name is enough to know a header, so that a million false starts stay cheap. */
const LOOK_AT = 64;
const HEADER_START =
  /^\s*\{\s*"(?:alg|typ|kid|enc|cty|zip|x5t|x5c|x5u|jku|jwk|crit|b64|epk|apu|apv|iv|tag|p2s|p2c|nonce|ppt|ver|iss|sub|aud)"/;
/** A header that is still longer is taken for a token before its end is seen. */
const MAX_HEADER = 16 * 1024;
/** JWS has three parts, JWE five. */
const MAX_PARTS = 5;

/**
 * JSON Web Tokens (RFC 7519): base64url parts joined by dots whose first decodes to a JOSE header. One cut off
 * after its payload began is still one, and so is `alg: none`, whose signature is empty.
 */
export const jwts: HeadDetector = {
  heads: ["eyj", "ewog"],
  find(runs, at) {
    const { text } = runs;
    if (isIn(WORD, text, at - 1) && text[at - 1] !== "_") return undefined;
    let end = runs.end(BASE64URL, at);
    if ((text[end] !== "." && end - at <= MAX_HEADER) || !isHeader(text.slice(at, end))) return undefined;
    for (let part = 1; part < MAX_PARTS && text[end] === "."; part++) end = runs.end(BASE64URL, end + 1);
    return { start: at, end: text[end - 1] === "." ? end - 1 : end, kind: "jwt" };
  },
};

function isHeader(part: string): boolean {
  return HEADER_START.test(Buffer.from(part.slice(0, LOOK_AT), "base64url").toString("latin1"));
}
