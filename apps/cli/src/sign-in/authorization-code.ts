import {
  authorizationCodeGrant,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
} from "openid-client";
import { isSafeForTokens } from "../control-plane-url.js";
import { CliError } from "../errors.js";
import { authorizationParameters, type SignInRequest, type Tokens } from "./provider.js";

export interface Authorization {
  /** Where the user signs in. */
  readonly url: URL;
  readonly state: string;
  /** Checks the answer (state, nonce, issuer as in RFC 9207) and takes the code to the identity provider. */
  exchange(answer: URL): Promise<Tokens>;
}

/** An authorization code request with PKCE. Whoever intercepts the answer can do nothing with it. */
export async function beginAuthorization(
  request: SignInRequest,
  redirectUri: string,
  loginHint?: string,
): Promise<Authorization> {
  const verifier = randomPKCECodeVerifier();
  const state = randomState();
  const nonce = randomNonce();
  const parameters = authorizationParameters(request);
  parameters.set("redirect_uri", redirectUri);
  parameters.set("code_challenge", await calculatePKCECodeChallenge(verifier));
  parameters.set("code_challenge_method", "S256");
  parameters.set("state", state);
  parameters.set("nonce", nonce);
  if (loginHint !== undefined) parameters.set("login_hint", loginHint);

  const url = buildAuthorizationUrl(request.provider, parameters);
  if (!isSafeForTokens(url))
    throw new CliError(`the identity provider's sign-in page ${url.origin} has to be https`);
  return {
    url,
    state,
    exchange: (answer) =>
      authorizationCodeGrant(
        request.provider,
        answer,
        { expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier },
        { resource: request.apiAudience },
      ),
  };
}
