import { LOCK_KINDS, LockPage, LockView } from "@drawbridge/contracts";
import { Argument, type Command, Option } from "commander";
import type { Api } from "../api.js";
import { count, duration } from "../arguments.js";
import { CliError, usageError } from "../errors.js";
import { connect, type Shell } from "../shell.js";
import { SEARCHED, shortId, wholeId } from "../short-ids.js";
import { oneLine } from "../terminal-text.js";
import { left, time } from "../times.js";

interface JsonOption {
  readonly json?: boolean;
}

interface LockOptions extends JsonOption {
  readonly reason: string;
  readonly for?: string;
}

interface ListOptions extends JsonOption {
  readonly all?: boolean;
  readonly kind?: string;
  readonly limit: number;
}

const DEFAULT_LIMIT = 50;
const SUBJECT_HELP =
  "id of a principal, OAuth client or session; name of an agent or a target; of a tool: target/tool";

export function addLockCommands(program: Command, shell: Shell): void {
  program
    .command("lock")
    .addArgument(new Argument("<kind>").choices(LOCK_KINDS))
    .argument("<subject>", SUBJECT_HELP)
    .description("stop a principal, client, agent, target, tool or session at once, everywhere")
    .requiredOption("--reason <text>", "why")
    .option("--for <duration>", "for so long; until somebody unlocks it unless given", duration)
    .option("--json", "print JSON")
    .addHelpText("after", `\nExample:\n  drawbridge lock principal mallory --reason "laptop stolen"`)
    .action((...[kind, subject, options, command]: [string, string, LockOptions, Command]) =>
      lock(shell, { kind, subject, options }, command),
    );
  program
    .command("unlock")
    .argument("<kind-or-id>", `${LOCK_KINDS.join(", ")}; or the id of a lock`)
    .argument("[subject]", SUBJECT_HELP)
    .description("take a lock away")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExamples:\n  drawbridge unlock principal mallory\n  drawbridge unlock 9f3c21aa")
    .action((...[kind, subject, options, command]: [string, string | undefined, JsonOption, Command]) =>
      unlock(shell, { kind, subject, options }, command),
    );
  const locks = program.command("locks").description("what is locked, and why");
  locks
    .command("list", { isDefault: true })
    .description("list the locks")
    .option("--all", "those that are over as well")
    .addOption(new Option("--kind <kind>", "of this kind only").choices(LOCK_KINDS))
    .option("--limit <count>", "at most so many", count, DEFAULT_LIMIT)
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge locks --all")
    .action((options: ListOptions, command: Command) => list(shell, options, command));
}

interface LockWish {
  readonly kind: string;
  readonly subject: string;
  readonly options: LockOptions;
}

async function lock(shell: Shell, { kind, subject, options }: LockWish, command: Command): Promise<void> {
  const { reason, for: lasts, json } = options;
  const { api } = await connect(shell, command);
  const created = await api.post("/locks", LockView, {
    kind,
    subject,
    reason,
    duration: lasts,
  });
  if (json) return shell.output.json(created);
  const until = created.expiresAt === null ? "until it is unlocked" : `until ${time(created.expiresAt)}`;
  shell.output.line(`${kind} ${subject} is locked ${until} (${shortId(created.id)})`);
}

interface UnlockWish {
  readonly kind: string;
  readonly subject: string | undefined;
  readonly options: JsonOption;
}

async function unlock(shell: Shell, { kind, subject, options }: UnlockWish, command: Command): Promise<void> {
  if (subject !== undefined && !LOCK_KINDS.some((known) => known === kind)) {
    throw usageError(`${oneLine(kind)} cannot be locked; write one of ${LOCK_KINDS.join(", ")}`);
  }
  const { api } = await connect(shell, command);
  const id = subject === undefined ? await lockId(api, kind) : await lockOn(api, { kind, subject });
  const released = await api.post(`/locks/${id}/release`, LockView, {});
  if (options.json) shell.output.json(released);
  else shell.output.line(`${released.kind} ${released.subject} is unlocked`);
}

function lockId(api: Api, typed: string): Promise<string> {
  const inForce = (): Promise<LockView[]> =>
    api.list<typeof LockView>("/locks", LockPage, { limit: SEARCHED });
  return wholeId(typed, { what: "lock", places: [inForce] });
}

async function lockOn(api: Api, { kind, subject }: { kind: string; subject: string }): Promise<string> {
  const query = { kind };
  const locks = await api.list<typeof LockView>("/locks", LockPage, { query });
  const found = locks.find((candidate) => candidate.subject === subject);
  if (found === undefined) {
    throw new CliError(oneLine(`${kind} ${subject} is not locked; see what is: drawbridge locks`));
  }
  return found.id;
}

async function list(shell: Shell, { all, kind, limit, json }: ListOptions, command: Command): Promise<void> {
  const { api } = await connect(shell, command);
  const query = { kind, all: all ? "true" : undefined };
  const items = await api.list<typeof LockView>("/locks", LockPage, { limit, query });
  if (json) return shell.output.json({ items });
  shell.output.table(
    ["ID", "KIND", "SUBJECT", "REASON", "BY", "SINCE", "LEFT", ...(all ? ["RELEASED", "RELEASED BY"] : [])],
    items.map((found) => [
      shortId(found.id),
      found.kind,
      found.subject,
      found.reason,
      found.createdBy,
      time(found.createdAt),
      found.expiresAt === null || found.releasedAt !== null ? undefined : left(found.expiresAt),
      ...(all ? [time(found.releasedAt), found.releasedBy] : []),
    ]),
    "nothing is locked",
  );
}
