/** What people write who come from another language. The text before the place where the parser gave up ends so. */
const OPERATORS: readonly (readonly [written: RegExp, instead: string])[] = [
  [/\band?$/i, "write && for and"],
  [/\bor?$/i, "write || for or"],
  [/\bnot?\s*$/i, "write ! for not"],
  [/=>$/, "write list.exists(x, …), with a comma"],
  [/=~$/, 'write text.matches("pattern")'],
  [/<>$/, "write != for <>"],
  [/===?$/, "write == to compare"],
  [/(?:^|[^=<>!])=$/, "write == to compare"],
  [/&$/, "write && for and"],
  [/\|$/, "write || for or"],
];
const ESCAPE = 'write the backslash twice, or a text without escapes: r"…"';

/** What to write instead of what cannot be parsed at a place; undefined when nobody can say. */
export function adviceForSyntax(text: string, place: number, summary: string): string | undefined {
  if (/escape/.test(summary)) return ESCAPE;
  // The parser may have stopped within the word or the sign.
  const rest = /^(?:[a-z]+|[=&|<>~]+)/i.exec(text.slice(place, place + 4))?.[0] ?? "";
  const start = Math.max(0, place - 6);
  const candidates = [text.slice(start, place) + rest, text.slice(start, place)];
  return OPERATORS.find(([written]) => candidates.some((candidate) => written.test(candidate)))?.[1];
}

const TYPES: readonly (readonly [summary: RegExp, instead: string])[] = [
  [
    /list<\w+> [!=]= string|list\.(?:contains|matches|startsWith|endsWith)/,
    'a text is in a list: "text" in list',
  ],
  [/string [!=]= list/, 'a text is in a list: "text" in list'],
  [/list<\w+> in list/, "some element of a list is in another: list.exists(x, x in other)"],
  [/list index must be int/i, "a list has no such part: list.size(), list[0] and list.exists(x, …) read it"],
  [/cannot index type/i, "a text or a number has no parts: text.size() counts characters"],
  [/Timestamp/, 'timestamp("2026-12-31T22:00:00Z") makes a moment of a text'],
  [/Duration/, 'duration("1h30m") makes a length of time of a text'],
];

/** How types are made to fit. */
export function adviceForTypes(summary: string): string {
  return TYPES.find(([known]) => known.test(summary))?.[1] ?? "int(), double() and string() convert";
}
