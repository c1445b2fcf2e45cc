/*
 * PostgreSQL's grammar takes linear time, but the tree of 64 KiB of commas is megabytes of JSON, its scanner reads a
 * run of operator characters again at each comment that begins in it, and deep trees overflow the stack. What a
 * statement may have of these is bounded here, by a rough scanner: it need not be right, only never far below.
 */
const MAX_TOKENS = 12_000;
const MAX_DEPTH = 400;
/** Characters that the scanner reads again. */
const MAX_REREAD = 1_000_000;

const TOKEN = new RegExp(
  [
    String.raw`(?<blank>\s+|--[^\n\r]*)`,
    String.raw`(?<comment>/\*)`,
    String.raw`(?<escaped>[eE]'(?:[^'\\]|\\[^]|'')*'?)`,
    String.raw`(?<quoted>'[^']*'?|"[^"]*"?)`,
    String.raw`(?<dollar>\$(?:[A-Za-z_\u0080-\uffff][A-Za-z_0-9\u0080-\uffff]*)?\$)`,
    String.raw`(?<word>[A-Za-z_0-9$.\u0080-\uffff]+)`,
    String.raw`(?<operators>(?:(?!--|/\*)[~!@#^&|\x60?+\-*/%<>=])+)`,
    String.raw`(?<other>[^])`,
  ].join("|"),
  "uy",
);

interface Size {
  tokens: number;
  depth: number;
}

/** Why a text is too much for the parser, if it is. */
export function tooLargeToParse(text: string): string | undefined {
  if (rereads(text) > MAX_REREAD) return "it has too many operators or comments in a row";
  const size: Size = { tokens: 0, depth: 0 };
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(text); match !== null; match = TOKEN.exec(text)) {
    const groups = match.groups ?? {};
    if (groups["blank"] !== undefined) continue;
    if (groups["comment"] !== undefined) {
      TOKEN.lastIndex = endOfComment(text, match.index);
      continue;
    }
    if (groups["dollar"] !== undefined) {
      const end = text.indexOf(match[0], TOKEN.lastIndex);
      TOKEN.lastIndex = end === -1 ? text.length : end + match[0].length;
    }
    const reason = count(size, match[0]);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

function count(size: Size, token: string): string | undefined {
  size.tokens += 1;
  if (size.tokens > MAX_TOKENS) return "it has too many parts";
  if (token === "(" || token === "[") size.depth += 1;
  if (token === ")" || token === "]") size.depth -= 1;
  return size.depth > MAX_DEPTH ? "it is nested too deeply" : undefined;
}

/** Comments are nested in PostgreSQL. */
function endOfComment(text: string, start: number): number {
  const EDGE = /\/\*|\*\//gu;
  EDGE.lastIndex = start + 2;
  let open = 1;
  for (let edge = EDGE.exec(text); edge !== null; edge = EDGE.exec(text)) {
    open += edge[0] === "/*" ? 1 : -1;
    if (open === 0) return EDGE.lastIndex;
  }
  return text.length;
}

function rereads(text: string): number {
  let sum = 0;
  for (const [run] of text.matchAll(/[~!@#^&|`?+\-*/%<>=]{64,}/gu)) {
    sum += run.length * (run.split("/*").length + run.split("--").length - 2);
    if (sum > MAX_REREAD) return sum;
  }
  return sum;
}
