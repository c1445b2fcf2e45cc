import type { Command } from "commander";
import { Api } from "./api.js";
import type { CliConfig } from "./config.js";
import { controlPlaneUrl, DEFAULT_URL } from "./control-plane-url.js";
import { CredentialStore } from "./credentials.js";
import type { Output } from "./output.js";
import { AccessTokens } from "./sign-in/access-tokens.js";
import { offerToSignInAgain } from "./sign-in/sign-in-again.js";

/** What every command has at hand. */
export interface Shell {
  readonly config: CliConfig;
  readonly output: Output;
  readonly stdin: AsyncIterable<Uint8Array | string>;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  openBrowser(url: URL): void;
  /** Asks a question and answers the line that was typed; undefined where nobody sits at a terminal. */
  readonly ask: ((question: string) => Promise<string>) | undefined;
}

/** The control plane that a command is about, and the user's sign-in there. */
export interface Connection {
  readonly url: string;
  readonly credentials: CredentialStore;
  readonly tokens: AccessTokens;
  readonly api: Api;
}

export interface GlobalOptions {
  readonly url?: string;
  readonly configDir?: string;
}

export async function connect(shell: Shell, command: Command): Promise<Connection> {
  const { url: chosen, configDir } = command.optsWithGlobals<GlobalOptions>();
  const credentials = new CredentialStore(configDir ?? shell.config.configDirectory);
  const url = controlPlaneUrl(chosen ?? (await credentials.current()) ?? DEFAULT_URL);
  const tokens = new AccessTokens(credentials, url);
  const api = new Api({
    url,
    signal: shell.signal,
    token: async () => (await tokens.get("api")).value,
    signInAgain: () => offerToSignInAgain(shell, { url, credentials, tokens }),
  });
  return { url, credentials, tokens, api };
}
