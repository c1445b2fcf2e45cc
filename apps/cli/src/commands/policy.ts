import { PolicyApplied, PolicyPage, PolicyView } from "@drawbridge/contracts";
import type { Command } from "commander";
import { parseDocument } from "yaml";
import { collect } from "../arguments.js";
import { nameOf, readDocumentFile } from "../document-files.js";
import { CliError } from "../errors.js";
import { connect, type Shell } from "../shell.js";
import { time } from "../times.js";

interface JsonOption {
  readonly json?: boolean;
}

interface ApplyOptions extends JsonOption {
  readonly file: readonly string[];
}

export function addPolicyCommands(program: Command, shell: Shell): void {
  const policy = program.command("policy").alias("policies").description("who may do what");
  policy
    .command("list", { isDefault: true })
    .description("list the live policies")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge policy list")
    .action(async ({ json }: JsonOption, command: Command) => {
      const { api } = await connect(shell, command);
      showPolicies(shell, await api.list<typeof PolicyView>("/policies", PolicyPage), json);
    });
  policy
    .command("versions")
    .argument("<name>")
    .description("list every version a policy ever had")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge policy versions shop-read")
    .action(async (name: string, { json }: JsonOption, command: Command) => {
      const { api } = await connect(shell, command);
      const path = `/policies/${encodeURIComponent(name)}/versions`;
      showPolicies(shell, await api.list<typeof PolicyView>(path, PolicyPage), json);
    });
  policy
    .command("get")
    .argument("<name>")
    .description("print a policy as it was written")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge policy get shop-read > shop-read.yaml")
    .action(async (name: string, { json }: JsonOption, command: Command) => {
      const { api } = await connect(shell, command);
      const found = await api.get(`/policies/${encodeURIComponent(name)}`, PolicyView);
      if (json) shell.output.json(found);
      else shell.output.exact(found.source);
    });
  policy
    .command("apply")
    .description("make policies live, each as its document says")
    .requiredOption("-f, --file <file>", "YAML or JSON, one policy; - for standard input", collect)
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge policy apply -f shop-read.yaml")
    .action((options: ApplyOptions, command: Command) => apply(shell, options, command));
  policy
    .command("delete")
    .argument("<name>")
    .description("remove a policy: what only it allowed is refused from now on")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge policy delete shop-read")
    .action(async (name: string, { json }: JsonOption, command: Command) => {
      const { api } = await connect(shell, command);
      await api.delete(`/policies/${encodeURIComponent(name)}`);
      if (json) shell.output.json({ name, deleted: true });
      else shell.output.line(`policy ${name} deleted`);
    });
}

async function apply(shell: Shell, { file: files, json }: ApplyOptions, command: Command): Promise<void> {
  const { api } = await connect(shell, command);
  const sources: { name: string; source: string }[] = [];
  for (const file of files) {
    const source = await readDocumentFile(file, shell);
    sources.push({ name: policyName(source, nameOf(file)), source });
  }
  const items: { name: string; version: number; changed: boolean }[] = [];
  for (const { name, source } of sources) {
    const { version, changed } = await api.put(`/policies/${encodeURIComponent(name)}`, PolicyApplied, {
      source,
    });
    items.push({ name, version, changed });
    if (!json) shell.output.line(`policy ${name} ${outcome(version, changed)} (version ${version})`);
  }
  if (json) shell.output.json({ items });
}

function outcome(version: number, changed: boolean): string {
  if (!changed) return "unchanged";
  return version === 1 ? "created" : "changed";
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

function showPolicies({ output }: Shell, items: readonly Policy[], json: boolean | undefined): void {
  if (json) return output.json({ items });
  output.table(
    ["NAME", "VERSION", "CHANGED", "BY", "DESCRIPTION"],
    items.map(({ name, version, createdAt, createdBy, description }) => [
      name,
      version,
      time(createdAt),
      createdBy,
      description,
    ]),
    "no policies, so nobody may do anything; add one: drawbridge policy apply -f FILE",
  );
}

type Policy = ReturnType<typeof PolicyView.parse>;
