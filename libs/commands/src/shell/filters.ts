import type { Analysis, Call } from "./analysis.js";
import { awkEffects } from "./awk-program.js";
import { behind, couldBeOption, type Field } from "./field.js";
import { hasOption, hasUncertainOption, operandsOf, optionNames, takesNextWord } from "./options.js";
import { judgeWrittenPath } from "./paths.js";
import { sedEffects } from "./sed-script.js";

const SED_VALUED = "e f l expression file line-length";

/** sed: its script is read; `-i` writes the files it names. */
export function judgeSed(analysis: Analysis, call: Call): void {
  const { found } = analysis;
  const valued = SED_VALUED;
  const scripts = scriptsOf(call.words, "e expression", valued);
  if (hasOption(call.words, "f file", valued)) found.mark("runsCode");
  if (hasUncertainOption(call.words, valued)) found.mark("dynamic");
  const inPlace = hasOption(call.words, "i I in-place", valued);
  for (const script of scripts.found) {
    found.mark(...(script.text === undefined ? ["dynamic" as const] : sedEffects(script.text)));
  }
  if (!inPlace) return;
  found.mark("writes");
  if (scripts.found.some((script) => DELETES.test(script.text ?? "d"))) found.mark("destructive");
  // Only what the script prints is left of the file.
  if (hasOption(call.words, "n quiet silent", valued)) found.mark("destructive");
  for (const file of scripts.files) judgeWrittenPath(analysis, file);
}

/** Lines are removed from a file that is edited in place. */
const DELETES = /(?:^|[;{}\s\d$/])[dD]\s*(?:[;}]|$)/;

interface Scripts {
  readonly found: readonly Field[];
  readonly files: readonly Field[];
}

/** The scripts of options, or else the first operand. */
function scriptsOf(words: readonly Field[], names: string, valued: string): Scripts {
  const options = optionNames(names);
  const found = words.flatMap((word, index) => {
    if (takesNextWord(words[index - 1]?.text ?? "", options)) return [word];
    return attachedScript(word, options);
  });
  const operands = operandsOf(words, valued);
  if (found.length > 0) return { found, files: operands };
  return { found: operands.slice(0, 1), files: operands.slice(1) };
}

/** --expression=SCRIPT, and -neSCRIPT. */
function attachedScript(word: Field, names: readonly string[]): readonly Field[] {
  const long = /^--([^=]+)=/.exec(word.prefix)?.[1];
  if (long !== undefined) {
    return names.some((name) => name.length > 1 && name.startsWith(long))
      ? [behind(word, long.length + 3)]
      : [];
  }
  const at = /^-[A-Za-z]*?e(?=.)/s.exec(word.prefix)?.[0].length;
  return at === undefined || word.prefix.startsWith("--") ? [] : [behind(word, at)];
}

const AWK_VALUED = "F v f e E i l assign field-separator file source include load exec";

/** awk: its program is read; programs in files are not. */
export function judgeAwk(analysis: Analysis, call: Call): void {
  const { found } = analysis;
  if (hasOption(call.words, "f file E exec i include l load e source", AWK_VALUED)) found.mark("runsCode");
  if (hasOption(call.words, "o pretty-print d dump-variables p profile", AWK_VALUED)) found.mark("writes");
  if (hasUncertainOption(call.words, AWK_VALUED)) found.mark("dynamic");
  const program = operandsOf(call.words, AWK_VALUED)[0];
  if (program === undefined) return;
  if (program.text === undefined) found.mark("dynamic");
  else found.mark(...awkEffects(program.text));
}

const PIECES = /^-(?:exec|execdir|ok|okdir)$/;

/** find: -delete removes, -exec runs a program on what was found, -fprint writes. */
export function judgeFind(analysis: Analysis, call: Call): void {
  const { found } = analysis;
  const { words } = call;
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index];
    if (word === undefined) continue;
    if (word.text === undefined) {
      if (couldBeOption(word) && !isValueOfTest(words, index)) found.mark("dynamic");
    } else if (PIECES.test(word.text)) {
      index = judgeExec(analysis, call, index + 1);
    } else {
      judgeAction(analysis, words, index);
    }
  }
}

const TESTS =
  /^-(?:i?name|i?path|i?wholename|i?regex|type|size|[acm]time|[acm]min|newer\w*|perm|user|group|maxdepth|mindepth|printf)$/;

/**
 * `find . -name "$x"`, `find . -name -delete`: whatever it is, it is the pattern. Not when what looks like the test
 * could itself be a pattern: -name -name -delete.
 */
function isValueOfTest(words: readonly Field[], index: number): boolean {
  const isTest = (at: number): boolean => TESTS.test(words[at]?.text ?? "");
  return isTest(index - 1) && !isTest(index - 2) && words[index]?.splits === false;
}

function judgeAction(analysis: Analysis, words: readonly Field[], index: number): void {
  if (isValueOfTest(words, index)) return;
  const text = words[index]?.text ?? "";
  if (text === "-delete") analysis.found.mark("destructive");
  else if (/^-f(?:print0?|printf|ls)$/.test(text)) analysis.found.mark("writes", "dynamic");
  else if (text === "-files0-from") analysis.found.mark("dynamic");
}

/** The program runs up to ";" or "{} +"; what it is run on are names of files that begin with a path given. */
function judgeExec(analysis: Analysis, call: Call, from: number): number {
  const end = call.words.findIndex((word, index) => index >= from && isEnd(call.words, index, word));
  const words = call.words.slice(from, end === -1 ? undefined : end);
  analysis.program(words.map(foundFile), { fed: false });
  return end === -1 ? call.words.length : end;
}

function isEnd(words: readonly Field[], index: number, word: Field): boolean {
  return word.text === ";" || (word.text === "+" && words[index - 1]?.text === "{}");
}

function foundFile(word: Field): Field {
  if (word.text?.includes("{}") !== true) return word;
  const prefix = word.text.slice(0, word.text.indexOf("{}"));
  return { text: undefined, prefix, suffix: "", splits: false, operand: !prefix.startsWith("-") };
}
