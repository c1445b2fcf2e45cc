import {
  allowInsecureRequests,
  AuthorizationResponseError,
  type Configuration,
  discovery,
  None,
  ResponseBodyError,
  type TokenEndpointResponse,
  type TokenEndpointResponseHelpers,
} from "openid-client";
import { isSafeForTokens } from "../control-plane-url.js";
import type { Token } from "../credentials.js";
import { CliError, notSignedIn } from "../errors.js";

/** The part of a sign-in that is the same in every flow. */
export interface SignInRequest {
  readonly provider: Configuration;
  readonly apiAudience: string;
  readonly mcpAudience: string;
  readonly signal: AbortSignal;
  /** Ask for a password or the like even of somebody who is signed in at the identity provider. */
  readonly again?: boolean;
}

export type Tokens = TokenEndpointResponse & TokenEndpointResponseHelpers;

/** Without `offline_access` there is no refresh token, and the MCP token comes from one. */
const SCOPES = "openid offline_access email mcp api";
/** Used when the identity provider does not say how long a token lives. */
const ASSUMED_LIFETIME_SECONDS = 60;

/** Reads the identity provider's metadata; the issuer in it has to be the one asked for. */
export async function discoverProvider(issuer: string, oauthClient: string): Promise<Configuration> {
  const url = new URL(issuer);
  if (!isSafeForTokens(url)) {
    throw new CliError(`the identity provider ${issuer} is not on this machine, so it has to be https`);
  }
  try {
    return await discovery(url, oauthClient, undefined, None(), {
      execute: url.protocol === "http:" ? [allowInsecureRequests] : [],
    });
  } catch (error) {
    throw new CliError(`cannot read the metadata of the identity provider ${issuer}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

/** Deciding about others needs a sign-in of the last 10 minutes; one for which nobody was asked may be older. */
const MAX_AGE_SECONDS = 300;

/** The parameters of an authorization or device authorization request: one sign-in for both doors (RFC 8707). */
export function authorizationParameters({ apiAudience, mcpAudience, again }: SignInRequest): URLSearchParams {
  const parameters = new URLSearchParams({ scope: SCOPES });
  if (again) parameters.set("prompt", "login");
  else parameters.set("max_age", String(MAX_AGE_SECONDS));
  parameters.append("resource", mcpAudience);
  parameters.append("resource", apiAudience);
  return parameters;
}

export function tokenFrom(tokens: Tokens): Token {
  const seconds = tokens.expiresIn() ?? ASSUMED_LIFETIME_SECONDS;
  return { value: tokens.access_token, expiresAt: Date.now() + seconds * 1000 };
}

/** What the identity provider refused, and why, as an error for the user. */
export function refusal(what: string, error: unknown): CliError {
  if (error instanceof CliError) return error;
  const options = { cause: error };
  if (error instanceof AuthorizationResponseError || error instanceof ResponseBodyError) {
    return notSignedIn(`${what}: ${reasonOf(error)}`);
  }
  return new CliError(`${what}: ${reasonOf(error)}`, options);
}

function reasonOf(error: unknown): string {
  if (error instanceof AuthorizationResponseError || error instanceof ResponseBodyError) {
    return error.error_description ? `${error.error_description} (${error.error})` : error.error;
  }
  if (!(error instanceof Error)) return String(error);
  // fetch says only "fetch failed"; what failed is in the cause.
  const cause = error.cause instanceof Error ? error.cause.message : undefined;
  return cause ? `${error.message}: ${cause}` : error.message;
}
