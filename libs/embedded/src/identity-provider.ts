import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { SignJWT, importJWK } from "jose";
import type {
  Configuration,
  Provider as OidcProvider,
  ResourceServer,
  interactionPolicy as policies,
} from "oidc-provider";
import { Provider, errors, interactionPolicy } from "./certified-provider.js";
import { DEMO_USERS, type DemoUser } from "./demo-users.js";
import { FIRST_PARTY_CLIENT, handleInteraction } from "./identity-interaction.js";
import { type IdentityKeys, loadIdentityKeys } from "./identity-keys.js";
import { escapeHtml, page } from "./identity-pages.js";
import { IdentityStorage } from "./identity-storage.js";

const TOKEN_LIFETIME_SECONDS = 600;

export interface IdentityProviderOptions {
  /** 0 for any free port. */
  port: number;
  /** The control plane's public URL: tokens are for `<publicUrl>/mcp` or `<publicUrl>/api`. */
  publicUrl: string;
  users?: readonly DemoUser[];
  /** Where keys and sessions survive a restart. Without it nothing does. */
  directory?: string;
}

/** What a token made by hand should say; everything else is as the provider would issue it. */
export interface TokenWish {
  username: string;
  resource: "mcp" | "api";
  /** Seconds since 1970; now when not given. */
  authTime?: number;
  lifetimeSeconds?: number;
  /** Overrides any claim, for tokens that must be refused. */
  claims?: Record<string, unknown>;
}

export interface IdentityProvider {
  readonly issuer: string;
  readonly port: number;
  /** An access token without a browser, for the launcher and for tests. */
  issueToken(wish: TokenWish): Promise<string>;
  stop(): Promise<void>;
}

/**
 * An OpenID Connect provider for the demo and the tests, on 127.0.0.1 only: certified code, made-up people. Its
 * metadata says `"drawbridge_demo": true`, by which the command line knows that `login --as` may be used.
 */
export async function startIdentityProvider(options: IdentityProviderOptions): Promise<IdentityProvider> {
  const users = options.users ?? DEMO_USERS;
  if (options.directory !== undefined) await mkdir(options.directory, { recursive: true, mode: 0o700 });
  const keys = await loadIdentityKeys(options.directory);
  const storage = await IdentityStorage.open(options.directory);

  const server = createServer();
  const port = await listen(server, options.port);
  const issuer = `http://127.0.0.1:${port}`;
  const settings: Settings = { ...options, users, keys, storage };
  const provider = new Provider(issuer, configuration(settings));
  server.on("request", requestHandler({ provider, users, port }));

  return {
    issuer,
    port,
    issueToken: (wish) => issueToken(settings, issuer, wish),
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await storage.close();
    },
  };
}

interface Settings {
  publicUrl: string;
  users: readonly DemoUser[];
  keys: IdentityKeys;
  storage: IdentityStorage;
}

function configuration(settings: Settings): Configuration {
  return {
    adapter: (model) => settings.storage.adapter(model),
    jwks: { keys: [settings.keys.signing] },
    cookies: { keys: settings.keys.cookies },
    clients: [
      {
        client_id: FIRST_PARTY_CLIENT,
        client_name: "Drawbridge command line",
        application_type: "native",
        token_endpoint_auth_method: "none",
        grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
        response_types: ["code"],
        // A native client's loopback address may carry any port (RFC 8252, section 7.3).
        redirect_uris: ["http://127.0.0.1/callback", "http://[::1]/callback", "http://localhost/callback"],
      },
    ],
    scopes: ["openid", "offline_access", "email", "groups"],
    claims: { openid: ["sub"], email: ["email", "email_verified"], groups: ["groups"] },
    conformIdTokenClaims: false,
    responseTypes: ["code"],
    pkce: { required: () => true },
    discovery: { drawbridge_demo: true },
    findAccount: (_context, id) => {
      const user = settings.users.find(({ username }) => username === id);
      return user && { accountId: id, claims: () => claimsOf(user) };
    },
    extraTokenClaims: (context, token) => {
      const { AuthorizationCode, RefreshToken, DeviceCode } = context.oidc.entities;
      const source = AuthorizationCode ?? RefreshToken ?? DeviceCode;
      const user = settings.users.find(
        ({ username }) => "accountId" in token && username === token.accountId,
      );
      return user && { ...claimsOf(user), auth_time: source?.authTime };
    },
    // MCP clients ask for refresh tokens by their grant type; few know offline_access.
    issueRefreshToken: async (_context, client) => client.grantTypeAllowed("refresh_token"),
    expiresWithSession: () => false,
    rotateRefreshToken: true,
    interactions: { url: (_context, { uid }) => `/interaction/${uid}`, policy: signInPolicy(settings.users) },
    clientBasedCORS: (_context, origin) => /^http:\/\/(localhost|127\.0\.0\.1)(:\d+)?$/.test(origin),
    features: {
      devInteractions: { enabled: false },
      registration: { enabled: true, initialAccessToken: false },
      revocation: { enabled: true },
      rpInitiatedLogout: { enabled: false },
      deviceFlow: { enabled: true, ...devicePages },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        defaultResource: (_context, client, oneOf) =>
          defaultResource(settings.publicUrl, client.clientId, oneOf),
        getResourceServerInfo: (_context, resource, client) =>
          resourceServer(settings.publicUrl, resource, client.clientId),
      },
    },
    renderError: (context, out) => {
      context.type = "html";
      context.body = page("That did not work", `<p>${escapeHtml(out.error_description ?? out.error)}</p>`);
    },
    ttl: {
      AccessToken: TOKEN_LIFETIME_SECONDS,
      AuthorizationCode: 60,
      DeviceCode: 600,
      Grant: 14 * 86_400,
      IdToken: TOKEN_LIFETIME_SECONDS,
      Interaction: 3_600,
      RefreshToken: 14 * 86_400,
      Session: 14 * 86_400,
    },
  };
}

const devicePages = {
  userCodeInputSource: (context: { body: unknown }, form: string): void => {
    context.body = page("Enter the code", `${form}<button form="op.deviceInputForm">Go on</button>`);
  },
  userCodeConfirmSource: (
    context: { body: unknown },
    form: string,
    ...[client, , userCode]: [{ clientName?: string | undefined; clientId: string }, unknown, string]
  ): void => {
    const name = escapeHtml(client.clientName ?? client.clientId);
    context.body = page(
      "Is this your code?",
      `<p><b>${name}</b> shows <code>${escapeHtml(userCode)}</code></p>${form}<button form="op.deviceConfirmForm">Yes</button>`,
    );
  },
  successSource: (context: { body: unknown }): void => {
    context.body = page("Signed in", "<p>You can close this window.</p>");
  },
};

function claimsOf(user: DemoUser): { sub: string; email: string; email_verified: boolean; groups: string[] } {
  return { sub: user.username, email: user.email, email_verified: true, groups: [...user.groups] };
}

/** The command line may use both; a client that registered itself only ever speaks MCP. */
function defaultResource(
  publicUrl: string,
  clientId: string,
  oneOf: readonly string[] | undefined,
): string | string[] {
  const mcp = `${publicUrl}/mcp`;
  if (oneOf !== undefined) return mcp;
  return clientId === FIRST_PARTY_CLIENT ? [mcp, `${publicUrl}/api`] : mcp;
}

function resourceServer(publicUrl: string, resource: string, clientId: string): ResourceServer {
  const scope = resource === `${publicUrl}/mcp` ? "mcp" : resource === `${publicUrl}/api` ? "api" : undefined;
  if (scope === undefined)
    throw new errors.InvalidTarget(`the resource must be ${publicUrl}/mcp or ${publicUrl}/api`);
  if (scope === "api" && clientId !== FIRST_PARTY_CLIENT) {
    throw new errors.InvalidTarget("a registered client may only ask for the MCP resource");
  }
  return {
    scope,
    audience: resource,
    accessTokenFormat: "jwt",
    accessTokenTTL: TOKEN_LIFETIME_SECONDS,
    jwt: { sign: { alg: "RS256" } },
  };
}

/** As the default, and a sign-in again when the hint names somebody else than the browser's session. */
function signInPolicy(users: readonly DemoUser[]): policies.DefaultPolicy {
  const policy = interactionPolicy.base();
  const { Check } = interactionPolicy;
  policy.get("login")?.checks.add(
    new Check("another_user", "the hint names another user than the session", (context) => {
      const hint = context.oidc.params?.["login_hint"];
      const known = users.some(({ username, email }) => hint === username || hint === email);
      const current = users.find(({ username }) => username === context.oidc.session?.accountId);
      const same = current !== undefined && (hint === current.username || hint === current.email);
      return known && !same && context.oidc.session?.accountId !== undefined
        ? Check.REQUEST_PROMPT
        : Check.NO_NEED_TO_PROMPT;
    }),
  );
  return policy;
}

interface Handling {
  provider: OidcProvider;
  users: readonly DemoUser[];
  port: number;
}

function requestHandler({
  provider,
  users,
  port,
}: Handling): (request: IncomingMessage, response: ServerResponse) => void {
  const serveProtocol = provider.callback();
  // A page elsewhere can make its own name point here (DNS rebinding); then the Host header is that name.
  const hosts = new Set([`127.0.0.1:${port}`, `localhost:${port}`]);
  return (request, response) => {
    if (!hosts.has(request.headers.host ?? "")) {
      response.writeHead(421).end("this identity provider answers on 127.0.0.1 only\n");
      return;
    }
    if (!request.url?.startsWith("/interaction/")) {
      void serveProtocol(request, response);
      return;
    }
    handleInteraction({ provider, users, request, response }).catch(() => {
      if (!response.headersSent) response.writeHead(400, { "content-type": "text/html; charset=utf-8" });
      response.end(
        page("That did not work", "<p>This sign-in is over. Start again where you came from.</p>"),
      );
    });
  };
}

async function issueToken(settings: Settings, issuer: string, wish: TokenWish): Promise<string> {
  const user = settings.users.find(({ username }) => username === wish.username);
  if (user === undefined) throw new Error(`there is no demo user ${wish.username}`);
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    ...claimsOf(user),
    iss: issuer,
    aud: `${settings.publicUrl}/${wish.resource}`,
    client_id: FIRST_PARTY_CLIENT,
    scope: wish.resource,
    jti: randomUUID(),
    iat: now,
    exp: now + (wish.lifetimeSeconds ?? TOKEN_LIFETIME_SECONDS),
    auth_time: wish.authTime ?? now,
    ...wish.claims,
  };
  return new SignJWT(claims)
    .setProtectedHeader({ alg: "RS256", typ: "at+jwt", kid: settings.keys.signing.kid })
    .sign(await importJWK(settings.keys.signing, "RS256"));
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}
