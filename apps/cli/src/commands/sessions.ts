import { SessionPage, type SessionView } from "@drawbridge/contracts";
import type { Command } from "commander";
import { count } from "../arguments.js";
import { connect, type Shell } from "../shell.js";
import { time } from "../times.js";

interface ListOptions {
  readonly limit: number;
  readonly json?: boolean;
}

const DEFAULT_LIMIT = 50;

export function addSessionCommands(program: Command, shell: Shell): void {
  const sessions = program.command("sessions").description("who uses which target");
  sessions
    .command("list", { isDefault: true })
    .description("list the newest sessions")
    .option("--limit <count>", "at most so many", count, DEFAULT_LIMIT)
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge sessions")
    .action((options: ListOptions, command: Command) => list(shell, options, command));
  sessions
    .command("end")
    .argument("<id>")
    .description("end a session, calls in flight too")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge sessions end 0198c1f0-…")
    .action(async (id: string, { json }: { json?: boolean }, command: Command) => {
      const { api } = await connect(shell, command);
      await api.delete(`/sessions/${encodeURIComponent(id)}`);
      if (json) shell.output.json({ id, ended: true });
      else shell.output.line(`session ${id} ended`);
    });
}

async function list(shell: Shell, { limit, json }: ListOptions, command: Command): Promise<void> {
  const { api } = await connect(shell, command);
  const items = await api.list<typeof SessionView>("/sessions", SessionPage, { limit });
  if (json) return shell.output.json({ items });
  shell.output.table(
    ["ID", "WHO", "TARGET", "ERA", "CLIENT", "OPENED", "LAST ACTIVITY", "CLOSED"],
    items.map((session) => [
      session.id,
      session.email ?? session.principal,
      session.target,
      session.era,
      session.clientName ?? session.oauthClient,
      time(session.openedAt),
      time(session.lastActivityAt),
      time(session.closedAt),
    ]),
    "no sessions",
  );
}
