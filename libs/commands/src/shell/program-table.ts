import type { Analysis, Call } from "./analysis.js";
import type { Field } from "./field.js";
import type { Effect } from "./found.js";
import {
  certainlyHasOption,
  hasOption,
  hasUncertainOption,
  operandsOf,
  optionNames,
  takesNextWord,
  valuesOf,
} from "./options.js";
import { judgeWrittenPath } from "./paths.js";
import type { Effects, Program } from "./program.js";

/** Judges a call by its row. */
export function judgeByRow(analysis: Analysis, program: Program, words: readonly Field[]): void {
  if (program.subcommands !== undefined) {
    judgeSubcommand(analysis, program, words);
    return;
  }
  judgeOptions(analysis, program, words);
  if (program.readsWith !== undefined && readsOnly(program, words)) return;
  markAll(analysis, program.does);
  judgeOperands(analysis, program, words);
}

export function markAll(analysis: Analysis, effects: Effects | undefined): void {
  for (const effect of (effects ?? "").split(" ")) {
    if (effect !== "") analysis.found.mark(effect as Effect);
  }
}

function readsOnly(program: Program, words: readonly Field[]): boolean {
  const valued = program.valued ?? "";
  return certainlyHasOption(words, program.readsWith ?? "", valued) && !hasUncertainOption(words, valued);
}

function judgeOptions(analysis: Analysis, program: Program, words: readonly Field[]): void {
  if (program.options === undefined) return;
  const valued = program.valued ?? "";
  for (const [names, effects] of Object.entries(program.options)) {
    if (!hasOption(words, names, valued)) continue;
    markAll(analysis, effects);
    if (effects.includes("writes")) {
      for (const file of valuesOf(words, names)) judgeWrittenPath(analysis, file);
    }
  }
  if (hasUncertainOption(words, valued)) analysis.found.mark("dynamic");
}

function markOptions(analysis: Analysis, options: Program["optionsAnywhere"], words: readonly Field[]): void {
  for (const [names, effects] of Object.entries(options ?? {})) {
    if (hasOption(words, names)) markAll(analysis, effects);
  }
}

function judgeOperands(analysis: Analysis, program: Program, words: readonly Field[]): void {
  if (program.operands === undefined) return;
  const operands = operandsOf(words, program.valued);
  if (operands.length > program.operands.most || operands.some((operand) => operand.splits)) {
    markAll(analysis, program.operands.beyond);
  }
}

function judgeSubcommand(analysis: Analysis, program: Program, words: readonly Field[]): void {
  const at = subcommandIndex(program, words);
  const before = at === undefined ? words : words.slice(0, at);
  judgeOptions(analysis, program, before);
  markOptions(analysis, program.optionsAnywhere, words);
  const subcommand = at === undefined ? undefined : words[at];
  if (at === undefined) {
    if (hasUnknownOption(program, words)) analysis.found.mark("runsCode");
    else judgeByRow(analysis, program.alone ?? {}, words);
  } else if (subcommand?.text === undefined) {
    analysis.found.mark("dynamic");
  } else {
    judgeNamed(analysis, program, { name: subcommand.text, words: words.slice(at + 1) });
  }
}

function judgeNamed(analysis: Analysis, program: Program, call: Omit<Call, "feed">): void {
  const subcommands = program.subcommands ?? {};
  const row = Object.hasOwn(subcommands, call.name) ? subcommands[call.name] : undefined;
  if (row === undefined) analysis.found.mark("runsCode");
  else if (onlyAsksForHelp(row, call.words)) return;
  else judgeByRow(analysis, row, call.words);
}

/** `git rm --help`. Where code is run, the word may be handed on to it: `yarn test --help`. */
function onlyAsksForHelp(row: Program, words: readonly Field[]): boolean {
  return words.length === 1 && words[0]?.text === "--help" && row.does?.includes("runsCode") !== true;
}

/** Where the sub-command is: behind the options that the row knows. Undefined when there is none, or no certain one. */
export function subcommandIndex(program: Program, words: readonly Field[]): number | undefined {
  const valued = optionNames(program.valued ?? "");
  for (let index = 0; index < words.length; index += 1) {
    const text = words[index]?.text;
    if (text === undefined || !text.startsWith("-")) return index;
    if (!isKnown(program, text)) return undefined;
    if (takesNextWord(text, valued)) index += 1;
  }
  return undefined;
}

const ALWAYS_KNOWN = ["help", "version", "h"];

function isKnown(program: Program, option: string): boolean {
  const known = [
    ...optionNames(program.flags ?? ""),
    ...optionNames(program.valued ?? ""),
    ...Object.keys({ ...program.options, ...program.optionsAnywhere }).flatMap(optionNames),
    ...ALWAYS_KNOWN,
  ];
  const name = /^--?([^=]*)/.exec(option)?.[1] ?? "";
  if (known.includes(name)) return true;
  // -nfoo: a letter that takes a value, with its value.
  return !option.startsWith("--") && optionNames(program.valued ?? "").includes(name.charAt(0));
}

function hasUnknownOption(program: Program, words: readonly Field[]): boolean {
  return words.some(
    (word) => word.text === undefined || (word.text.startsWith("-") && !isKnown(program, word.text)),
  );
}
