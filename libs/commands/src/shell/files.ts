import type { Analysis, Call } from "./analysis.js";
import { type Field, literalField } from "./field.js";
import { hasOption, operandsOf } from "./options.js";
import { judgeWrittenPath } from "./paths.js";

/** dd: `of=` overwrites. Without it dd writes to its standard output, and reads. */
export function judgeDd(analysis: Analysis, call: Call): void {
  for (const word of call.words) {
    if (word.prefix.startsWith("of=")) {
      analysis.found.mark("destructive");
    } else if (!/^[a-z]+=/.test(word.prefix) && !/^--(?:help|version)$/.test(word.text ?? "")) {
      analysis.found.mark("dynamic");
    }
  }
}

/** Copies onto, or into, their last operand or -t FOLDER; from /dev/null or /dev/zero they empty it. */
export function judgeCopy(analysis: Analysis, call: Call): void {
  const operands = operandsOf(call.words, "t S target-directory suffix");
  const target = operands.at(-1);
  if (target !== undefined) judgeWrittenPath(analysis, target);
  for (const source of operands.slice(0, -1)) {
    if (isDevice(source)) analysis.found.mark("destructive");
    if (call.name === "mv") judgeWrittenPath(analysis, source);
  }
  for (const word of folderOptions(call.words)) judgeWrittenPath(analysis, word);
  if (call.name === "mv" && target?.text === "/dev/null") analysis.found.mark("destructive");
}

function isDevice(source: Field): boolean {
  return /^\/(?:dev|proc|sys)(?:\/|$)/.test(source.text ?? source.prefix);
}

function folderOptions(words: readonly Field[]): readonly Field[] {
  return words.flatMap((word, index) => {
    const before = words[index - 1]?.text ?? "";
    if (/^-[a-zA-Z]*t$/.test(before) || before === "--target-directory") return [word];
    const attached = /^(?:-[a-su-zA-Z]*t(?=.)|--t[a-z-]*=)/s.exec(word.prefix)?.[0];
    return attached === undefined || word.text === undefined
      ? []
      : [literalField(word.text.slice(attached.length))];
  });
}

/** touch, mkdir, tee and their like: each operand is written. */
export function judgeWritten(analysis: Analysis, call: Call): void {
  for (const operand of operandsOf(call.words)) judgeWrittenPath(analysis, operand);
  // What tee gets may be what a program in >(…) runs: that is walked where it stands.
}

/** uniq IN OUT. */
export function judgeUniq(analysis: Analysis, call: Call): void {
  const [, out] = operandsOf(call.words, "f s w skip-fields skip-chars check-chars");
  if (out !== undefined) judgeWrittenPath(analysis, out);
}

/** less and man: "+command" runs a command of the pager, and a shell's with it. */
export function judgePager(analysis: Analysis, call: Call): void {
  if (call.words.some((word) => word.prefix.startsWith("+"))) analysis.found.mark("runsCode");
}

/** sysctl: name=value sets. */
export function judgeSysctl(analysis: Analysis, call: Call): void {
  const sets = call.words.some((word) => word.prefix.includes("=") || word.text === undefined);
  if (sets || hasOption(call.words, "w write p load system")) analysis.found.mark("privileges");
}
