import type { Analysis, Call } from "./analysis.js";
import type { Field } from "./field.js";
import { operandsOf } from "./options.js";

const SHELLS = new Set("sh bash dash zsh ksh mksh ash rbash fish csh tcsh yash posh".split(" "));

const LANGUAGES = new Set(
  `python perl ruby node nodejs php lua luajit tclsh wish rscript r julia groovy jshell irb ghci erl elixir iex
   pwsh powershell deno bun guile racket sbcl clojure ocaml gnuplot octave maxima m4 xonsh nu ipython pypy jython
   coffee ts-node tsx swipl scheme `.split(/\s+/),
);

const VERSION = new Set(["--version", "-V", "-v", "--help", "-h", "-version"]);

/** Judges shells and the interpreters of other languages; false when the program is none. */
export function judgeInterpreter(analysis: Analysis, call: Call): boolean {
  const name = call.name.toLowerCase().replace(/[\d.]+$/, "");
  if (SHELLS.has(name)) judgeShell(analysis, call);
  else if (LANGUAGES.has(name)) judgeLanguage(analysis, call);
  else return false;
  return true;
}

function judgeShell(analysis: Analysis, call: Call): void {
  const { found } = analysis;
  if (onlyAsksForVersion(call.words, new Set(["--version", "--help"]))) return;
  const options = shellOptions(call.words);
  const operand = call.words[options.end];
  if (options.uncertain) {
    found.mark("runsCode", "dynamic");
  } else if (options.letters.includes("c")) {
    judgeInlineScript(analysis, call, operand);
  } else if (options.letters.includes("n") && operand?.text !== undefined) {
    // -n reads the script and runs nothing.
  } else {
    found.mark("runsCode");
    if (operand === undefined || options.letters.includes("s") || isStandardInput(operand))
      fedInterpreter(analysis, call);
  }
}

function judgeInlineScript(analysis: Analysis, call: Call, script: Field | undefined): void {
  if (script?.text === undefined) analysis.found.mark("runsCode", "dynamic");
  else analysis.script(script.text, call.feed);
}

function fedInterpreter(analysis: Analysis, call: Call): void {
  if (call.feed.fed) analysis.found.mark("pipesIntoInterpreter");
}

function isStandardInput(operand: Field): boolean {
  return operand.text === "-" || (operand.text ?? operand.prefix).startsWith("/dev/");
}

interface ShellOptions {
  readonly letters: string;
  /** Where the options end. */
  readonly end: number;
  readonly uncertain: boolean;
}

/** Long options of shells that take no value and run nothing. */
const LONG = new Set(["--login", "--norc", "--noprofile", "--posix", "--restricted", "--verbose"]);

function shellOptions(words: readonly Field[]): ShellOptions {
  let letters = "";
  let index = 0;
  for (; index < words.length; index += 1) {
    const text = words[index]?.text;
    if (text === undefined) return { letters, end: index, uncertain: isUnclear(words[index], letters) };
    if (text === "--") return { letters, end: index + 1, uncertain: false };
    if (!/^[-+]./.test(text)) break;
    if (text.startsWith("--") && !LONG.has(text)) return { letters, end: index, uncertain: true };
    if (text.startsWith("--")) continue;
    letters += text.startsWith("-") ? text.slice(1) : "";
    // -o and -O take the next word.
    index += text.replaceAll(/[^oO]/g, "").length;
  }
  return { letters, end: index, uncertain: false };
}

/** An unknown word where an option could be. As the operand of -c it is a script, unknown too. */
function isUnclear(word: Field | undefined, letters: string): boolean {
  return !letters.includes("c") && word?.operand !== true;
}

function judgeLanguage(analysis: Analysis, call: Call): void {
  const { words } = call;
  if (onlyAsksForVersion(words, VERSION) || isJsonTool(words)) return;
  analysis.found.mark("runsCode");
  const operands = operandsOf(words);
  const first = operands[0];
  const takesCode = words.some((word) => /^-[a-zA-Z]*[ceEpnr]/.test(word.prefix));
  if ((first === undefined && !takesCode) || (first !== undefined && isStandardInput(first)))
    fedInterpreter(analysis, call);
}

/** `python -m json.tool` shows JSON. */
function isJsonTool(words: readonly Field[]): boolean {
  return words.length === 2 && words[0]?.text === "-m" && words[1]?.text === "json.tool";
}

export function onlyAsksForVersion(words: readonly Field[], options: ReadonlySet<string> = VERSION): boolean {
  return words.length === 1 && words[0]?.text !== undefined && options.has(words[0].text);
}
