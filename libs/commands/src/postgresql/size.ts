/*
 * PostgreSQL's grammar takes linear time, but the tree of 64 KiB of commas is megabytes of JSON, its scanner reads a
 * run of operator characters again at each comment that begins in it, and deep trees overflow the stack. What a text
 * may have of these is bounded here, by a rough scanner: it need not be right, only never far below.
 */
const MAX_TOKENS = 10_000;
const MAX_DEPTH = 400;
/** Tokens side by side, without a comma or semicolon: the tree of `1 + 1 + 1 …` is as deep as it is long. */
const MAX_RUN = 3000;
/** Characters that the parser's scanner reads again. */
const MAX_REREAD = 1_000_000;

const TOO_MANY = "it has too many parts";
const TOO_DEEP = "it is nested too deeply";
const TOO_INTRICATE = "it has too many operators or comments in a row";

/** Where the next thing begins that is neither in a string nor in a comment: of the rough scanner's position. */
interface Scan {
  readonly text: string;
  at: number;
  tokens: number;
  /** Tokens since the last separator, for each bracket that is open. */
  readonly runs: number[];
}

/** Why a text is too much for the parser, if it is. */
export function tooLargeToParse(text: string): string | undefined {
  if (rereads(text) > MAX_REREAD) return TOO_INTRICATE;
  const scan: Scan = { text, at: 0, tokens: 0, runs: [0] };
  while (scan.at < text.length) {
    const before = scan.at;
    if (skipBlank(scan)) continue;
    scan.tokens += 1;
    pass(scan, text.charCodeAt(before));
    if (scan.tokens > MAX_TOKENS) return TOO_MANY;
    if (scan.runs.length > MAX_DEPTH || (scan.runs.at(-1) ?? 0) > MAX_RUN) return TOO_DEEP;
  }
  return undefined;
}

const code = (character: string): number => character.charCodeAt(0);
const QUOTE = code("'");
const DOUBLE_QUOTE = code('"');
const DOLLAR = code("$");
const BACKSLASH = code("\\");
const DASH = code("-");
const SLASH = code("/");
const STAR = code("*");
const COMMA = code(",");
const SEMICOLON = code(";");
const OPEN = code("(");
const CLOSE = code(")");
const OPEN_SQUARE = code("[");
const CLOSE_SQUARE = code("]");
const LETTER_E = code("e");

/** Over blanks and comments; false when there are none. */
function skipBlank(scan: Scan): boolean {
  const { text, at } = scan;
  const first = text.charCodeAt(at);
  const second = text.charCodeAt(at + 1);
  if (first <= 0x20) scan.at += 1;
  else if (first === DASH && second === DASH) scan.at = endOfLine(text, at);
  else if (first === SLASH && second === STAR) scan.at = endOfComment(text, at);
  return scan.at > at;
}

/** Over one token. */
function pass(scan: Scan, first: number): void {
  const { text, at } = scan;
  countRun(scan.runs, first);
  if (first === QUOTE) scan.at = endOfQuoted(text, at, "'");
  else if (first === DOUBLE_QUOTE) scan.at = endOfQuoted(text, at, '"');
  else if (first === DOLLAR) scan.at = endOfDollarQuoted(text, at);
  else if (isEscapeString(text, at)) scan.at = endOfEscaped(text, at + 2);
  else if (isWordPart(first)) scan.at = endOfWord(text, at);
  else scan.at += 1;
}

function countRun(runs: number[], first: number): void {
  const top = runs.length - 1;
  if (first === COMMA || first === SEMICOLON) runs[top] = 0;
  else runs[top] = (runs[top] ?? 0) + 1;
  if (first === OPEN || first === OPEN_SQUARE) runs.push(0);
  if ((first === CLOSE || first === CLOSE_SQUARE) && top > 0) runs.pop();
}

function isEscapeString(text: string, at: number): boolean {
  const letter = text.charCodeAt(at) | 0x20;
  return letter === LETTER_E && text.charCodeAt(at + 1) === QUOTE;
}

function isWordPart(character: number): boolean {
  if (character >= 0x80) return true;
  const letter = character | 0x20;
  return (letter >= 0x61 && letter <= 0x7a) || (character >= 0x30 && character <= 0x39) || character === 0x5f;
}

function endOfWord(text: string, start: number): number {
  let at = start;
  while (at < text.length && isWordPart(text.charCodeAt(at))) at += 1;
  return at;
}

function endOfLine(text: string, start: number): number {
  let at = start;
  while (at < text.length && text.charCodeAt(at) !== 0x0a && text.charCodeAt(at) !== 0x0d) at += 1;
  return at;
}

function endOfQuoted(text: string, start: number, quote: string): number {
  const end = text.indexOf(quote, start + 1);
  return end === -1 ? text.length : end + 1;
}

function endOfEscaped(text: string, start: number): number {
  let at = start;
  while (at < text.length && text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1;
  return at + 1;
}

/** `$tag$ … $tag$`; a dollar that begins no such thing is passed alone. */
function endOfDollarQuoted(text: string, start: number): number {
  const tagEnd = endOfWord(text, start + 1);
  if (text.charCodeAt(tagEnd) !== DOLLAR) return tagEnd;
  const tag = text.slice(start, tagEnd + 1);
  const end = text.indexOf(tag, tagEnd + 1);
  return end === -1 ? text.length : end + tag.length;
}

/** Comments are nested in PostgreSQL. */
function endOfComment(text: string, start: number): number {
  let open = 1;
  let at = start + 2;
  while (at < text.length && open > 0) {
    const [first, second] = [text.charCodeAt(at), text.charCodeAt(at + 1)];
    const opens = first === SLASH && second === STAR;
    const closes = first === STAR && second === SLASH;
    if (opens) open += 1;
    if (closes) open -= 1;
    at += opens || closes ? 2 : 1;
  }
  return at;
}

function rereads(text: string): number {
  let sum = 0;
  for (const [run] of text.matchAll(/[~!@#^&|`?+\-*/%<>=]{64,}/gu)) {
    sum += run.length * (run.split("/*").length + run.split("--").length - 2);
    if (sum > MAX_REREAD) return sum;
  }
  return sum;
}
