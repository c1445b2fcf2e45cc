import { PublicInfo, WhoAmI } from "@drawbridge/contracts";
import type { Command } from "commander";
import { Api } from "../api.js";
import { collect } from "../arguments.js";
import { CliError, EXIT, usageError } from "../errors.js";
import { checkAudiences } from "../sign-in/audiences.js";
import { signInAs } from "../sign-in/demo.js";
import { signInWithDevice } from "../sign-in/device.js";
import { signInWithBrowser } from "../sign-in/loopback.js";
import {
  discoverProvider,
  refusal,
  type SignInRequest,
  tokenFrom,
  type Tokens,
} from "../sign-in/provider.js";
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

/** Signs in, tries the token, and keeps it only when the control plane takes it. */
async function login(shell: Shell, options: LoginOptions, command: Command): Promise<void> {
  if (options.as !== undefined && options.device) throw usageError("--as and --device exclude each other");
  const { url, credentials } = await connect(shell, command);
  const { signal, output } = shell;
  const info = await new Api({ url, signal }).get("/info", PublicInfo);
  checkAudiences(url, info, options.audience ?? []);
  const { issuer, oauthClient, apiAudience, mcpAudience } = info;
  const provider = await discoverProvider(issuer, oauthClient);

  const tokens = await signIn(shell, options, { provider, apiAudience, mcpAudience, signal });
  if (tokens.refresh_token === undefined) {
    throw new CliError(
      `the identity provider gave no refresh token; allow ${oauthClient} the scope offline_access`,
    );
  }
  const apiToken = tokenFrom(tokens);
  const who = await new Api({ url, signal, token: async () => apiToken.value }).get("/whoami", WhoAmI);
  await credentials.save(url, {
    issuer,
    oauthClient,
    apiAudience,
    mcpAudience,
    refreshToken: tokens.refresh_token,
    apiToken,
  });

  if (options.json) return output.json({ url, ...who });
  output.line(`signed in to ${url} as ${who.email ?? who.principal}`);
  output.line(`groups: ${who.groups.join(", ") || "none"}; roles: ${who.roles.join(", ")}`);
}

async function signIn(shell: Shell, options: LoginOptions, request: SignInRequest): Promise<Tokens> {
  try {
    if (options.as !== undefined) return await signInAs(options.as, request);
    if (options.device) return await signInWithDevice(request, (prompt) => showDevicePrompt(shell, prompt));
    return await signInWithBrowser(request, (url) => {
      shell.output.notice(`sign in with your browser:\n\n  ${url.href}\n`);
      if (options.browser) shell.openBrowser(url);
    });
  } catch (error) {
    if (shell.signal.aborted) throw new CliError("interrupted", { exitCode: EXIT.interrupted, cause: error });
    throw refusal("the sign-in did not succeed", error);
  }
}

function showDevicePrompt(
  { output }: Shell,
  { address, code, completeAddress }: { address: string; code: string; completeAddress: string | undefined },
): void {
  output.notice(`open ${address} on any device and enter the code\n\n  ${code}\n`);
  if (completeAddress !== undefined) output.notice(`or open\n\n  ${completeAddress}\n`);
}
