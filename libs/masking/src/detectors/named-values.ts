import { characters, isIn } from "../characters.js";
import { isNoSecret, sensitiveName } from "../key-names.js";
import { startsWithPlaceholder, type Kind } from "../profile.js";
import type { Finding, HeadDetector } from "./detector.js";

const NAME = characters("0-9", "A-Z", "a-z", "_.-");
const MAX_NAME = 64;

/** Words that stand in every name `sensitiveName` knows; the name around them decides. */
const HEADS = [
  "pass",
  "pwd",
  "secret",
  "token",
  "key",
  "auth",
  "cred",
  "cookie",
  "signature",
  "psk",
  "bearer",
  "jwt",
  "connection",
  "connstr",
  "conn_str",
  "cvv",
  "cvc",
  "pin",
  "ssn",
  "iban",
  "session",
  "sid",
  "card",
  "creditcard",
  "otp",
  "seed",
  "mnemonic",
  "hmac",
  "webhook",
  "senha",
  "contrasena",
  "motdepasse",
  "code",
  "security",
];

/**
 * `name = value` in text: assignments, YAML, JSON that does not stand alone, headers, `.env` lines, query parameters,
 * command-line flags, XML elements. The value ends with its quote, or where an unquoted word ends.
 */
export const namedValues: HeadDetector = {
  heads: HEADS,
  find({ text }, at) {
    const name = nameAround(text, at);
    const separator = name && separatorAfter(text, name);
    if (!separator) return undefined;
    const written = text.slice(name.start, name.end).replace(/^-+/, "");
    const sensitive = sensitiveName(written);
    return (
      sensitive &&
      valueAfter(text, {
        at: separator.end,
        kind: sensitive.kind,
        assigned: separator.assigned,
        name: written,
      })
    );
  },
};

interface Range {
  readonly start: number;
  readonly end: number;
}

function nameAround(text: string, at: number): Range | undefined {
  let start = at;
  while (at - start < MAX_NAME && isIn(NAME, text, start - 1)) start--;
  let end = at;
  while (end - at < MAX_NAME && isIn(NAME, text, end)) end++;
  if (
    text[end] === " " &&
    /^(?:api|access|private|secret|card|pin|security)$/i.test(text.slice(start, end))
  ) {
    const rest = /\s(?:key|number|code)\b/iy;
    rest.lastIndex = end;
    if (rest.test(text)) end = rest.lastIndex;
  }
  return end - start > MAX_NAME ? undefined : { start, end };
}

const ASSIGNMENT =
  /(?:\\*["'`])?\]?(?:[ \t]{1,8}\*?[Ss]tring)?[ \t]{0,8}(?:=>|[:?.+|~^]{0,2}={1,3}|:|>\s{0,32}|(?<=["'`]),(?=[ \t]{0,8}["'`]))[ \t]{0,8}/y;
const PROSE = /[ \t]{1,4}(?:is|was)[ \t]{0,4}:?[ \t]{1,4}/iy;
const FLAG_SPACE = /[ \t]{1,4}/y;

type Assigned = "=" | ":" | ">" | "flag" | "prose";

interface Separator {
  readonly end: number;
  readonly assigned: Assigned;
}

function separatorAfter(text: string, name: Range): Separator | undefined {
  ASSIGNMENT.lastIndex = name.end;
  const [match] = ASSIGNMENT.exec(text) ?? [];
  if (match === undefined) return flagSpace(text, name);
  const end = name.end + match.length;
  const assigned = assignedBy(match.trim());
  if (text[end] === "=" || (assigned === ">" && text[name.start - 1] !== "<")) return undefined;
  return { end, assigned };
}

function assignedBy(sign: string): Assigned {
  if (sign.endsWith("=") || sign.endsWith("=>")) return "=";
  if (sign.endsWith(",")) return "=";
  return sign.endsWith(">") ? ">" : ":";
}

/** `--password x`, and "the password is x": nothing else has only a space between its name and its value. */
function flagSpace(text: string, name: Range): Separator | undefined {
  PROSE.lastIndex = name.end;
  if (PROSE.test(text)) return { end: PROSE.lastIndex, assigned: "prose" };
  if (!text.startsWith("--", name.start)) return undefined;
  FLAG_SPACE.lastIndex = name.end;
  return FLAG_SPACE.test(text) ? { end: FLAG_SPACE.lastIndex, assigned: "flag" } : undefined;
}

interface ValuePlace {
  readonly at: number;
  readonly kind: Kind;
  readonly name: string;
  readonly assigned: Assigned;
}

/** What is decided from the start of a value is decided before its end is looked for: refusing must stay cheap. */
const LOOK_AHEAD = 256;
const OPENING = /(\\*)(["'`])/y;
const SCHEME = /(?:bearer|basic|token|apikey|digest|negotiate|aws4-hmac-sha256) +/iy;

function valueAfter(text: string, place: ValuePlace): Finding | undefined {
  OPENING.lastIndex = place.at;
  const [opening, escapes = "", quote] = OPENING.exec(text) ?? [];
  if (opening === undefined || quote === undefined) return unquotedValue(text, place);
  const start = schemeEnd(text, place.at + opening.length);
  if (startsWithPlaceholder(text.slice(start, start + LOOK_AHEAD))) return undefined;
  const end = closingQuote(text, start, { escapes: escapes.length, quote });
  return isNoSecret(text.slice(start, end)) ? undefined : { start, end, kind: place.kind };
}

function unquotedValue(text: string, place: ValuePlace): Finding | undefined {
  const start = schemeEnd(text, place.at);
  const ahead = text.slice(start, start + LOOK_AHEAD);
  if (startsWithPlaceholder(ahead) || CODE.test(ahead)) return undefined;
  const end = isCookieHeader(place) ? lineEnd(text, start) : wordEnd(text, start, place.assigned);
  const value = text.slice(start, end);
  const hasScheme = start > place.at && /[A-Z0-9]/.test(value.slice(0, LOOK_AHEAD));
  if (isNoSecret(value) || text[end] === "(" || !(hasScheme || isPlausible(value, place))) return undefined;
  return { start, end, kind: place.kind };
}

function schemeEnd(text: string, at: number): number {
  SCHEME.lastIndex = at;
  return SCHEME.test(text) ? SCHEME.lastIndex : at;
}

/** A cookie header's value has blanks in it and ends with the line. */
function isCookieHeader({ name, assigned }: ValuePlace): boolean {
  return assigned === ":" && /cookie$/i.test(name);
}

/** The quote that closes at the same level of escaping; without one the value reaches to the end of the line. */
function closingQuote(
  text: string,
  from: number,
  { escapes, quote }: { escapes: number; quote: string },
): number {
  let backslashes = 0;
  for (let index = from; index < text.length; index++) {
    const character = text[index];
    if (character === "\n") return index;
    if (character === quote && (backslashes === escapes || (escapes === 0 && backslashes % 2 === 0)))
      return index - escapes;
    backslashes = character === "\\" ? backslashes + 1 : 0;
  }
  return text.length;
}

const WORD_ENDS = characters(" ", "\t", "\r", "\n", '"', "'", "`", "<", ">", ",", ";", "&", "|");
const LINE_OR_TAG_ENDS = characters("\r", "\n", "<");

function wordEnd(text: string, from: number, assigned: Assigned): number {
  const ends = assigned === ">" ? LINE_OR_TAG_ENDS : WORD_ENDS;
  let end = from;
  while (end < text.length && !isIn(ends, text, end)) end++;
  return assigned === ">" ? end : withoutClosing(text, from, end);
}

/** Without the full stop, and without brackets that were opened before the value. */
function withoutClosing(text: string, from: number, wordEnd: number): number {
  const opensOne = /[([{]/.test(text.slice(from, Math.min(wordEnd, from + LOOK_AHEAD)));
  const closing = opensOne ? ".:\\" : ".:\\)]}";
  let end = wordEnd;
  while (end > from && closing.includes(text[end - 1] ?? "")) end--;
  return end;
}

function lineEnd(text: string, from: number): number {
  const end = text.indexOf("\n", from);
  const line = end === -1 ? text.length : end;
  return text[line - 1] === "\r" ? line - 1 : line;
}

const CODE =
  /^(?:[A-Za-z_$][\w$]*(?:\?*\.|::|->|\(|\[)|[([{&*!]|\.\/|\/[\w.-]+\/|https?:|@|\$\w*\[?|new$|await$|function$|this$|self$|args$)/;
const PLAIN_WORD = /^[A-Za-z]+(?:[_-][A-Za-z]+)*[.!?:]?$/;
const MIN_VALUE = 4;
/** No word is so long. */
const MAX_WORD = 16 * 1024;

/** Unquoted words may be code or prose. */
function isPlausible(value: string, { kind, assigned, name }: ValuePlace): boolean {
  if (kind === "pin" || kind === "cvv") return /^[0-9]{3,8}$/.test(value);
  if (value.length < MIN_VALUE || sensitiveName(value)) return false;
  if (assigned === "prose") return value.length >= 6 && /[0-9]/.test(value) && /[A-Za-z]/.test(value);
  return !isPlainWord(value) || isVariable(name, assigned) || looksRandom(value);
}

function isPlainWord(value: string): boolean {
  return value.length <= MAX_WORD && PLAIN_WORD.test(value);
}

/** Where a plain word is a value too: `DB_PASSWORD=hunter`, `--password hunter`, `<password>hunter</password>`. */
function isVariable(name: string, assigned: Assigned): boolean {
  return assigned !== ":" && (assigned !== "=" || /^[A-Z0-9_.-]+$/.test(name));
}

function looksRandom(word: string): boolean {
  return word.length >= 16 && /[a-z][A-Z]|[A-Z]{3}/.test(word);
}
