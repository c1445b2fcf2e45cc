import type { Effect } from "./found.js";

/** What an awk program does beside printing: pipes and `system` run programs, `print > file` writes. */
export function awkEffects(program: string): readonly Effect[] {
  // Whatever the lexer below takes for a string: nobody needs these words in one.
  if (/\bsystem\b|@/.test(program.replaceAll("\\\n", ""))) return ["runsCode"];
  const code = withoutLiterals(program);
  if (code === undefined) return ["runsCode"];
  const effects: Effect[] = [];
  if (/\|/.test(code.replaceAll("||", " "))) effects.push("runsCode");
  if (writesFile(code)) effects.push("writes", "dynamic");
  return effects;
}

/** A ">" that is no comparison: behind print or printf, outside of parentheses. */
function writesFile(code: string): boolean {
  return code
    .split(/[;{}\n]/)
    .some(
      (statement) =>
        /\bprintf?\b/.test(statement) &&
        />/.test(outsideParentheses(statement.replace(/^.*?\bprintf?\b/s, ""))),
    );
}

function outsideParentheses(text: string): string {
  let depth = 0;
  let outside = "";
  for (const character of text) {
    if (character === "(") depth += 1;
    else if (character === ")") depth -= 1;
    else if (depth <= 0) outside += character;
  }
  return outside;
}

/** The program without strings, patterns and comments; undefined when one of them does not end. */
function withoutLiterals(program: string): string | undefined {
  const code: string[] = [];
  for (let at = 0; at < program.length; at += 1) {
    const character = program[at] ?? "";
    if (character === "#") {
      const end = program.indexOf("\n", at);
      at = end === -1 ? program.length : end - 1;
    } else if (character === '"' || (character === "/" && startsPattern(code.slice(-64).join("")))) {
      const end = literalEnd(program, at);
      if (end === undefined) return undefined;
      code.push(character === '"' ? '""' : "0");
      at = end;
    } else {
      code.push(character);
    }
  }
  return code.join("");
}

/** A slash is a division behind an operand, and the start of a pattern elsewhere. */
function startsPattern(before: string): boolean {
  const code = before.trimEnd();
  return !/[\w)\]"$.]$/.test(code) || /\b(?:print|printf|return|in|case|getline|else|do)$/.test(code);
}

function literalEnd(program: string, from: number): number | undefined {
  const quote = program[from];
  let bracket = false;
  for (let at = from + 1; at < program.length; at += 1) {
    const character = program[at];
    if (character === "\\") at += 1;
    else if (character === "\n") return undefined;
    else if (character === quote && !bracket) return at;
    else if (quote === "/" && character === "[") bracket = true;
    else if (quote === "/" && character === "]") bracket = false;
  }
  return undefined;
}
