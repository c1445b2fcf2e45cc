import type { Effect } from "./found.js";

/**
 * What a sed script does beside editing its stream: `w` writes files, `e` runs programs. A script that is not
 * understood runs code.
 */
export function sedEffects(script: string): readonly Effect[] {
  const effects: Effect[] = [];
  let at = 0;
  while (at < script.length) {
    const step = sedCommand(script, at);
    if (step === undefined) return ["runsCode"];
    effects.push(...step.effects);
    at = step.end;
  }
  return effects;
}

interface Step {
  readonly end: number;
  readonly effects: readonly Effect[];
}

const SINGLE = new Set("dDgGhHlLnNpPqQxzF={}");
const TO_LINE_END = new Set("aicrR:btT#");

function sedCommand(script: string, from: number): Step | undefined {
  const at = skipAddresses(script, from);
  if (at === undefined) return undefined;
  const command = script[at];
  if (command === undefined || command === ";" || command === "\n") return { end: at + 1, effects: [] };
  if (command === "s") return substitution(script, at + 1);
  if (command === "y") return transliteration(script, at + 1);
  if (command === "w" || command === "W")
    return { end: lineEnd(script, at), effects: ["writes", "destructive"] };
  if (SINGLE.has(command)) return { end: at + 1 + argumentLength(script, at + 1), effects: [] };
  if (TO_LINE_END.has(command)) return { end: textEnd(script, at), effects: [] };
  return undefined;
}

/** `q5`, `l 80`: an exit code or a width. */
function argumentLength(script: string, at: number): number {
  return /^[ \t]*\d*/.exec(script.slice(at, at + 16))?.[0].length ?? 0;
}

function skipAddresses(script: string, from: number): number | undefined {
  let at = from;
  for (;;) {
    const rest = script.slice(at, at + 64);
    const plain = /^(?:[\s;]+|\d+|\$|[,~+!])/.exec(rest)?.[0];
    if (plain !== undefined) {
      at += plain.length;
      continue;
    }
    const opens = rest.startsWith("/") ? 1 : /^\\[^\n\\\w]/.test(rest) ? 2 : 0;
    if (opens === 0) return at;
    const end = delimited(script, at + opens, script[at + opens - 1] ?? "/");
    if (end === undefined) return undefined;
    at = end;
    while (script[at] === "I" || script[at] === "M") at += 1;
  }
}

/** Behind the next delimiter that is neither escaped nor within brackets. */
function delimited(script: string, from: number, delimiter: string): number | undefined {
  for (let at = from; at < script.length; at += 1) {
    const character = script[at];
    if (character === "\\") at += 1;
    else if (character === delimiter) return at + 1;
    else if (character === "\n" && delimiter === "/") return undefined;
  }
  return undefined;
}

function substitution(script: string, at: number): Step | undefined {
  const delimiter = script[at];
  if (delimiter === undefined || /[\s\\]/.test(delimiter)) return undefined;
  const pattern = delimited(script, at + 1, delimiter);
  if (pattern === undefined) return undefined;
  // A bracket may hide the delimiter from sed and not from us: then the flags below make no sense, and it is refused.
  const replacement = delimited(script, pattern, delimiter);
  if (replacement === undefined) return undefined;
  const flags = /^[\dgpiImM]*/.exec(script.slice(replacement, replacement + 32))?.[0] ?? "";
  const end = replacement + flags.length;
  const after = script[end];
  if (after === "w") return { end: lineEnd(script, end), effects: ["writes", "destructive"] };
  if (after === "e") return { end: end + 1, effects: ["runsCode"] };
  return after === undefined || /[\s;}#]/.test(after) ? { end, effects: [] } : undefined;
}

function transliteration(script: string, at: number): Step | undefined {
  const delimiter = script[at];
  if (delimiter === undefined || /[\s\\]/.test(delimiter)) return undefined;
  const middle = delimited(script, at + 1, delimiter);
  const end = middle === undefined ? undefined : delimited(script, middle, delimiter);
  return end === undefined ? undefined : { end, effects: [] };
}

function lineEnd(script: string, at: number): number {
  const end = script.indexOf("\n", at);
  return end === -1 ? script.length : end + 1;
}

/** a, i and c go on to the end of the line, and over lines that end in a backslash; labels end at a semicolon too. */
function textEnd(script: string, at: number): number {
  if (/[:btT]/.test(script[at] ?? "")) {
    const end = script.slice(at).search(/[;\n}]/);
    return end === -1 ? script.length : at + end;
  }
  let end = lineEnd(script, at);
  while (/\\\n$/.test(script.slice(Math.max(0, end - 2), end)) && end < script.length)
    end = lineEnd(script, end);
  return end;
}
