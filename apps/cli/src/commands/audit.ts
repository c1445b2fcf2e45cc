import { AuditEventPage, type AuditEventView } from "@drawbridge/contracts";
import type { Command } from "commander";
import { count } from "../arguments.js";
import { connect, type Shell } from "../shell.js";
import { oneLine, shortened } from "../terminal-text.js";
import { time } from "../times.js";

interface AuditOptions {
  readonly limit: number;
  readonly actor?: string;
  readonly action?: string;
  readonly subject?: string;
  readonly json?: boolean;
}

const DEFAULT_LIMIT = 50;
const DETAILS_LENGTH = 100;

export function addAuditCommand(program: Command, shell: Shell): void {
  program
    .command("audit")
    .description("list the newest administrative acts and security events")
    .option("--actor <principal>", "done by this principal only")
    .option("--action <action>", "of this kind only, like target.applied")
    .option("--subject <subject>", "about this only")
    .option("--limit <count>", "at most so many", count, DEFAULT_LIMIT)
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge audit --limit 20")
    .action((options: AuditOptions, command: Command) => audit(shell, options, command));
}

async function audit(shell: Shell, { json, limit, ...query }: AuditOptions, command: Command): Promise<void> {
  const { api } = await connect(shell, command);
  const items = await api.list<typeof AuditEventView>("/audit-events", AuditEventPage, { limit, query });
  if (json) return shell.output.json({ items });
  shell.output.table(
    ["TIME", "WHO", "ACTION", "SUBJECT", "DETAILS"],
    items.map(({ at, actor, action, subject, details }) => [
      time(at),
      actor,
      action,
      subject,
      shortened(oneLine(JSON.stringify(details)), DETAILS_LENGTH),
    ]),
    "no audit events",
  );
}
