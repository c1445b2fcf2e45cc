import { WhoAmI } from "@drawbridge/contracts";
import { Api } from "../api.js";
import type { CredentialStore } from "../credentials.js";
import type { AccessTokens } from "./access-tokens.js";
import { signIn, type SignInShell } from "./sign-in.js";

interface AskingShell extends SignInShell {
  readonly ask: ((question: string) => Promise<string>) | undefined;
}

interface Where {
  readonly url: string;
  readonly credentials: CredentialStore;
  readonly tokens: AccessTokens;
}

/**
 * Where somebody sits at the terminal: asks whether to sign in again now, by the way they signed in before. True when
 * they did; false when they would rather not, or nobody can be asked.
 */
export async function offerToSignInAgain(
  shell: AskingShell,
  { url, credentials, tokens }: Where,
): Promise<boolean> {
  const before = await credentials.find(url);
  if (shell.ask === undefined || before === undefined) return false;
  const answer = await shell.ask("this needs a sign-in of the last 10 minutes; sign in again now? [Y/n] ");
  if (!/^(?:y|yes)?$/i.test(answer.trim())) return false;
  const token = async (): Promise<string> => (await tokens.get("api")).value;
  const { principal } = await new Api({ url, signal: shell.signal, token }).get("/whoami", WhoAmI);
  const { email } = await signIn(shell, {
    url,
    credentials,
    way: before.how ?? {},
    audiences: [before.apiAudience, before.mcpAudience],
    again: { principal },
  });
  shell.output.notice(`signed in again${email === null ? "" : ` as ${email}`}`);
  return true;
}
