import { PublicInfo, WhoAmI } from "@drawbridge/contracts";
import { Api, interrupted } from "../api.js";
import type { CredentialStore } from "../credentials.js";
import { CliError } from "../errors.js";
import type { Output } from "../output.js";
import { oneLine } from "../terminal-text.js";
import { checkAudiences } from "./audiences.js";
import { signInAs } from "./demo.js";
import { signInWithDevice } from "./device.js";
import { signInWithBrowser } from "./loopback.js";
import { discoverProvider, refusal, type SignInRequest, tokenFrom, type Tokens } from "./provider.js";

/** The part of a shell that a sign-in needs. */
export interface SignInShell {
  readonly output: Output;
  readonly signal: AbortSignal;
  openBrowser(url: URL): void;
}

/** By which way, of those that exclude each other. */
export interface SignInWay {
  readonly as?: string | undefined;
  readonly device?: boolean | undefined;
  /** False: the address is only printed. */
  readonly browser?: boolean | undefined;
}

export interface SignInWish {
  readonly url: string;
  readonly credentials: CredentialStore;
  readonly way: SignInWay;
  /** Audiences that the user accepted by name. */
  readonly audiences: readonly string[];
  /** Whoever is signed in at the identity provider is asked all the same, and has to be this principal. */
  readonly again?: { readonly principal: string };
}

/** Signs in, tries the token, and keeps it only when the control plane takes it. */
export async function signIn(shell: SignInShell, wish: SignInWish): Promise<WhoAmI> {
  const { url, credentials, way, audiences, again } = wish;
  const { signal } = shell;
  const info = await new Api({ url, signal }).get("/info", PublicInfo);
  checkAudiences(url, info, audiences);
  const { issuer, oauthClient, apiAudience, mcpAudience } = info;
  const provider = await discoverProvider(issuer, oauthClient);
  const request = { provider, apiAudience, mcpAudience, signal, again: again !== undefined };

  const tokens = await signInBy(shell, way, request);
  if (tokens.refresh_token === undefined) {
    throw new CliError(
      `the identity provider gave no refresh token; allow ${oauthClient} the scope offline_access`,
    );
  }
  const apiToken = tokenFrom(tokens);
  const who = await new Api({ url, signal, token: async () => apiToken.value }).get("/whoami", WhoAmI);
  if (again !== undefined && who.principal !== again.principal) throw somebodyElse(who, again.principal);
  const refreshToken = tokens.refresh_token;
  await credentials.save(url, {
    issuer,
    oauthClient,
    apiAudience,
    mcpAudience,
    refreshToken,
    apiToken,
    how: { ...way },
  });
  return who;
}

/** A command that was begun by one person is not finished by another. */
function somebodyElse({ principal }: WhoAmI, before: string): CliError {
  return new CliError(
    `${oneLine(principal)} signed in, but ${oneLine(before)} began this command; nothing was done`,
    { details: ["to go on as somebody else: drawbridge login"] },
  );
}

async function signInBy(shell: SignInShell, way: SignInWay, request: SignInRequest): Promise<Tokens> {
  try {
    if (way.as !== undefined) return await signInAs(way.as, request);
    if (way.device) return await signInWithDevice(request, (prompt) => showDevicePrompt(shell, prompt));
    return await signInWithBrowser(request, (url) => {
      shell.output.notice(`sign in with your browser:\n\n  ${url.href}\n`);
      if (way.browser !== false) shell.openBrowser(url);
    });
  } catch (error) {
    if (shell.signal.aborted) throw interrupted(error);
    throw refusal("the sign-in did not succeed", error);
  }
}

function showDevicePrompt(
  { output }: SignInShell,
  { address, code, completeAddress }: { address: string; code: string; completeAddress: string | undefined },
): void {
  output.notice(`open ${address} on any device and enter the code\n\n  ${code}\n`);
  if (completeAddress !== undefined) output.notice(`or open\n\n  ${completeAddress}\n`);
}
