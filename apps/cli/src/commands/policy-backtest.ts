import { BacktestLine } from "@drawbridge/contracts";
import type { Command } from "commander";
import { collect, count, durationSeconds } from "../arguments.js";
import { readDocumentFile } from "../document-files.js";
import { CliError, usageError } from "../errors.js";
import { jsonLines } from "../json-lines.js";
import { connect, type Shell } from "../shell.js";
import { time } from "../times.js";

interface BacktestOptions {
  readonly file: readonly string[];
  readonly last: number;
  readonly from?: string;
  readonly to?: string;
  readonly limit: number;
  readonly json?: boolean;
}

type Changed = Extract<BacktestLine, { line: "changed" }>;
type Summary = Extract<BacktestLine, { line: "summary" }>;

const WEEK_SECONDS = 7 * 86_400;
const DEFAULT_SHOWN = 50;
const BAR_WIDTH = 30;
/** One line of a backtest: names are bounded, so this is far more than any has. */
const MAX_LINE_BYTES = 1024 * 1024;

export function addPolicyBacktestCommand(policy: Command, shell: Shell): void {
  policy
    .command("backtest")
    .description("run policies over what was recorded, and list the decisions that would change")
    .requiredOption("-f, --file <file>", "YAML or JSON, one policy; may be given several times", collect)
    .option("--last <duration>", "the period up to now", durationSeconds, WEEK_SECONDS)
    .option("--from <time>", "its beginning instead, such as 2026-11-01T00:00:00Z")
    .option("--to <time>", "its end (default: now)")
    .option("--limit <count>", "how many changed decisions to print", count, DEFAULT_SHOWN)
    .option("--json", "print each line as JSON as it comes")
    .addHelpText(
      "after",
      "\nExamples:\n  drawbridge policy backtest -f shop-read.yaml --last 30d\n  drawbridge policy backtest -f shop-read.yaml --json | jq 'select(.line == \"changed\")'",
    )
    .action((options: BacktestOptions, command: Command) => backtest(shell, options, command));
}

async function backtest(shell: Shell, options: BacktestOptions, command: Command): Promise<void> {
  const candidates: string[] = [];
  for (const file of options.file) candidates.push(await readDocumentFile(file, shell));
  const { api } = await connect(shell, command);
  const from = options.from === undefined ? secondsAgo(options.last) : instant(options.from);
  const to = options.to === undefined ? undefined : instant(options.to);
  const lines = await api.askForStream("/policies/backtest", {
    candidates,
    from,
    ...(to !== undefined && { to }),
  });
  const summary = await follow(shell, jsonLines(lines, BacktestLine, MAX_LINE_BYTES), options);
  if (!options.json) showSummary(shell, summary, options.limit);
}

async function follow(
  shell: Shell,
  lines: AsyncIterable<BacktestLine>,
  { json, limit }: BacktestOptions,
): Promise<Summary> {
  const { output } = shell;
  let shown = 0;
  try {
    for await (const line of lines) {
      if (line.line === "failed") throw new CliError(line.detail);
      if (json) output.jsonLine(line);
      if (line.line === "progress") output.progress(bar(line.done, line.total));
      if (line.line === "summary") return line;
      if (line.line === "changed" && !json && shown++ < limit) showChanged(shell, line);
    }
  } finally {
    output.progress(undefined);
  }
  throw new CliError("the backtest broke off; nothing of its result counts");
}

function showChanged({ output }: Shell, line: Changed): void {
  const { at, principal, target, method, name, was, wasRule, now, nowRule, reason, uncertain } = line;
  const what = name === undefined ? method : name;
  const before = wasRule === undefined ? was : `${was} (${wasRule})`;
  const after = nowRule === undefined ? now : `${now} (${nowRule})`;
  output.progress(undefined);
  output.line(
    `${time(at)}  ${principal}  ${target} ${what}: ${before} → ${after}${uncertain ? ", uncertain: its arguments are masked" : ""}`,
  );
  output.line(`    ${reason}`);
}

function showSummary({ output }: Shell, summary: Summary, shown: number): void {
  const { operations, changed, uncertain, unreadable, counts } = summary;
  if (changed > shown) output.line(`… and ${changed - shown} more (--limit)`);
  if (changed > 0) output.line();
  if (counts.length > 0) {
    output.table(
      ["PRINCIPAL", "TARGET", "TOOL OR METHOD", "WAS", "NOW", "COUNT"],
      counts.map(({ principal, target, name, was, now, count: times }) => [
        principal,
        target,
        name,
        was,
        now,
        times,
      ]),
      "",
    );
  }
  output.line(
    `${changed} of ${operations} decisions would change, ${uncertain} of them uncertain; ${unreadable} could not be judged`,
  );
}

function bar(done: number, total: number): string {
  const part = total === 0 ? 1 : Math.min(1, done / total);
  const filled = Math.round(part * BAR_WIDTH);
  return `[${"#".repeat(filled)}${"-".repeat(BAR_WIDTH - filled)}] ${done} of ${total} operations`;
}

function secondsAgo(seconds: number): string {
  return new Date(Date.now() - seconds * 1000).toISOString();
}

function instant(text: string): string {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) throw usageError(`${text} is not a time; write 2026-11-01T00:00:00Z`);
  return at.toISOString();
}
