import type { Analysis, Call, Feed } from "./analysis.js";
import { judgeBuiltin } from "./builtins.js";
import { couldBeOption, type Field, UNKNOWN_FIELDS } from "./field.js";
import { judgeCopy, judgeDd, judgePager, judgeSysctl, judgeWritten } from "./files.js";
import { judgeAwk, judgeFind, judgeSed } from "./filters.js";
import { judgeGit } from "./git-calls.js";
import { judgeInterpreter, onlyAsksForVersion } from "./interpreters.js";
import { hasOption } from "./options.js";
import type { Program } from "./program.js";
import { judgeByRow } from "./program-table.js";
import { judgeCloud, judgeContainerExec, judgeRedis, judgeStoreClient } from "./services.js";
import { judgeSqlClient } from "./sql-clients.js";
import { CLOUD } from "./tables/cloud.js";
import { DEVELOPMENT } from "./tables/development.js";
import { GIT } from "./tables/git.js";
import { NETWORK } from "./tables/network.js";
import { SHELL_BUILTINS } from "./tables/shell-builtins.js";
import { SYSTEM } from "./tables/system.js";
import { TEXT_AND_FILES } from "./tables/text-and-files.js";
import { judgeCurl, judgeTar, judgeWget } from "./transfers.js";
import { judgeJoined, judgeReplacingXargs, judgeWrapper } from "./wrappers.js";

/** All rows by name. A program that is not here, and not below, is unknown: it runs code. */
const ROWS = new Map<string, Program>(
  Object.entries({
    ...TEXT_AND_FILES,
    ...SYSTEM,
    ...NETWORK,
    ...DEVELOPMENT,
    ...CLOUD,
    ...SHELL_BUILTINS,
    git: GIT,
  }),
);

type Judge = (analysis: Analysis, call: Call) => void;

const SERVERS =
  "mongo mongosh mongodump mongoexport cqlsh sqlcmd sqlplus db2 snowsql bq-shell influx elasticdump kafka-topics kafka-topics.sh";

/** Programs whose words mean more than options: in place of a row, or besides it. */
const JUDGES = new Map<string, Judge>([
  ["dd", judgeDd],
  ["sed", judgeSed],
  ["gsed", judgeSed],
  ...["awk", "gawk", "mawk", "nawk"].map((name): [string, Judge] => [name, judgeAwk]),
  ["find", judgeFind],
  ["fd", judgeFd],
  ["fdfind", judgeFd],
  ["curl", judgeCurl],
  ["wget", judgeWget],
  ["tar", judgeTar],
  ["gtar", judgeTar],
  ["bsdtar", judgeTar],
  ["git", judgeGit],
  ...["cp", "mv", "ln", "install", "rsync", "scp"].map((name): [string, Judge] => [name, judgeCopy]),
  ...["touch", "mkdir", "tee", "sponge", "patch", "split"].map((name): [string, Judge] => [
    name,
    judgeWritten,
  ]),
  ...["less", "more", "most", "man", "vim"].map((name): [string, Judge] => [name, judgePager]),
  ["sysctl", judgeSysctl],
  ["redis-cli", judgeRedis],
  ["valkey-cli", judgeRedis],
  ...SERVERS.split(" ").map((name): [string, Judge] => [name, judgeStoreClient]),
  ...["aws", "gcloud", "az", "oci", "doctl", "ibmcloud", "aliyun", "linode-cli", "gsutil", "bq"].map(
    (name): [string, Judge] => [name, judgeCloud],
  ),
  ["su", judgeSu],
  ["sqlite", judgeStoreClient],
  ["mysqladmin", judgeAdmin],
  ["mariadb-admin", judgeAdmin],
  ...["dropdb", "dropuser", "pg_restore", "pg_resetwal", "pg_ctl", "initdb", "vacuumlo"].map(
    (name): [string, Judge] => [name, destroys],
  ),
  ...["createdb", "pg_dump", "pg_dumpall", "mysqldump", "vacuumdb", "reindexdb"].map(
    (name): [string, Judge] => [name, dumps],
  ),
  ["createuser", grants],
]);

/** These have a judge that says all, and no row besides. */
const JUDGED_WHOLLY = new Set(["dd", "wget", "sysctl", "redis-cli"]);

/** A folder of the system: a program elsewhere may be anything, whatever it is called. */
const SYSTEM_FOLDER = /^\/(?:usr\/(?:local\/)?)?s?bin\/([^/]+)$|^\/opt\/homebrew\/s?bin\/([^/]+)$/;

/** Judges the call of a program: the first of the fields names it. */
export function judgeProgram(analysis: Analysis, fields: readonly Field[], feed: Feed): void {
  analysis.limits.call();
  const [program, ...words] = fields;
  if (program === undefined) return;
  if (program.text === undefined) {
    analysis.found.mark("dynamic");
    return;
  }
  const name = programName(program.text);
  analysis.found.programs.add(program.text.slice(program.text.lastIndexOf("/") + 1));
  if (name === undefined) analysis.found.mark("runsCode");
  else judgeNamed(analysis, { name, words, feed });
}

function programName(path: string): string | undefined {
  if (!path.includes("/")) return path;
  const match = SYSTEM_FOLDER.exec(path);
  return match?.[1] ?? match?.[2];
}

function judgeNamed(analysis: Analysis, call: Call): void {
  if (judgeSpecialWrapper(analysis, call)) return;
  if (judgeWrapper(analysis, call)) return;
  if (judgeBuiltin(analysis, call)) return;
  if (judgeInterpreter(analysis, call)) return;
  if (judgeSqlClient(analysis, call)) return;
  judgeListed(analysis, call);
}

function judgeListed(analysis: Analysis, call: Call): void {
  const judge = JUDGES.get(call.name);
  const row = JUDGED_WHOLLY.has(call.name) ? undefined : ROWS.get(call.name);
  if (judge === undefined && row === undefined) {
    analysis.found.mark("runsCode");
    return;
  }
  judge?.(analysis, call);
  if (row !== undefined && !onlyHelps(row, call)) judgeByRow(analysis, row, call.words);
}

/** `make --version`, `docker --version`: of known programs only, an unknown one may do anything with it. */
function onlyHelps(row: Program, call: Call): boolean {
  const shown = row.does === "runsCode" || row.subcommands !== undefined;
  return shown && onlyAsksForVersion(call.words);
}

/** Wrappers that need more than their row; true when the call is judged. */
function judgeSpecialWrapper(analysis: Analysis, call: Call): boolean {
  switch (call.name) {
    case "docker":
    case "podman":
    case "nerdctl":
    case "kubectl":
    case "oc":
    case "k":
      return judgeContainerExec(analysis, call);
    case "command":
      // -v and -V only tell what it would be.
      return /^-p?[vV]$/.test(call.words[0]?.text ?? "");
    case "xargs":
      return judgeXargs(analysis, call);
    case "env":
      return judgeEnv(analysis, call);
    case "flock":
      return judgeFlock(analysis, call);
    default:
      return false;
  }
}

/** xargs -I MARK: the mark may stand anywhere in what runs. */
function judgeXargs(analysis: Analysis, call: Call): boolean {
  const at = call.words.findIndex((word) => /^-(?:I|J|i|-replace)/.test(word.prefix));
  const option = call.words[at];
  if (at === -1 || option === undefined || endsBefore(call.words, at)) return false;
  const apart = option.text === "-I" || option.text === "-J";
  const mark = apart ? call.words[at + 1]?.text : replaceMark(option.text);
  if (mark === undefined) {
    analysis.found.mark("dynamic");
    return true;
  }
  const words = [...call.words.slice(0, at), ...call.words.slice(at + (apart ? 2 : 1))];
  const inner = { ...call, words: words.filter((_, index) => !isXargsOption(words, index)) };
  judgeReplacingXargs(analysis, inner, mark);
  return true;
}

function replaceMark(option: string | undefined): string | undefined {
  if (option === undefined) return undefined;
  return /^(?:-[IJi]|--replace=?)(.*)$/s.exec(option)?.[1] || "{}";
}

/** Only options that stand before the program are xargs' own. */
function endsBefore(words: readonly Field[], at: number): boolean {
  return words.slice(0, at).some((_, index) => !isXargsOption(words, index));
}

function isXargsOption(words: readonly Field[], index: number): boolean {
  const before = words.slice(0, index + 1);
  return before.every(
    (each, at) =>
      /^-(?:0|r|t|x|null|-null|-no-run-if-empty|[nPLsdE].*|-max-.*=.*)$/.test(each.text ?? "") ||
      (/^-[nPLsdE]$/.test(before[at - 1]?.text ?? "") && !couldBeOption(each)),
  );
}

/** env -S: one word holds the program and its words. */
function judgeEnv(analysis: Analysis, call: Call): boolean {
  const at = call.words.findIndex((word) => /^-[iv0]*S|^--split/.test(word.prefix));
  if (at === -1) return false;
  analysis.found.mark("dynamic");
  const text = call.words[at]?.text?.replace(/^-[iv0]*S|^--split[^=]*=?/, "") || call.words[at + 1]?.text;
  if (text !== undefined) analysis.script(text, call.feed);
  return true;
}

/** flock FILE -c 'line'. */
function judgeFlock(analysis: Analysis, call: Call): boolean {
  const at = call.words.findIndex((word) => word.text === "-c" || word.text === "--command");
  const script = call.words[at + 1];
  if (at === -1 || script === undefined) return false;
  judgeJoined(analysis, { ...call, words: [script] });
  return true;
}

/** fd and its -x. */
function judgeFd(analysis: Analysis, call: Call): void {
  const at = call.words.findIndex((word) => /^(?:-[a-zA-Z]*[xX]|--exec(?:-batch)?)$/.test(word.text ?? ""));
  if (at !== -1) {
    const inner = call.words
      .slice(at + 1)
      .map((word) => (/\{.*\}/.test(word.text ?? "") ? { ...UNKNOWN_FIELDS, splits: false } : word));
    analysis.program([...inner, { ...UNKNOWN_FIELDS, splits: false, operand: true }], { fed: false });
  } else if (hasOption(call.words, "x X exec exec-batch", "e E t S d c j")) {
    analysis.found.mark("runsCode");
  }
  if (
    call.words
      .slice(0, at === -1 ? undefined : at)
      .some((word) => word.text === undefined && couldBeOption(word))
  )
    analysis.found.mark("dynamic");
}

/** su USER -c 'line'. */
function judgeSu(analysis: Analysis, call: Call): void {
  analysis.found.mark("privileges");
  const at = call.words.findIndex((word) => /^-[a-z]*c$|^--command$/.test(word.text ?? ""));
  const script = call.words[at + 1]?.text;
  if (at !== -1 && script !== undefined) analysis.script(script, call.feed);
  else analysis.found.mark("runsCode");
}

function judgeAdmin(analysis: Analysis, call: Call): void {
  analysis.found.mark("network");
  const reads = /^(?:ping|status|version|processlist|extended-status|variables)$/;
  if (
    !call.words.some((word) => reads.test(word.text ?? "")) ||
    call.words.some((word) =>
      /^(?:drop|shutdown|kill|password|flush|create|reload|refresh|stop)/.test(word.text ?? "drop"),
    )
  )
    analysis.found.mark("destructive");
}

function destroys(analysis: Analysis): void {
  analysis.found.mark("destructive", "network");
}

function dumps(analysis: Analysis, call: Call): void {
  analysis.found.mark("network");
  if (call.name === "createdb" || hasOption(call.words, "f file r result-file", "h U p d n t u P"))
    analysis.found.mark("writes");
  if (hasOption(call.words, "T tab", "h U p d n t u P") && call.name === "mysqldump")
    analysis.found.mark("writes");
}

function grants(analysis: Analysis): void {
  analysis.found.mark("privileges", "network");
}
