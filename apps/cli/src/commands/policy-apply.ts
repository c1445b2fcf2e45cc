import { PolicyApplied, PolicyPlan } from "@drawbridge/contracts";
import type { Command } from "commander";
import { createTwoFilesPatch, FILE_HEADERS_ONLY } from "diff";
import { parseDocument } from "yaml";
import type { Api } from "../api.js";
import { collect } from "../arguments.js";
import { nameOf, readDocumentFile } from "../document-files.js";
import { CliError } from "../errors.js";
import { connect, type Shell } from "../shell.js";

interface FilesOptions {
  readonly file: readonly string[];
  readonly json?: boolean;
}

interface ApplyOptions extends FilesOptions {
  readonly dryRun?: boolean;
}

interface Source {
  readonly name: string;
  readonly source: string;
}

const FILE_HELP = "YAML or JSON, one policy; - for standard input; may be given several times";
const CONTEXT_LINES = 3;
const TOOLS_SHOWN = 5;

export function addPolicyApplyCommands(policy: Command, shell: Shell): void {
  policy
    .command("apply")
    .description("make policies live, each as its document says; shows what changes and who is affected")
    .requiredOption("-f, --file <file>", FILE_HELP, collect)
    .option("--dry-run", "show it, and change nothing")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  drawbridge policy apply -f shop-read.yaml\n  drawbridge policy apply -f shop-read.yaml --dry-run",
    )
    .action((options: ApplyOptions, command: Command) => apply(shell, options, command));
  policy
    .command("diff")
    .description("show how documents differ from the live policies, and who would be affected")
    .requiredOption("-f, --file <file>", FILE_HELP, collect)
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge policy diff -f shop-read.yaml")
    .action((options: FilesOptions, command: Command) => apply(shell, { ...options, dryRun: true }, command));
}

/** All are checked before the first becomes live: a mistake in the third leaves the first two as they are. */
async function apply(shell: Shell, options: ApplyOptions, command: Command): Promise<void> {
  const { api } = await connect(shell, command);
  const sources = await readSources(options.file, shell);
  const plans: { plan: PolicyPlan; source: string }[] = [];
  for (const { name, source } of sources) {
    plans.push({ plan: await planOf(api, { name, source }), source });
  }
  if (options.dryRun) {
    if (options.json) shell.output.json({ items: plans.map(({ plan }) => plan) });
    else for (const { plan, source } of plans) showPlan(shell, plan, source);
    return;
  }
  const items: unknown[] = [];
  for (const { plan, source } of plans) {
    const path = `/policies/${encodeURIComponent(plan.name)}`;
    if (!options.json) showPlan(shell, plan, source);
    const { version, changed } = await api.put(path, PolicyApplied, { source });
    items.push({ ...plan, source: undefined, version, changed });
    if (!options.json && changed) shell.output.line(`policy ${plan.name} is live as version ${version}`);
  }
  if (options.json) shell.output.json({ items });
}

function planOf(api: Api, { name, source }: Source): Promise<PolicyPlan> {
  return api.ask(`/policies/${encodeURIComponent(name)}/plan`, PolicyPlan, { source });
}

async function readSources(files: readonly string[], shell: Shell): Promise<Source[]> {
  const sources: Source[] = [];
  const fileOf = new Map<string, string>();
  for (const file of files) {
    const source = await readDocumentFile(file, shell);
    const name = policyName(source, nameOf(file));
    const other = fileOf.get(name);
    if (other !== undefined) {
      throw new CliError(`${other} and ${nameOf(file)} are both policy ${name}; give one of them`);
    }
    fileOf.set(name, nameOf(file));
    sources.push({ name, source });
  }
  return sources;
}

/** Only the name is read here: what is wrong with a policy the control plane says, in one place for everybody. */
function policyName(source: string, file: string): string {
  const document = parseDocument(source);
  const [broken] = document.errors;
  if (broken !== undefined) {
    const line = broken.linePos?.[0].line ?? 1;
    throw new CliError(`${file} is not a policy`, {
      details: [`line ${line}: ${broken.message.split("\n")[0] ?? broken.message}`],
    });
  }
  const name: unknown = document.getIn(["metadata", "name"]);
  if (typeof name !== "string" || name === "") throw new CliError(`${file} has no metadata.name`);
  return name;
}

function showPlan(shell: Shell, plan: PolicyPlan, source: string): void {
  const { output } = shell;
  const { name, outcome, version } = plan;
  if (outcome === "unchanged") return output.line(`policy ${name} unchanged (version ${version})`);
  output.line(
    outcome === "created" ? `policy ${name} is new` : `policy ${name} changes (live: version ${version})`,
  );
  for (const { path, says } of plan.changes) output.line(`  ${placeOf(path)}: ${says}`);
  if (outcome === "changed" && plan.source !== undefined) {
    output.block(
      createTwoFilesPatch(`${name} (version ${version})`, `${name} (new)`, plan.source, source, "", "", {
        context: CONTEXT_LINES,
        headerOptions: FILE_HEADERS_ONLY,
      }),
    );
  }
  showAffected(shell, plan);
}

/** `spec.rules.read` is rule read, `spec.subjects` the subjects. */
function placeOf(path: string): string {
  return path.replace(/^spec\.rules\./, "rule ").replace(/^spec\./, "");
}

function showAffected({ output }: Shell, plan: PolicyPlan): void {
  const { affected, affectedCount, considered, openSessions } = plan;
  if (affectedCount === 0) {
    output.line(`nobody seen in the last 30 days (${considered}) gains or loses a tool`);
    return;
  }
  output.table(
    ["PRINCIPAL", "CLIENT", "TARGET", "LOSES", "GAINS"],
    affected.map(({ principal, email, client, target, loses, gains }) => [
      email ?? principal,
      client,
      target,
      someOf(loses),
      someOf(gains),
    ]),
    "",
  );
  if (affectedCount > affected.length) output.line(`… and ${affectedCount - affected.length} more`);
  output.line(`${affectedCount} of ${considered} seen in the last 30 days; ${openSessions} open sessions`);
}

function someOf(names: readonly string[]): string {
  const more = names.length - TOOLS_SHOWN;
  return names.slice(0, TOOLS_SHOWN).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
