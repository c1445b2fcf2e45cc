import { WhoAmI } from "@drawbridge/contracts";
import type { Command } from "commander";
import { tokenRevocation } from "openid-client";
import type { Credential } from "../credentials.js";
import { discoverProvider } from "../sign-in/provider.js";
import { connect, type Shell } from "../shell.js";
import { time } from "../times.js";

interface JsonOption {
  readonly json?: boolean;
}

export function addIdentityCommands(program: Command, shell: Shell): void {
  program
    .command("logout")
    .description("forget the sign-in and end it at the identity provider")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge logout")
    .action((options: JsonOption, command: Command) => logout(shell, options, command));
  program
    .command("whoami")
    .description("show who you are to the control plane")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  drawbridge whoami --json")
    .action((options: JsonOption, command: Command) => whoAmI(shell, options, command));
  program
    .command("token")
    .description("print a fresh token for MCP clients (it opens nothing else)")
    .option("--json", "print JSON, with the time at which the token ends")
    .addHelpText(
      "after",
      '\nExample:\n  curl -H "Authorization: Bearer $(drawbridge token)" http://127.0.0.1:8080/mcp/shop …',
    )
    .action((options: JsonOption, command: Command) => token(shell, options, command));
}

async function logout(shell: Shell, { json }: JsonOption, command: Command): Promise<void> {
  const { url, credentials } = await connect(shell, command);
  const removed = await credentials.remove(url);
  const revoked = removed !== undefined && (await revoke(removed));
  if (json) return shell.output.json({ url, signedOut: removed !== undefined, revoked });
  if (removed === undefined) return shell.output.line(`not signed in to ${url}`);
  shell.output.line(`signed out of ${url}`);
  if (!revoked) shell.output.notice("the identity provider was not told: the sign-in there ends by itself");
}

/** The tokens are gone from this machine already, so an identity provider that does not answer is no failure. */
async function revoke({ issuer, oauthClient, refreshToken }: Credential): Promise<boolean> {
  try {
    const provider = await discoverProvider(issuer, oauthClient);
    if (provider.serverMetadata().revocation_endpoint === undefined) return false;
    await tokenRevocation(provider, refreshToken, { token_type_hint: "refresh_token" });
    return true;
  } catch {
    return false;
  }
}

async function whoAmI(shell: Shell, { json }: JsonOption, command: Command): Promise<void> {
  const { url, api } = await connect(shell, command);
  const who = await api.get("/whoami", WhoAmI);
  if (json) return shell.output.json({ url, ...who });
  shell.output.record({
    "control plane": url,
    principal: who.principal,
    email: who.email,
    groups: who.groups.join(", "),
    roles: who.roles.join(", "),
    "token ends": time(who.expiresAt),
  });
}

async function token(shell: Shell, { json }: JsonOption, command: Command): Promise<void> {
  const { url, tokens } = await connect(shell, command);
  const { value, expiresAt } = await tokens.get("mcp");
  if (json) return shell.output.json({ url, token: value, expiresAt: new Date(expiresAt).toISOString() });
  shell.output.line(value);
}
