import type { Analysis, Call } from "./analysis.js";
import { judgeVariable } from "./environment.js";
import { couldBeOption, type Field } from "./field.js";
import { hasOption, operandsOf } from "./options.js";

type Judge = (analysis: Analysis, call: Call) => void;

const BUILTINS = new Map<string, Judge>([
  ["eval", judgeEval],
  ["source", judgeSource],
  [".", judgeSource],
  ["trap", judgeTrap],
  ["alias", judgeAlias],
  ["unalias", judgeNothing],
  ["export", judgeDeclaration],
  ["declare", judgeDeclaration],
  ["typeset", judgeDeclaration],
  ["local", judgeDeclaration],
  ["readonly", judgeDeclaration],
  ["read", judgeRead],
  ["mapfile", judgeMapfile],
  ["readarray", judgeMapfile],
  ["unset", judgeUnset],
  ["getopts", judgeNames],
  ["printf", judgePrintf],
  ["wait", judgeNothing],
]);

const EVALUATING = new Set(
  "test [ let declare typeset local readonly export read mapfile readarray unset printf getopts wait".split(
    " ",
  ),
);

/** Judges builtins that change the shell or run text; false for all other programs. */
export function judgeBuiltin(analysis: Analysis, call: Call): boolean {
  if (EVALUATING.has(call.name)) analysis.evaluates();
  const judge = BUILTINS.get(call.name);
  judge?.(analysis, call);
  return judge !== undefined;
}

function judgeNothing(): void {
  // Harmless whatever its words are.
}

function judgeEval(analysis: Analysis, call: Call): void {
  analysis.found.mark("runsCode");
  const texts = call.words.map((word) => word.text);
  if (texts.includes(undefined)) analysis.found.mark("dynamic");
  else analysis.script(texts.join(" "), call.feed);
}

function judgeSource(analysis: Analysis, call: Call): void {
  analysis.found.mark("runsCode");
  const file = call.words[0];
  if ((file?.text ?? file?.prefix)?.startsWith("/dev/") === true) analysis.found.mark("pipesIntoInterpreter");
}

function judgeTrap(analysis: Analysis, call: Call): void {
  const [action, ...signals] = operandsOf(call.words);
  if (action === undefined || signals.length === 0 || action.text === "-") return;
  if (action.text === undefined) analysis.found.mark("dynamic");
  else analysis.script(action.text, call.feed);
}

/** An alias changes what later words mean, of later lines too: nothing below it can be believed. */
function judgeAlias(analysis: Analysis, call: Call): void {
  for (const word of call.words) {
    if (word.text !== undefined && !word.text.includes("=")) continue;
    analysis.found.mark("runsCode");
    const value = word.text?.slice(word.text.indexOf("=") + 1);
    if (value !== undefined) analysis.script(value, call.feed);
  }
}

function judgeDeclaration(analysis: Analysis, call: Call): void {
  for (const word of call.words) {
    if (couldBeOption(word)) {
      // -n makes a name stand for another, -i, -u, -l and -c change values.
      if (word.text === undefined || /[niulc]/.test(word.text)) analysis.found.mark("dynamic");
      continue;
    }
    const name = /^([^=+[]*)[=+[]/.exec(word.prefix)?.[1] ?? word.text;
    // Its value, if it has one, is known to whoever walks the line.
    judgeVariable(analysis, name ?? "");
  }
}

function judgeRead(analysis: Analysis, call: Call): void {
  if (call.words.some((word) => couldBeOption(word) && word.text === undefined))
    analysis.found.mark("dynamic");
  setNames(analysis, operandsOf(call.words, "a d i n N p t u"));
  const array = call.words.findIndex((word) => /^-[a-z]*a$/.test(word.text ?? ""));
  if (array !== -1) setNames(analysis, call.words.slice(array + 1, array + 2));
}

function judgeMapfile(analysis: Analysis, call: Call): void {
  if (hasOption(call.words, "C", "d n O s u c")) analysis.found.mark("runsCode");
  setNames(analysis, operandsOf(call.words, "d n O s u C c"));
}

function judgeUnset(analysis: Analysis, call: Call): void {
  if (hasOption(call.words, "f n")) analysis.found.mark("dynamic");
  setNames(analysis, operandsOf(call.words));
}

function judgeNames(analysis: Analysis, call: Call): void {
  setNames(analysis, call.words.slice(1, 2));
}

function judgePrintf(analysis: Analysis, call: Call): void {
  const [first, name] = call.words;
  if (first === undefined) return;
  if (first.text === "-v") setNames(analysis, name === undefined ? [] : [name]);
  else if (
    first.prefix.startsWith("-v") ||
    (first.text === undefined && couldBeOption(first) && call.words.length > 1)
  )
    analysis.found.mark("dynamic");
}

function setNames(analysis: Analysis, names: readonly Field[]): void {
  for (const name of names) {
    const plain = name.text === undefined ? "" : name.text.replace(/\[[\w@*]*\]$/, "");
    if (plain === "REPLY") continue;
    judgeVariable(analysis, plain);
    analysis.changesVariable(plain);
  }
}
