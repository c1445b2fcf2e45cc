import { ALNUM, characters, isIn } from "../characters.js";
import type { HeadDetector } from "./detector.js";

const LOCAL = characters("0-9", "A-Z", "a-z", "._%+'-");
const DOMAIN = characters("0-9", "A-Z", "a-z", ".-");
/** RFC 5321, section 4.5.3.1. */
const MAX_LOCAL = 64;
const MAX_DOMAIN = 255;
/** `name@2x.png` is a file and `git@host` a login that everybody shares. */
const FILES = new Set([
  "png",
  "jpg",
  "jpeg",
  "gif",
  "svg",
  "webp",
  "js",
  "ts",
  "css",
  "json",
  "html",
  "md",
  "py",
  "go",
  "rs",
  "service",
  "timer",
  "socket",
  "target",
  "mount",
]);
const SHARED_LOGINS = new Set(["git", "hg", "svn"]);

export const emails: HeadDetector = {
  heads: ["@"],
  find(runs, at) {
    const start = localStart(runs.text, at);
    if (start === at || SHARED_LOGINS.has(runs.text.slice(start, at))) return undefined;
    const end = domainEnd(runs.text, runs.end(DOMAIN, at + 1));
    if (end - at > MAX_DOMAIN || !isMailDomain(runs.text.slice(at + 1, end))) return undefined;
    return { start, end, kind: "email" };
  },
};

function localStart(text: string, at: number): number {
  let start = at;
  while (at - start < MAX_LOCAL && isIn(LOCAL, text, start - 1)) start--;
  while (start < at && !isIn(ALNUM, text, start) && text[start] !== "_") start++;
  return start;
}

function domainEnd(text: string, end: number): number {
  let last = end;
  while (text[last - 1] === "." || text[last - 1] === "-") last--;
  return last;
}

function isMailDomain(domain: string): boolean {
  const labels = domain.split(".");
  const top = labels.at(-1) ?? "";
  if (labels.length < 2 || labels.some((label) => label === "" || label.startsWith("-"))) return false;
  return /^(?:[A-Za-z]{2,24}|xn--[a-z0-9-]{2,59})$/.test(top) && !FILES.has(top.toLowerCase());
}
