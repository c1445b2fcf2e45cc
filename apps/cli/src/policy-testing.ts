import { createReadStream } from "node:fs";
import {
  DIALECTS,
  loadParsers,
  shellFacts,
  type ShellFacts,
  sqlFacts,
  type SqlFacts,
} from "@drawbridge/commands";
import {
  type Context,
  type Decision,
  evaluate,
  type Grant,
  jitPolicies,
  type Operation,
} from "@drawbridge/policy";
import { z } from "zod";
import { CliError, usageError } from "./errors.js";
import { type OfflinePolicies, readOfflinePolicies } from "./offline-policies.js";
import type { Shell } from "./shell.js";
import { textLines } from "./text-lines.js";

export interface TestOptions {
  readonly file?: readonly string[];
  readonly jsonl?: true | string;
  readonly label?: readonly string[];
  readonly target: string;
  readonly tool?: string;
  readonly group?: readonly string[];
}

const CommandLine = z.object({
  id: z.union([z.string(), z.number(), z.null()]).optional(),
  dialect: z.enum(DIALECTS),
  text: z.string(),
  /** As if every policy with just-in-time access had granted it. */
  grant: z.boolean().optional(),
});
type CommandLine = z.infer<typeof CommandLine>;

/** The tool that the starter rules know for each kind of command, and the labels they select by. */
const STARTER = {
  sql: { tool: "execute_sql", labels: { commands: "sql", env: "development" } },
  shell: { tool: "run_command", labels: { commands: "shell", env: "development" } },
} as const;
/** A command has at most 64 KiB; every character of it may be escaped as six. */
const MAX_LINE = 1024 * 1024;

/** Checks policies, and decides commands under them when `jsonl` says where they are. @throws CliError for what is wrong */
export async function testPolicies(shell: Shell, options: TestOptions): Promise<void> {
  if (options.jsonl === undefined && options.file === undefined)
    throw usageError("say what to test: policies with -f, commands with --jsonl, or both");
  const policies = await readOfflinePolicies(options.file, shell);
  if (options.jsonl === undefined) {
    const { policyCount, ruleCount } = policies.compiled;
    shell.output.line(`policies: ${policyCount}, rules: ${ruleCount}, all in order`);
    return;
  }
  await loadParsers();
  await decideLines(shell, options, policies);
}

async function decideLines(shell: Shell, options: TestOptions, policies: OfflinePolicies): Promise<void> {
  const labels = options.label && labelsOf(options.label);
  const input = typeof options.jsonl === "string" ? createReadStream(options.jsonl) : shell.stdin;
  let number = 0;
  let unreadable = 0;
  for await (const line of linesOf(input, options)) {
    number += 1;
    if (line.trim() === "") continue;
    const command = readCommand(line);
    if (typeof command === "string") {
      unreadable += 1;
      shell.output.jsonLine({ line: number, error: command });
    } else {
      shell.output.jsonLine({ ...identity(command), ...decisionOf(command, { options, labels, policies }) });
    }
  }
  if (unreadable > 0) throw new CliError(`${unreadable} of ${number} lines could not be read`);
}

async function* linesOf(
  input: AsyncIterable<Uint8Array | string>,
  { jsonl }: TestOptions,
): AsyncGenerator<string> {
  try {
    yield* textLines(input, MAX_LINE);
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(`cannot read ${String(jsonl)}: ${(error as Error).message}`, { cause: error });
  }
}

function identity({ id }: CommandLine): { id: CommandLine["id"] } {
  return { id: id ?? null };
}

interface Setting {
  readonly options: TestOptions;
  readonly labels: Readonly<Record<string, string>> | undefined;
  readonly policies: OfflinePolicies;
}

function decisionOf(command: CommandLine, { options, labels, policies }: Setting) {
  const { dialect, text } = command;
  const starter = dialect === "sh" ? STARTER.shell : STARTER.sql;
  const facts = dialect === "sh" ? shellFacts([text]) : sqlFacts(dialect, [text]);
  const operation: Operation = {
    target: { name: options.target, labels: labels ?? starter.labels },
    method: "tools/call",
    name: options.tool ?? starter.tool,
    ...(dialect === "sh" ? { shell: () => facts as ShellFacts } : { sql: () => facts as SqlFacts }),
  };
  const principal = { id: "test", groups: options.group ?? policies.groups };
  const context = { principal, client: { id: "test" } };
  const grants = command.grant ? assumedGrants(policies, operation, context) : [];
  const decision = evaluate(policies.compiled, operation, { ...context, grants });
  return { ...saidOf(decision), facts };
}

function saidOf({ effect, rule, review, requestable }: Decision) {
  return {
    decision: effect,
    rule: rule ?? null,
    ...(review && { asks: review.from }),
    ...(requestable && { needsGrantOf: requestable }),
  };
}

/** In force whatever the time is. */
function assumedGrants(
  { compiled }: OfflinePolicies,
  { target }: Operation,
  context: Context,
): readonly Grant[] {
  return jitPolicies(compiled, target, context).map(({ name }) => ({
    id: "test",
    policy: name,
    breakGlass: false,
    startsAt: new Date(0),
    endsAt: FOR_EVER,
  }));
}

const FOR_EVER = new Date("9999-12-31T23:59:59Z");

/** Or what is wrong with the line. */
function readCommand(line: string): CommandLine | string {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    return `not JSON: ${(error as Error).message}`;
  }
  const parsed = CommandLine.safeParse(value);
  if (parsed.success) return parsed.data;
  return parsed.error.issues.map(({ path, message }) => `${path.join(".") || "line"}: ${message}`).join("; ");
}

function labelsOf(labels: readonly string[]): Record<string, string> {
  const pairs = labels.map((label) => {
    const [key = "", ...value] = label.split("=");
    if (key === "" || value.length === 0) throw usageError(`--label ${label}: write key=value`);
    return [key, value.join("=")] as const;
  });
  return Object.fromEntries(pairs);
}
