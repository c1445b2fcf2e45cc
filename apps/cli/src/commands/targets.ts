import {
  type TargetDocument,
  TargetPage,
  TargetView,
  type VisibleTarget,
  VisibleTargets,
} from "@drawbridge/contracts";
import type { Command } from "commander";
import type { z } from "zod";
import type { Api } from "../api.js";
import { collect } from "../arguments.js";
import { nameOf, readDocumentFile } from "../document-files.js";
import { CliError, EXIT } from "../errors.js";
import { connect, type Connection, type Shell } from "../shell.js";
import { parseTargetDocuments } from "../target-documents.js";
import { time } from "../times.js";

interface JsonOption {
  readonly json?: boolean;
}

interface ApplyOptions extends JsonOption {
  readonly file: readonly string[];
}

export function addTargetCommands(program: Command, shell: Shell): void {
  const targets = program.command("targets").description("the MCP servers behind the bridge");
  targets
    .command("list", { isDefault: true })
    .description("list the targets: operators see all, everybody else those that a policy lets them use")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge targets")
    .action((options: JsonOption, command: Command) => list(shell, options, command));
  targets
    .command("show")
    .argument("<name>")
    .description("show one target")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge targets show shop")
    .action(async (name: string, { json }: JsonOption, command: Command) => {
      const target = await find(await connect(shell, command), name);
      if (json) shell.output.json(target);
      else showTarget(shell, target);
    });
  targets
    .command("apply")
    .description("register targets, or change them, as documents say")
    .requiredOption("-f, --file <file>", "YAML or JSON, one or more documents; - for standard input", collect)
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge targets apply -f shop.yaml")
    .action((options: ApplyOptions, command: Command) => apply(shell, options, command));
  targets
    .command("delete")
    .argument("<name>")
    .description("remove a target; its recordings stay")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge targets delete shop")
    .action(async (name: string, { json }: JsonOption, command: Command) => {
      const { api } = await connect(shell, command);
      await api.delete(`/targets/${encodeURIComponent(name)}`);
      if (json) shell.output.json({ name, deleted: true });
      else shell.output.line(`target ${name} deleted`);
    });
}

/** What the signed-in user may use. */
const VISIBLE_TARGETS = "/visible-targets";

type Registered = z.infer<typeof TargetView>;
type Visible = z.infer<typeof VisibleTarget>;

async function list(shell: Shell, { json }: JsonOption, command: Command): Promise<void> {
  const connection = await connect(shell, command);
  const registered = await unlessNotPermitted(() =>
    connection.api.list<typeof TargetView>("/targets", TargetPage),
  );
  if (registered === undefined) {
    const { items } = await connection.api.get(VISIBLE_TARGETS, VisibleTargets);
    if (json) return shell.output.json({ items });
    return shell.output.table(
      ["NAME", "ONLINE", "URL", "DESCRIPTION"],
      items.map(({ name, online, url, description }) => [name, online, url, description]),
      "no policy lets you use a target; ask an administrator",
    );
  }
  const items = registered.map((target) => withUrl(connection, target));
  if (json) return shell.output.json({ items });
  shell.output.table(
    ["NAME", "ONLINE", "FAILING", "GROUP", "TRANSPORT", "MCP", "URL", "DESCRIPTION"],
    items.map((target) => [
      target.name,
      target.online,
      target.failing === undefined ? false : times(target.failing.failures),
      target.agentGroup,
      target.transport,
      newestOf(target),
      target.url,
      target.description,
    ]),
    "no targets yet; register one: drawbridge targets apply -f FILE",
  );
}

async function find(connection: Connection, name: string): Promise<Visible | (Registered & { url: string })> {
  const { api } = connection;
  const registered = await unlessNotPermitted(() =>
    api.get(`/targets/${encodeURIComponent(name)}`, TargetView),
  );
  if (registered !== undefined) return withUrl(connection, registered);
  const { items } = await api.get(VISIBLE_TARGETS, VisibleTargets);
  const visible = items.find((target) => target.name === name);
  if (visible === undefined) {
    throw new CliError(
      `there is no target ${name}, or no policy lets you use it; list yours: drawbridge targets`,
    );
  }
  return visible;
}

function showTarget({ output }: Shell, target: Visible | (Registered & { url: string })): void {
  output.record({
    name: target.name,
    description: target.description,
    url: target.url,
    online: target.online,
    labels: Object.entries(target.labels)
      .map(([name, value]) => `${name}=${value}`)
      .join(", "),
    ...("revision" in target
      ? {
          "agent group": target.agentGroup,
          transport: target.transport,
          address: target.address,
          "mcp revisions": revisionsOf(target),
          ...(target.failing && { failing: failureOf(target.failing) }),
          revision: target.revision,
          updated: time(target.updatedAt),
        }
      : {}),
  });
}

/** The newest revision is what clients want to know; `show` has them all. */
function newestOf({ protocolVersions }: Registered): string | undefined {
  return protocolVersions?.versions.toSorted().at(-1);
}

function revisionsOf({ protocolVersions }: Registered): string | undefined {
  if (protocolVersions === undefined) return undefined;
  const { versions, learnedAt } = protocolVersions;
  return `${versions.join(", ")} (found out ${time(learnedAt)})`;
}

function failureOf({ failures, reason, retryAt }: NonNullable<Registered["failing"]>): string {
  return `${times(failures)}: ${reason} (started again after ${time(retryAt)})`;
}

function times(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}

/** Nothing is applied unless every document of every file is in order. */
async function apply(shell: Shell, { file: files, json }: ApplyOptions, command: Command): Promise<void> {
  const { api } = await connect(shell, command);
  const documents: TargetDocument[] = [];
  for (const file of files) {
    documents.push(...parseTargetDocuments(await readDocumentFile(file, shell), nameOf(file)));
  }
  refuseRepeatedNames(documents);
  const applied: { name: string; result: string; revision: number }[] = [];
  for (const document of documents) {
    const result = await applyOne(api, document);
    applied.push(result);
    if (!json) shell.output.line(`target ${result.name} ${result.result} (revision ${result.revision})`);
  }
  if (json) shell.output.json({ items: applied });
}

async function applyOne(
  api: Api,
  document: TargetDocument,
): Promise<{ name: string; result: string; revision: number }> {
  const { name } = document.metadata;
  const path = `/targets/${encodeURIComponent(name)}`;
  const before = await unlessNotFound(() => api.get(path, TargetView));
  const { revision } = await api.put(path, TargetView, document);
  if (before === undefined) return { name, result: "created", revision };
  return { name, result: before.revision === revision ? "unchanged" : "changed", revision };
}

function refuseRepeatedNames(documents: readonly TargetDocument[]): void {
  const names = documents.map(({ metadata }) => metadata.name);
  const repeated = names.find((name, index) => names.indexOf(name) !== index);
  if (repeated !== undefined) throw new CliError(`the target ${repeated} is described twice`);
}

const withUrl = ({ url }: Connection, target: Registered): Registered & { url: string } => ({
  ...target,
  url: `${url}/mcp/${target.name}`,
});

async function unlessNotPermitted<Result>(request: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await request();
  } catch (error) {
    if (error instanceof CliError && error.exitCode === EXIT.notPermitted) return undefined;
    throw error;
  }
}

async function unlessNotFound<Result>(request: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await request();
  } catch (error) {
    if (error instanceof CliError && error.code === "target_not_found") return undefined;
    throw error;
  }
}
