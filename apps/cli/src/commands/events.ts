import type { Command } from "commander";
import { commaSeparated } from "../arguments.js";
import { liveEvents } from "../event-stream.js";
import { eventLine } from "../event-text.js";
import { connect, type Shell } from "../shell.js";

interface EventsOptions {
  readonly kinds?: readonly string[];
  readonly after?: string;
  readonly json?: boolean;
}

export function addEventsCommand(program: Command, shell: Shell): void {
  program
    .command("events")
    .description("show what happens, as it happens; Ctrl-C ends it")
    .option("--kinds <kinds>", "only these, such as approval.*,lock.set", commaSeparated)
    .option("--after <cursor>", "first what came after this place; --json prints the places")
    .option("--json", "print JSON, one value a line")
    .addHelpText("after", "\nExample:\n  drawbridge events --kinds 'approval.*,lock.*'")
    .action((options: EventsOptions, command: Command) => events(shell, options, command));
}

async function events(shell: Shell, { kinds, after, json }: EventsOptions, command: Command): Promise<void> {
  const connection = await connect(shell, command);
  for await (const message of liveEvents(shell, connection, { kinds, after })) {
    if (message.type === "gap") shell.output.notice(message.says);
    if (json) shell.output.jsonLine(message);
    else if (message.type === "event") shell.output.line(eventLine(message));
  }
}
