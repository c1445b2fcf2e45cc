import { refreshTokenGrant, ResponseBodyError } from "openid-client";
import type { Credential, CredentialStore, Token } from "../credentials.js";
import { CliError, notSignedIn } from "../errors.js";
import { discoverProvider, refusal, tokenFrom } from "./provider.js";

/** A token with less left than this is replaced before it is used. */
const MIN_LEFT_MS = 60_000;

export type Door = "api" | "mcp";

/** The access tokens of one sign-in, refreshed when they are about to end. */
export class AccessTokens {
  readonly #store: CredentialStore;
  readonly #url: string;

  constructor(store: CredentialStore, url: string) {
    this.#store = store;
    this.#url = url;
  }

  /** @throws CliError not signed in, or the identity provider refuses or does not answer */
  async get(door: Door): Promise<Token> {
    const kept = usable(await this.#store.find(this.#url), door);
    if (kept !== undefined) return kept;
    const renewed = await this.#store.change(this.#url, async (credential) => {
      if (credential === undefined) throw notSignedIn(`not signed in to ${this.#url}; run: drawbridge login`);
      // Another command may have refreshed it while this one waited for its turn.
      return usable(credential, door) === undefined ? refresh(credential, door) : credential;
    });
    const token = renewed[FIELD[door]];
    if (token === undefined) throw new CliError("the identity provider answered without a token");
    return token;
  }
}

const FIELD = { api: "apiToken", mcp: "mcpToken" } as const satisfies Record<Door, keyof Credential>;
const AUDIENCE = { api: "apiAudience", mcp: "mcpAudience" } as const satisfies Record<Door, keyof Credential>;

function usable(credential: Credential | undefined, door: Door): Token | undefined {
  const token = credential?.[FIELD[door]];
  return token !== undefined && token.expiresAt - Date.now() >= MIN_LEFT_MS ? token : undefined;
}

async function refresh(credential: Credential, door: Door): Promise<Credential> {
  const provider = await discoverProvider(credential.issuer, credential.oauthClient);
  try {
    const tokens = await refreshTokenGrant(provider, credential.refreshToken, {
      resource: credential[AUDIENCE[door]],
    });
    return {
      ...credential,
      refreshToken: tokens.refresh_token ?? credential.refreshToken,
      [FIELD[door]]: tokenFrom(tokens),
    };
  } catch (error) {
    if (error instanceof ResponseBodyError && error.error === "invalid_grant") {
      throw notSignedIn("your sign-in has ended; sign in again: drawbridge login");
    }
    throw refusal("the identity provider gave no new token", error);
  }
}
