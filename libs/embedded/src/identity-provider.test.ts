import { mkdtemp, rm, stat } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import os from "node:os";
import path from "node:path";
import { createRemoteJWKSet, decodeJwt, jwtVerify } from "jose";
import * as oidc from "openid-client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type IdentityProvider, startIdentityProvider } from "./identity-provider.js";

const publicUrl = "http://127.0.0.1:8080";
const MCP = `${publicUrl}/mcp`;
const API = `${publicUrl}/api`;
const CALLBACK = "http://127.0.0.1:49152/callback";
const SCOPE = "openid email groups offline_access mcp api";

let provider: IdentityProvider;
let cli: oidc.Configuration;
beforeAll(async () => {
  provider = await startIdentityProvider({ port: 0, publicUrl });
  cli = await discover(provider, "drawbridge-cli");
});
afterAll(() => provider.stop());

async function discover(of: IdentityProvider, clientId: string): Promise<oidc.Configuration> {
  return oidc.discovery(new URL(of.issuer), clientId, undefined, oidc.None(), {
    execute: [oidc.allowInsecureRequests],
  });
}

/** Just enough of a browser: follows redirects and self-submitting forms, with cookies, until a page or the callback. */
class Browser {
  readonly #cookies = new Map<string, string>();

  async open(url: string | URL, form?: Record<string, string>): Promise<{ url: URL; html: string }> {
    let next = new URL(url);
    let response = await this.#fetch(next, form);
    for (let location = response.headers.get("location"); location !== null;) {
      next = new URL(location, next);
      if (next.origin === new URL(CALLBACK).origin) return { url: next, html: "" };
      response = await this.#fetch(next);
      location = response.headers.get("location");
    }
    const html = await response.text();
    const action = /<form method="post" action="([^"]+)"/.exec(html)?.[1];
    if (action === undefined || !html.includes("document.forms[0].submit()")) return { url: next, html };
    const inputs = [...html.matchAll(/name="([^"]+)" value="([^"]*)"/g)];
    return this.open(action, Object.fromEntries(inputs.map(([, name, value]) => [name, value])));
  }

  async #fetch(url: URL, form?: Record<string, string>): Promise<Response> {
    const response = await fetch(url, {
      redirect: "manual",
      headers: { cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ") },
      ...(form && { method: "POST", body: new URLSearchParams(form) }),
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [pair = ""] = cookie.split(";");
      this.#cookies.set(pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1));
    }
    return response;
  }
}

interface SignIn {
  config?: oidc.Configuration;
  browser?: Browser;
  parameters?: Record<string, string>;
  resources?: string[];
}

/** Opens the authorization URL; returns where the browser ended and how to go on from a callback. */
async function signIn({ config = cli, browser = new Browser(), parameters = {}, resources = [] }: SignIn) {
  const verifier = oidc.randomPKCECodeVerifier();
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: CALLBACK,
    scope: SCOPE,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    ...parameters,
  });
  for (const resource of resources) url.searchParams.append("resource", resource);
  const end = await browser.open(url);
  const redeem = (callback: URL, resource: string) =>
    oidc.authorizationCodeGrant(config, callback, { pkceCodeVerifier: verifier }, { resource });
  return { ...end, browser, redeem };
}

const asAlice = { login_hint: "alice", prompt: "consent" };

describe("the command line's sign-in", () => {
  test("needs no page with a login_hint and gives an MCP token of exactly one audience", async () => {
    const { url, redeem } = await signIn({ parameters: asAlice, resources: [MCP, API] });
    const tokens = await redeem(url, MCP);
    const { payload, protectedHeader } = await jwtVerify(
      tokens.access_token,
      createRemoteJWKSet(new URL(`${provider.issuer}/jwks`)),
      { issuer: provider.issuer, audience: MCP },
    );
    expect(protectedHeader).toMatchObject({ alg: "RS256", typ: "at+jwt" });
    expect(payload).toMatchObject({
      aud: MCP,
      sub: "alice",
      email: "alice@example.com",
      email_verified: true,
      groups: ["engineering"],
      client_id: "drawbridge-cli",
      scope: "mcp",
    });
    expect(Math.abs(Number(payload["auth_time"]) - Date.now() / 1000)).toBeLessThan(60);
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(600);
  });

  test("refreshes to a token for the other resource, with the time of the sign-in", async () => {
    const { url, redeem } = await signIn({ parameters: asAlice, resources: [MCP, API] });
    const tokens = await redeem(url, MCP);
    const refreshed = await oidc.refreshTokenGrant(cli, tokens.refresh_token ?? "", { resource: API });
    expect(decodeJwt(refreshed.access_token)).toMatchObject({ aud: API, scope: "api", sub: "alice" });
    expect(decodeJwt(refreshed.access_token)["auth_time"]).toBe(decodeJwt(tokens.access_token)["auth_time"]);
  });

  test("refuses a used refresh token", async () => {
    const { url, redeem } = await signIn({ parameters: asAlice, resources: [MCP] });
    const tokens = await redeem(url, MCP);
    await oidc.refreshTokenGrant(cli, tokens.refresh_token ?? "", { resource: MCP });
    await expect(
      oidc.refreshTokenGrant(cli, tokens.refresh_token ?? "", { resource: MCP }),
    ).rejects.toMatchObject({
      error: "invalid_grant",
    });
  });

  test("signs in whom the hint names, although the browser has somebody else's session", async () => {
    const first = await signIn({ parameters: asAlice, resources: [MCP] });
    const second = await signIn({
      parameters: { ...asAlice, login_hint: "bob" },
      resources: [MCP],
      browser: first.browser,
    });
    expect(decodeJwt((await second.redeem(second.url, MCP)).access_token)).toMatchObject({
      sub: "bob",
      groups: ["dba"],
    });
  });

  test("shows the three users when no hint names one", async () => {
    const { url, html, browser, redeem } = await signIn({
      parameters: { prompt: "consent" },
      resources: [MCP],
    });
    expect([...html.matchAll(/value="(\w+)"/g)].map(([, name]) => name)).toEqual(["alice", "bob", "admin"]);
    const end = await browser.open(url, { user: "admin" });
    expect(decodeJwt((await redeem(end.url, MCP)).access_token)["groups"]).toEqual(["admins"]);
  });

  test("shows the users for a hint that names nobody", async () => {
    const { html } = await signIn({
      parameters: { login_hint: "mallory", prompt: "consent" },
      resources: [MCP],
    });
    expect(html).toContain('value="alice"');
  });

  test("works by device flow", async () => {
    const device = await oidc.initiateDeviceAuthorization(cli, { scope: SCOPE, resource: MCP });
    const browser = new Browser();
    const formField = (html: string, name: string): string =>
      new RegExp(`name="${name}" value="([^"]*)"`).exec(html)?.[1] ?? "";
    const asked = await browser.open(device.verification_uri_complete ?? "");
    const confirm = await browser.open(`${provider.issuer}/device`, {
      xsrf: formField(asked.html, "xsrf"),
      user_code: device.user_code,
      confirm: "yes",
    });
    const done = await browser.open(confirm.url, { user: "alice" });
    expect(done.html).toContain("You can close this window");
    const tokens = await oidc.pollDeviceAuthorizationGrant(
      cli,
      { ...device, interval: 1 },
      { resource: MCP },
    );
    expect(decodeJwt(tokens.access_token)).toMatchObject({ aud: MCP, sub: "alice" });
  });

  test("is refused without PKCE", async () => {
    const url = oidc.buildAuthorizationUrl(cli, {
      redirect_uri: CALLBACK,
      scope: SCOPE,
      login_hint: "alice",
    });
    const end = await new Browser().open(url);
    expect(end.url.searchParams.get("error")).toBe("invalid_request");
  });
});

describe("a client that registered itself", () => {
  async function register(): Promise<oidc.Configuration> {
    const response = await fetch(`${provider.issuer}/reg`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        client_name: "An <b>MCP</b> client",
        redirect_uris: [CALLBACK],
        token_endpoint_auth_method: "none",
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
      }),
    });
    expect(response.status).toBe(201);
    const { client_id: clientId } = (await response.json()) as { client_id: string };
    return discover(provider, clientId);
  }

  test("needs consent, then gets an MCP token and refreshes it", async () => {
    const config = await register();
    const { url, html, browser, redeem } = await signIn({
      config,
      parameters: { login_hint: "alice", scope: "mcp" },
    });
    expect(html).toContain("An &lt;b&gt;MCP&lt;/b&gt; client");
    const end = await browser.open(url, { answer: "allow" });
    const tokens = await redeem(end.url, MCP);
    expect(decodeJwt(tokens.access_token)).toMatchObject({ aud: MCP, sub: "alice", scope: "mcp" });
    const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token ?? "");
    expect(decodeJwt(refreshed.access_token)["aud"]).toBe(MCP);
  });

  test("gets no code when the user says no", async () => {
    const config = await register();
    const { url, browser } = await signIn({ config, parameters: { login_hint: "alice", scope: "mcp" } });
    const end = await browser.open(url, { answer: "deny" });
    expect(end.url.searchParams.get("error")).toBe("access_denied");
    expect(end.url.searchParams.has("code")).toBe(false);
  });

  test.each([{ resources: [API] }, { resources: [MCP, API] }])(
    "is refused for $resources",
    async ({ resources }) => {
      const config = await register();
      const { url } = await signIn({
        config,
        parameters: { login_hint: "alice", scope: "mcp api" },
        resources,
      });
      expect(url.searchParams.get("error")).toBe("invalid_target");
    },
  );

  test("is refused for the API when it exchanges its code and when it refreshes", async () => {
    const config = await register();
    const attempt = async () => {
      const { url, browser, redeem } = await signIn({
        config,
        parameters: { login_hint: "alice", scope: "mcp" },
      });
      const end = url.searchParams.has("code") ? { url } : await browser.open(url, { answer: "allow" });
      return { end, redeem };
    };
    const first = await attempt();
    await expect(first.redeem(first.end.url, API)).rejects.toMatchObject({ error: "invalid_target" });
    const second = await attempt();
    const tokens = await second.redeem(second.end.url, MCP);
    await expect(
      oidc.refreshTokenGrant(config, tokens.refresh_token ?? "", { resource: API }),
    ).rejects.toMatchObject({ error: "invalid_target" });
  });
});

describe("the provider", () => {
  test("says in its metadata that it is a demo", () => {
    expect(cli.serverMetadata()["drawbridge_demo"]).toBe(true);
    expect(cli.serverMetadata().registration_endpoint).toBe(`${provider.issuer}/reg`);
    expect(cli.serverMetadata().device_authorization_endpoint).toBeDefined();
  });

  test("refuses a request for another host name", async () => {
    const status = await new Promise((resolve) => {
      httpRequest(
        `${provider.issuer}/.well-known/openid-configuration`,
        {
          headers: { host: "attacker.example" },
        },
        (response) => {
          response.resume();
          resolve(response.statusCode);
        },
      ).end();
    });
    expect(status).toBe(421);
  });

  test("answers an interaction nobody started with an error page", async () => {
    const response = await fetch(`${provider.issuer}/interaction/made-up`);
    expect(response.status).toBe(400);
  });

  test("keeps tokens, refresh tokens and keys valid over a restart", async () => {
    const directory = await mkdtemp(path.join(os.tmpdir(), "drawbridge-identity-"));
    const before = await startIdentityProvider({ port: 0, publicUrl, directory });
    const { port } = before;
    const verifier = oidc.randomPKCECodeVerifier();
    const config = await discover(before, "drawbridge-cli");
    const url = oidc.buildAuthorizationUrl(config, {
      redirect_uri: CALLBACK,
      scope: SCOPE,
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      ...asAlice,
      resource: MCP,
    });
    const end = await new Browser().open(url);
    const tokens = await oidc.authorizationCodeGrant(
      config,
      end.url,
      { pkceCodeVerifier: verifier },
      { resource: MCP },
    );
    await before.stop();
    expect((await stat(path.join(directory, "keys.json"))).mode & 0o777).toBe(0o600);

    const after = await startIdentityProvider({ port, publicUrl, directory });
    const keys = createRemoteJWKSet(new URL(`${after.issuer}/jwks`));
    await jwtVerify(tokens.access_token, keys, { audience: MCP });
    const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token ?? "", { resource: MCP });
    expect(decodeJwt(refreshed.access_token)["sub"]).toBe("alice");
    await after.stop();
    await rm(directory, { recursive: true });
  });

  test("issues tokens by hand that say what was wished", async () => {
    const token = await provider.issueToken({
      username: "bob",
      resource: "api",
      authTime: 1,
      claims: { aud: "other" },
    });
    const { payload } = await jwtVerify(token, createRemoteJWKSet(new URL(`${provider.issuer}/jwks`)));
    expect(payload).toMatchObject({ sub: "bob", aud: "other", auth_time: 1, iss: provider.issuer });
    await expect(provider.issueToken({ username: "mallory", resource: "api" })).rejects.toThrow(
      /no demo user/,
    );
  });
});
