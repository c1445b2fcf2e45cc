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
  const command = script[at] ?? ";";
  switch (command) {
    case ";":
    case "\n":
      return { end: at + 1, effects: [] };
    case "s":
      return substitution(script, at + 1);
    case "y":
      return transliteration(script, at + 1);
    case "w":
    case "W":
      return { end: lineEnd(script, at), effects: ["writes", "destructive"] };
    default:
      return plainCommand(script, at, command);
  }
}

function plainCommand(script: string, at: number, command: string): Step | undefined {
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
    const plain = /^(?:[\s;]+|\d+|\$|[,~+!])/.exec(script.slice(at, at + 64))?.[0];
    const end = plain === undefined ? patternAddress(script, at) : at + plain.length;
    if (end === undefined || end === at) return end;
    at = end;
  }
}

/** Behind /pattern/ or \%pattern%; the same place when there is none, undefined when it does not end. */
function patternAddress(script: string, at: number): number | undefined {
  const [opening] = /^(?:\/|\\[^\n\\\w])/.exec(script.slice(at, at + 2)) ?? [];
  if (opening === undefined) return at;
  let end = delimited(script, at + opening.length, opening.at(-1) ?? "/");
  while (end !== undefined && /[IM]/.test(script[end] ?? "")) end += 1;
  return end;
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
  // A bracket may hide a delimiter from sed and not from us: then the flags make no sense, and it is refused.
  const behind = twoDelimited(script, at);
  if (behind === undefined) return undefined;
  const flags = /^[\dgpiImM]*/.exec(script.slice(behind, behind + 32))?.[0] ?? "";
  const end = behind + flags.length;
  const after = script[end] ?? ";";
  if (after === "w") return { end: lineEnd(script, end), effects: ["writes", "destructive"] };
  if (after === "e") return { end: end + 1, effects: ["runsCode"] };
  return /[\s;}#]/.test(after) ? { end, effects: [] } : undefined;
}

function twoDelimited(script: string, at: number): number | undefined {
  const delimiter = script[at] ?? "\n";
  if (/[\s\\]/.test(delimiter)) return undefined;
  const middle = delimited(script, at + 1, delimiter);
  return middle === undefined ? undefined : delimited(script, middle, delimiter);
}

function transliteration(script: string, at: number): Step | undefined {
  const end = twoDelimited(script, at);
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
  while (script.endsWith("\\\n", end) && end < script.length) end = lineEnd(script, end);
  return end;
}
