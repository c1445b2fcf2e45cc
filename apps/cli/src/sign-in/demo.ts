import type { Configuration } from "openid-client";
import { CliError, notSignedIn } from "../errors.js";
import { beginAuthorization } from "./authorization-code.js";
import { CookieJar } from "./cookie-jar.js";
import type { SignInRequest, Tokens } from "./provider.js";

const MAX_STEPS = 20;
/** Nothing listens here: the answer is read from the last redirect and never followed. */
const REDIRECT_URI = "http://127.0.0.1/callback";

/** Whether this identity provider is the demo's, which says so in its metadata and asks nobody for a password. */
export function isDemoProvider(provider: Configuration): boolean {
  return provider.serverMetadata()["drawbridge_demo"] === true;
}

/** Signs in as one of the demo's users, without a browser: the demo's identity provider believes a login hint. */
export async function signInAs(user: string, request: SignInRequest): Promise<Tokens> {
  if (!isDemoProvider(request.provider)) {
    throw new CliError("--as works with the demo's identity provider only; sign in with: drawbridge login");
  }
  const authorization = await beginAuthorization(request, REDIRECT_URI, user);
  const answer = await followRedirects(authorization.url, user, request.signal);
  return authorization.exchange(answer);
}

async function followRedirects(start: URL, user: string, signal: AbortSignal): Promise<URL> {
  const cookies = new CookieJar();
  let url = start;
  for (let step = 0; step < MAX_STEPS; step += 1) {
    const response = await fetch(url, {
      redirect: "manual",
      signal,
      headers: { cookie: cookies.header(url) },
    });
    await response.body?.cancel();
    cookies.store(url, response.headers.getSetCookie());
    const location = response.headers.get("location");
    if (location === null) throw notSignedIn(`the demo's identity provider does not know the user ${user}`);
    url = new URL(location, url);
    if (url.href.startsWith(`${REDIRECT_URI}?`)) return url;
    if (url.origin !== start.origin) throw new CliError(`the identity provider redirects to ${url.origin}`);
  }
  throw new CliError("the identity provider redirects without end");
}
