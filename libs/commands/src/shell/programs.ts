import type { Analysis, Call, Feed } from "./analysis.js";
import { judgeBuiltin } from "./builtins.js";
import { judgeService, judgeStty, onlyLooks } from "./checks.js";
import { couldBeOption, type Field, UNKNOWN_FIELDS } from "./field.js";
import { judgeCopy, judgeDd, judgePager, judgeSysctl, judgeUniq, judgeWritten } from "./files.js";
import { judgeAwk, judgeFind, judgeSed } from "./filters.js";
import { judgeGit } from "./git-calls.js";
import { judgeInterpreter, onlyAsksForVersion } from "./interpreters.js";
import { hasOption, operandsOf, valuesOf } from "./options.js";
import type { Program } from "./program.js";
import { judgeByRow } from "./program-table.js";
import {
  judgeCloud,
  judgeContainerCopy,
  judgeContainerExec,
  judgeRedis,
  judgeStoreClient,
} from "./services.js";
import { sendsData } from "./sending.js";
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
  ["uniq", judgeUniq],
  ["kill", judgeKill],
  ["date", judgeDate],
  ...["docker", "podman", "nerdctl", "kubectl", "oc", "k"].map((name): [string, Judge] => [
    name,
    judgeContainerCopy,
  ]),
  ["redis-cli", judgeRedis],
  ["valkey-cli", judgeRedis],
  ...SERVERS.split(" ").map((name): [string, Judge] => [name, judgeStoreClient]),
  ...["aws", "gcloud", "az", "oci", "doctl", "ibmcloud", "aliyun", "linode-cli", "gsutil", "bq"].map(
    (name): [string, Judge] => [name, judgeCloud],
  ),
  ["su", judgeSu],
  ["service", judgeService],
  ["stty", judgeStty],
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
  if (onlyLooks(call)) return;
  if (SPECIAL_WRAPPERS.get(call.name)?.(analysis, call) === true) return;
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
  if (sendsData(call)) analysis.found.mark("sendsData", "network");
  if (row !== undefined && !onlyHelps(row, call)) judgeByRow(analysis, row, call.words);
}

/** `make --version`, `docker --version`: of known programs only, an unknown one may do anything with it. */
function onlyHelps(row: Program, call: Call): boolean {
  const shown = row.does === "runsCode" || row.subcommands !== undefined;
  return shown && onlyAsksForVersion(call.words);
}

/** Wrappers that need more than their row: true when the call is judged. */
const SPECIAL_WRAPPERS = new Map<string, (analysis: Analysis, call: Call) => boolean>([
  ...["docker", "podman", "nerdctl", "kubectl", "oc", "k"].map(
    (name): [string, typeof judgeContainerExec] => [name, judgeContainerExec],
  ),
  // -v and -V only tell what it would be.
  ["command", (_, call) => /^-p?[vV]$/.test(call.words[0]?.text ?? "")],
  ["ssh", judgeSshOptions],
  ["xargs", judgeXargs],
  ["env", judgeEnv],
  ["flock", judgeFlock],
]);

/** xargs -I MARK: the mark may stand anywhere in what runs. */
function judgeXargs(analysis: Analysis, call: Call): boolean {
  const end = xargsOptionsEnd(call.words);
  const at = call.words.findIndex((word) => /^-(?:[IJi]|-replace)/.test(word.prefix));
  if (at === -1 || at > end) return false;
  const option = call.words[at]?.text ?? "";
  const isApart = option === "-I" || option === "-J";
  const mark = isApart ? call.words[at + 1]?.text : replaceMark(option);
  const inner = call.words.slice(at + (isApart ? 2 : 1));
  if (mark === undefined) analysis.found.mark("dynamic");
  else judgeReplacingXargs(analysis, { ...call, words: inner.slice(xargsOptionsEnd(inner)) }, mark);
  return true;
}

function replaceMark(option: string): string {
  return /^(?:-i|-[IJ]|--replace=?)(.*)$/s.exec(option)?.[1] || "{}";
}

/** Only options that stand before the program are xargs' own; those that it has not got here end them too. */
function xargsOptionsEnd(words: readonly Field[]): number {
  let index = 0;
  while (
    /^-(?:[0rtxp]+|-null|-no-run-if-empty|-max-.*=.*|-delimiter=.*|[nPLsdEa].*)$/s.test(
      words[index]?.text ?? "",
    )
  ) {
    index += /^-[nPLsdEa]$/.test(words[index]?.text ?? "") ? 2 : 1;
  }
  return index;
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

/** Settings of ssh that run nothing here. */
const SSH_SETTING =
  /^(?:BatchMode|ConnectTimeout|StrictHostKeyChecking|LogLevel|Port|User|ServerAlive\w*|IdentitiesOnly|RequestTTY|ConnectionAttempts|Compression|PreferredAuthentications|PasswordAuthentication|HostName)[ =]/i;

/** ssh -o ProxyCommand=…, -F and -I have ssh run programs here. */
function judgeSshOptions(analysis: Analysis, call: Call): boolean {
  if (hasOption(call.words, "F I")) analysis.found.mark("runsCode");
  for (const setting of valuesOf(call.words, "o")) {
    if (!SSH_SETTING.test(setting.prefix)) analysis.found.mark("runsCode");
  }
  // The rest is as with every wrapper.
  return false;
}

/** flock FILE -c 'line'. */
function judgeFlock(analysis: Analysis, call: Call): boolean {
  const at = call.words.findIndex((word) => word.text === "-c" || word.text === "--command");
  const script = call.words[at + 1];
  if (at === -1 || script === undefined) return false;
  judgeJoined(analysis, { ...call, words: [script] });
  return true;
}

/** kill -l tells names of signals, kill -0 whether a process is there. */
function judgeKill(analysis: Analysis, call: Call): void {
  if (!/^(?:-[lL0]|--list|--table)$/.test(call.words[0]?.text ?? "")) analysis.found.mark("destructive");
}

/** An operand of date that is no format sets the clock. */
function judgeDate(analysis: Analysis, call: Call): void {
  const operands = operandsOf(call.words, "d f r date file reference");
  if (operands.some((word) => !word.prefix.startsWith("+"))) analysis.found.mark("privileges");
}

/** fd and its -x. */
function judgeFd(analysis: Analysis, call: Call): void {
  const at = call.words.findIndex((word) => /^(?:-[a-zA-Z]*[xX]|--exec(?:-batch)?)$/.test(word.text ?? ""));
  if (at !== -1) {
    const inner = call.words
      .slice(at + 1)
      .map((word) => (word.text?.includes("{") === true ? { ...UNKNOWN_FIELDS, splits: false } : word));
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
