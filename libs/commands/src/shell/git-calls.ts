import type { Analysis, Call } from "./analysis.js";
import { couldBeOption, type Field } from "./field.js";
import { operandsOf } from "./options.js";
import { subcommandIndex } from "./program-table.js";
import { GIT } from "./tables/git.js";

/** Settings that change how git looks, never what it runs. */
const HARMLESS_SETTING =
  /^(?:color\.[\w.-]+|core\.(?:quotepath|abbrev|autocrlf|filemode|ignorecase)|user\.(?:name|email)|init\.defaultbranch|advice\.\w+|log\.(?:date|decorate|showsignature)|pull\.(?:rebase|ff)|push\.default|diff\.(?:renames|algorithm|context)|grep\.\w+|column\.\w+|status\.\w+|commit\.gpgsign|branch\.sort|tag\.sort)(?:=|$)/i;

/** What the table of git's options does not say: settings, refspecs, URLs, paths to check out. */
export function judgeGit(analysis: Analysis, call: Call): void {
  const at = subcommandIndex(GIT, call.words);
  const globals = at === undefined ? call.words : call.words.slice(0, at);
  globals.forEach((word, index) => {
    if (word.text === "-c" && !HARMLESS_SETTING.test(globals[index + 1]?.text ?? ""))
      analysis.found.mark("runsCode");
    else if (/^-c./.test(word.prefix)) analysis.found.mark("runsCode");
  });
  if (at === undefined) return;
  const words = call.words.slice(at + 1);
  LOOKS.get(call.words[at]?.text ?? "")?.(analysis, words);
}

type Look = (analysis: Analysis, words: readonly Field[]) => void;

const LOOKS = new Map<string, Look>([
  ["push", judgePush],
  ["checkout", judgeCheckout],
  ["config", judgeConfig],
  ["clone", judgeRemote],
  ["fetch", judgeRemote],
  ["pull", judgeRemote],
  ["ls-remote", judgeRemote],
  ["remote", judgeRemote],
]);

/** "ext::program" and "fd::3" are transports that run programs; "+ref" and ":ref" overwrite and delete. */
function judgeRemote(analysis: Analysis, words: readonly Field[]): void {
  if (words.some((word) => /^[\w.+-]*::|^-/.test(word.prefix) && word.prefix.includes("::")))
    analysis.found.mark("runsCode");
  if (words.some((word) => word.prefix.startsWith("+"))) analysis.found.mark("destructive");
}

function judgePush(analysis: Analysis, words: readonly Field[]): void {
  judgeRemote(analysis, words);
  const [, ...refspecs] = operandsOf(words, "o push-option repo");
  for (const refspec of refspecs) {
    if (/^[+:]/.test(refspec.prefix)) analysis.found.mark("destructive");
    else if (refspec.text === undefined && refspec.prefix === "") analysis.found.mark("dynamic");
  }
}

/** A branch is switched to; files are overwritten. What looks like a file, and anything behind "--", is one. */
function judgeCheckout(analysis: Analysis, words: readonly Field[]): void {
  const dashes = words.findIndex((word) => word.text === "--");
  const operands = operandsOf(words, "b orphan");
  const names = words.some((word) => /^-b|^--orphan/.test(word.prefix)) ? [] : operands;
  const [first, second] = names;
  if (dashes !== -1 || second !== undefined || (first !== undefined && looksLikeFile(first))) {
    analysis.found.mark("destructive");
  }
}

function looksLikeFile(word: Field): boolean {
  const text = word.text;
  if (text === undefined) return true;
  return /^\.|^:|\/$|[*?]|\.[A-Za-z]\w*$/.test(text);
}

const SHOWS =
  /^(?:--get|--get-all|--get-regexp|--get-urlmatch|--list|-l|get|list|--show-origin|--show-scope|--name-only|--global|--local|--system|--worktree|--null|-z)$/;

function judgeConfig(analysis: Analysis, words: readonly Field[]): void {
  const { found } = analysis;
  const reads = words.some((word) => /^(?:--get|--list$|-l$|get$|list$)/.test(word.text ?? ""));
  const options = words.filter((word) => couldBeOption(word));
  const operands = operandsOf(words);
  if (options.every((word) => SHOWS.test(word.text ?? "")) && (reads || operands.length === 1)) return;
  found.mark("writes");
  if (options.some((word) => /^--(?:unset|remove|rename|replace)/.test(word.prefix)))
    found.mark("destructive");
  if (!operands.slice(0, 2).some((word) => HARMLESS_SETTING.test(word.text ?? ""))) found.mark("runsCode");
}
