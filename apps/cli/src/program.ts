import { Command, CommanderError } from "commander";
import { addAgentCommands } from "./commands/agents.js";
import { addApprovalCommands } from "./commands/approvals.js";
import { addAuditCommand } from "./commands/audit.js";
import { addEventsCommand } from "./commands/events.js";
import { addGrantCommands } from "./commands/grants.js";
import { addIdentityCommands } from "./commands/identity.js";
import { addLockCommands } from "./commands/locks.js";
import { addLoginCommand } from "./commands/login.js";
import { addNotificationCommands } from "./commands/notifications.js";
import { addPolicyCommands } from "./commands/policy.js";
import { addRecordingCommands } from "./commands/recordings.js";
import { addRequestCommand } from "./commands/request.js";
import { addRequestsCommands } from "./commands/requests.js";
import { addSessionCommands } from "./commands/sessions.js";
import { addTargetCommands } from "./commands/targets.js";
import { addToolCommands } from "./commands/tools.js";
import { DEFAULT_URL } from "./control-plane-url.js";
import { CliError, EXIT, type ExitCode } from "./errors.js";
import type { Shell } from "./shell.js";
import { VERSION } from "./version.js";

/** Runs one command line (without node and the script) and says how it ended. Never throws. */
export async function runCommandLine(argv: readonly string[], shell: Shell): Promise<ExitCode> {
  try {
    await buildProgram(shell).parseAsync(argv, { from: "user" });
    return EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    const expected =
      error instanceof CliError
        ? error
        : new CliError(error instanceof Error ? error.message : String(error));
    shell.output.error(expected);
    return expected.exitCode;
  }
}

function buildProgram(shell: Shell): Command {
  const program = new Command("drawbridge")
    .description("Reach MCP servers in private networks, and govern who does.")
    .version(VERSION)
    .option("--url <url>", `the control plane (default: that of the last login, else ${DEFAULT_URL})`)
    .option("--config-dir <directory>", "where the credentials are kept")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => shell.output.block(text),
      writeErr: (text) => shell.output.notice(text.trimEnd()),
    })
    .showHelpAfterError("(--help shows what there is)")
    .addHelpText(
      "after",
      [
        "",
        "Example:",
        "  drawbridge login --as alice",
        "  drawbridge targets",
        `  drawbridge call shop execute_sql '{"sql":"select * from customers limit 3"}'`,
        "",
        "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not signed in, 4 not permitted.",
      ].join("\n"),
    );
  addLoginCommand(program, shell);
  addIdentityCommands(program, shell);
  addTargetCommands(program, shell);
  addToolCommands(program, shell);
  addApprovalCommands(program, shell);
  addRequestCommand(program, shell);
  addRequestsCommands(program, shell);
  addGrantCommands(program, shell);
  addLockCommands(program, shell);
  addEventsCommand(program, shell);
  addRecordingCommands(program, shell);
  addSessionCommands(program, shell);
  addPolicyCommands(program, shell);
  addAgentCommands(program, shell);
  addNotificationCommands(program, shell);
  addAuditCommand(program, shell);
  return program;
}
