/** More words than this are not enumerated. */
const MAX_WORDS = 64;
const MAX_LENGTH = 256;

/** Brace expansion ({a,b}, {1..3}) of a text without quotes, escapes or expansions; undefined when it is too much. */
export function expandBraces(text: string): readonly string[] | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  let words = [text];
  for (let round = 0; round <= MAX_WORDS; round += 1) {
    const next: string[] = [];
    let expanded = false;
    for (const word of words) {
      const alternatives = expandFirst(word);
      if (alternatives === undefined) return undefined;
      expanded ||= alternatives.length > 1 || alternatives[0] !== word;
      next.push(...alternatives);
      if (next.length > MAX_WORDS) return undefined;
    }
    if (!expanded) return words;
    words = next;
  }
  return undefined;
}

/** The innermost pair is expanded first: the words are the same, in another order. */
function expandFirst(word: string): readonly string[] | undefined {
  for (const match of word.matchAll(/\{([^{}]*)\}/g)) {
    const inside = match[1] ?? "";
    const alternatives = inside.includes(",") ? inside.split(",") : sequence(inside);
    if (alternatives === "too long") return undefined;
    if (alternatives === undefined) continue;
    const before = word.slice(0, match.index);
    const after = word.slice(match.index + match[0].length);
    return alternatives.map((alternative) => before + alternative + after);
  }
  // A pair that stays as it is may still have one around it, as in {a,{b}}: not looked into.
  return /\{.*,.*\}/s.test(word) ? undefined : [word];
}

function sequence(inside: string): readonly string[] | "too long" | undefined {
  const [from, to, step, ...rest] = inside.split("..");
  if (to === undefined || from === undefined || rest.length > 0) return undefined;
  if (/^[A-Za-z]$/.test(from) && /^[A-Za-z]$/.test(to)) return letters(from, to);
  if (!/^-?\d+$/.test(from) || !/^-?\d+$/.test(to)) return undefined;
  if (step !== undefined && !/^-?\d+$/.test(step)) return undefined;
  // The numbers between are no more interesting than the ends.
  return [from, to];
}

function letters(from: string, to: string): readonly string[] | "too long" {
  const [low, high] = [from.charCodeAt(0), to.charCodeAt(0)].toSorted((a, b) => a - b);
  // Between "Z" and "a" lie a backquote and a backslash.
  if (low === undefined || high === undefined || (low <= 90 && high >= 97)) return "too long";
  return Array.from({ length: high - low + 1 }, (_, index) => String.fromCharCode(low + index));
}
