import type { Command } from "commander";
import { collect } from "../arguments.js";
import { usageError } from "../errors.js";
import { signIn } from "../sign-in/sign-in.js";
import { connect, type Shell } from "../shell.js";

interface LoginOptions {
  readonly as?: string;
  readonly device?: boolean;
  readonly browser: boolean;
  readonly audience?: readonly string[];
  readonly json?: boolean;
}

export function addLoginCommand(program: Command, shell: Shell): void {
  program
    .command("login")
    .description("sign in to a control plane and remember it")
    .option("--as <user>", "sign in as a user of the demo, without a browser")
    .option("--device", "sign in with a browser on another device")
    .option("--no-browser", "print the address and open no browser")
    .option(
      "--audience <audience>",
      "accept this audience although it is no address of the control plane",
      collect,
    )
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  drawbridge login --url https://drawbridge.example.com\n  drawbridge login --as alice",
    )
    .action((options: LoginOptions, command: Command) => login(shell, options, command));
}

async function login(shell: Shell, options: LoginOptions, command: Command): Promise<void> {
  const { as, device, browser, audience = [] } = options;
  if (as !== undefined && device) throw usageError("--as and --device exclude each other");
  const { url, credentials } = await connect(shell, command);
  const who = await signIn(shell, { url, credentials, way: { as, device, browser }, audiences: audience });
  if (options.json) return shell.output.json({ url, ...who });
  shell.output.line(`signed in to ${url} as ${who.email ?? who.principal}`);
  shell.output.line(`groups: ${who.groups.join(", ") || "none"}; roles: ${who.roles.join(", ")}`);
}
