/** Where a member of an object is in a text that need not be JSON any more. */
export interface MemberPlace {
  /** With its quotes. */
  readonly key: string;
  readonly start: number;
  readonly valueStart: number;
  readonly valueEnd: number;
}

const MEMBER = /"((?:[^"\\]|\\.){0,120})"\s{0,8}:\s{0,8}/gs;
const STRING = /"(?:[^"\\]|\\.)*"?/sy;
const DEPTH: Readonly<Record<string, number>> = { "{": 1, "[": 1, "}": -1, "]": -1 };
const SCALAR = /[^\s,\]}]*/y;

/** All members at all levels, as far as they can be told. */
export function membersOf(text: string): MemberPlace[] {
  const places: MemberPlace[] = [];
  for (const match of text.matchAll(MEMBER)) {
    const valueStart = match.index + match[0].length;
    const valueEnd = endOfValue(text, valueStart);
    places.push({ key: `"${match[1]}"`, start: match.index, valueStart, valueEnd });
    if (places.length === 64) break;
  }
  return places;
}

function endOfValue(text: string, start: number): number {
  const first = text[start];
  if (first === `"`) return endOfMatch(STRING, text, start);
  if (first !== "{" && first !== "[") return endOfMatch(SCALAR, text, start);
  let depth = 0;
  let at = start;
  do {
    depth += DEPTH[text[at] ?? ""] ?? 0;
    at = text[at] === `"` ? endOfMatch(STRING, text, at) : at + 1;
  } while (depth > 0 && at < text.length);
  return at;
}

function endOfMatch(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return at + (pattern.exec(text)?.[0].length ?? 0);
}
