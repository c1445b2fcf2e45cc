import { Buffer } from "node:buffer";

import { BASE64, isIn, ALNUM } from "../characters.js";
import type { HeadDetector } from "./detector.js";

const PEM_HEAD = "-----begin ";
const ENCODED_HEAD = "ls0tls1crudjti";
const PUTTY_HEAD = "putty-user-key-file-";
/** `-----BEGIN ENCRYPTED PRIVATE KEY-----` and the longest others fit. */
const MAX_LABEL = 64;

/**
 * Private keys in PEM, OpenSSH, PGP and PuTTY form, and PEM that is base64 once more. Line ends may be written in any
 * way. Without its end line a key reaches to the end of the text: better too much than half a key.
 */
export const privateKeys: HeadDetector = {
  heads: [PEM_HEAD, ENCODED_HEAD, PUTTY_HEAD],
  find(runs, at) {
    const head = runs.text.slice(at, at + 4);
    if (head === "LS0t") return encodedPem(runs.text, at, runs.end(BASE64, at));
    if (head === "PuTT") return { start: at, end: runs.text.length, kind: "private-key" };
    return head === "----" ? pem(runs.text, at) : undefined;
  },
};

function pem(text: string, at: number) {
  const labelStart = at + PEM_HEAD.length;
  const label = text.slice(labelStart, labelStart + MAX_LABEL).split("-----", 1)[0] ?? "";
  if (!label.includes("PRIVATE KEY")) return undefined;
  const endLine = text.indexOf("-----END", labelStart);
  const close = endLine === -1 ? -1 : text.indexOf("-----", endLine + 8);
  return { start: at, end: close === -1 ? text.length : close + 5, kind: "private-key" } as const;
}

function encodedPem(text: string, at: number, end: number) {
  if (isIn(ALNUM, text, at - 1)) return undefined;
  const start = Buffer.from(text.slice(at, at + 88), "base64").toString("latin1");
  return start.includes("PRIVATE KEY") ? ({ start: at, end, kind: "private-key" } as const) : undefined;
}
