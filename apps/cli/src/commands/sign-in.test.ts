import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type IdentityProvider, startIdentityProvider } from "@drawbridge/embedded";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { EXIT } from "../errors.js";
import { approvalOf } from "../fakes/access-views.js";
import { FakeBrowser } from "../fakes/fake-browser.js";
import { FakeControlPlane, problem } from "../fakes/fake-control-plane.js";
import { TestShell } from "../fakes/test-shell.js";

let controlPlane: FakeControlPlane;
let provider: IdentityProvider;
let shell: TestShell;

interface Claims {
  readonly aud: string;
  readonly sub: string;
  readonly email: string;
  readonly exp: number;
  readonly auth_time: number;
}

const claimsOf = (token: string): Claims =>
  JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as Claims;

beforeAll(async () => {
  controlPlane = await FakeControlPlane.start();
  provider = await startIdentityProvider({ port: 0, publicUrl: controlPlane.url });
});
afterAll(async () => {
  await provider.stop();
  await controlPlane.stop();
});

beforeEach(async () => {
  shell = await TestShell.open();
  controlPlane.route("GET /info", () => ({ body: publicInfo() }));
  controlPlane.route("GET /whoami", ({ headers }) => {
    const { aud, sub, email, exp } = claimsOf(headers.authorization ?? "");
    if (aud !== `${controlPlane.url}/api`)
      return problem("token_wrong_audience", "this token is for another door");
    const expiresAt = new Date(exp * 1000).toISOString();
    return {
      body: {
        principal: sub,
        email,
        groups: ["engineering"],
        roles: ["user"],
        oauthClient: "drawbridge-cli",
        expiresAt,
      },
    };
  });
});
afterEach(() => shell.close());

function publicInfo(): Record<string, string> {
  return {
    product: "drawbridge",
    version: "0.1.0",
    issuer: provider.issuer,
    oauthClient: "drawbridge-cli",
    apiAudience: `${controlPlane.url}/api`,
    mcpAudience: `${controlPlane.url}/mcp`,
  };
}

const login = (...options: string[]): string[] => ["login", "--url", controlPlane.url, ...options];

interface Stored {
  refreshToken: string;
  apiToken: { value: string; expiresAt: number };
  mcpToken?: { value: string; expiresAt: number };
}

async function changeStored(change: (stored: Stored) => void): Promise<void> {
  const file = JSON.parse(await readFile(shell.credentialsFile, "utf8")) as {
    controlPlanes: Record<string, Stored>;
  };
  const stored = file.controlPlanes[controlPlane.url];
  if (stored === undefined) throw new Error("not signed in");
  change(stored);
  await writeFile(shell.credentialsFile, JSON.stringify(file));
}

describe("login", () => {
  it("signs in as a user of the demo and remembers the control plane", async () => {
    const result = await shell.run(login("--as", "alice"));
    expect(result).toEqual({
      code: EXIT.ok,
      stdout: `signed in to ${controlPlane.url} as alice@example.com\ngroups: engineering; roles: user\n`,
      stderr: "",
    });
    const whoami = await shell.run(["whoami", "--json"]);
    expect(JSON.parse(whoami.stdout)).toMatchObject({ url: controlPlane.url, principal: "alice" });
  });

  it("says that the demo knows no such user, and keeps nothing", async () => {
    const result = await shell.run(login("--as", "mallory"));
    expect(result).toMatchObject({ code: EXIT.notSignedIn, stdout: "" });
    expect(result.stderr).toMatch(/does not know the user mallory/);
    expect((await shell.run(["whoami", "--url", controlPlane.url])).code).toBe(EXIT.notSignedIn);
  });

  it("signs in with the browser that it opens", async () => {
    let page: Promise<string> | undefined;
    const result = await shell.run(login(), {
      openBrowser: (url) => {
        expect(url.searchParams.getAll("resource")).toEqual([
          `${controlPlane.url}/mcp`,
          `${controlPlane.url}/api`,
        ]);
        page = new FakeBrowser("bob").signIn(url);
      },
    });
    expect(result).toMatchObject({ code: EXIT.ok });
    expect(result.stdout).toContain("as bob@example.com");
    expect(await page).toMatch(/close this window/);
  });

  it("prints the address and opens nothing with --no-browser, whatever else calls its port", async () => {
    let opened = false;
    let strangers: number[] = [];
    let page: Promise<unknown> | undefined;
    const result = await shell.run(login("--no-browser"), {
      openBrowser: () => (opened = true),
      onNotice: (text) => {
        const [address] = /http\S+/.exec(text) ?? [];
        if (address === undefined) return;
        const callback = new URL(address).searchParams.get("redirect_uri") ?? "";
        page = (async () => {
          const attempts = [`${callback}?code=stolen&state=guessed`, callback, new URL("/", callback).href];
          strangers = await Promise.all(attempts.map(async (url) => (await fetch(url)).status));
          await new FakeBrowser("alice").signIn(address);
        })();
      },
    });
    await page;
    expect(result.code).toBe(EXIT.ok);
    expect(strangers).toEqual([404, 404, 404]);
    expect(opened).toBe(false);
  });

  it("says what the identity provider refused", async () => {
    const result = await shell.run(login("--no-browser"), {
      onNotice: (text) => {
        const [address] = /http\S+/.exec(text) ?? [];
        if (address === undefined) return;
        const { searchParams } = new URL(address);
        const answer = new URL(searchParams.get("redirect_uri") ?? "");
        answer.searchParams.set("state", searchParams.get("state") ?? "");
        answer.searchParams.set("iss", provider.issuer);
        answer.searchParams.set("error", "access_denied");
        answer.searchParams.set("error_description", "not \u001b[2J today");
        void fetch(answer);
      },
    });
    expect(result.code).toBe(EXIT.notSignedIn);
    expect(result.stderr).toContain(
      String.raw`the sign-in did not succeed: not \x1b[2J today (access_denied)`,
    );
  });

  it("refuses an answer that names another issuer", async () => {
    const result = await shell.run(login("--no-browser"), {
      onNotice: (text) => {
        const [address] = /http\S+/.exec(text) ?? [];
        if (address === undefined) return;
        const { searchParams } = new URL(address);
        const query = new URLSearchParams({
          state: searchParams.get("state") ?? "",
          code: "x",
          iss: "https://mallory.example.com",
        });
        void fetch(`${searchParams.get("redirect_uri") ?? ""}?${query.toString()}`);
      },
    });
    expect(result.code).toBe(EXIT.failure);
    expect(result.stderr).toMatch(/"iss"/);
  });

  it("stops waiting for the browser when interrupted", async () => {
    const interrupt = new AbortController();
    const result = await shell.run(login("--no-browser"), {
      signal: interrupt.signal,
      onNotice: () => interrupt.abort(),
    });
    expect(result.code).toBe(EXIT.interrupted);
  });

  it("leaves no timer behind that would keep the process alive after Ctrl-C", async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const before = timers();
    const interrupt = new AbortController();
    await shell.run(login("--no-browser"), { signal: interrupt.signal, onNotice: () => interrupt.abort() });
    expect(timers()).toBeLessThanOrEqual(before);
  });

  it("signs in with another device", async () => {
    let page: Promise<string> | undefined;
    const result = await shell.run(login("--device"), {
      onNotice: (text) => {
        const [address] = /http\S+user_code\S+/.exec(text) ?? [];
        if (address !== undefined) page = new FakeBrowser("bob").signIn(address);
      },
    });
    expect(await page).toMatch(/Signed in/);
    expect(result).toMatchObject({ code: EXIT.ok });
    expect(result.stdout).toContain("as bob@example.com");
  });

  it("keeps nothing when the control plane does not take the token", async () => {
    controlPlane.route("GET /whoami", () => problem("token_invalid", "the signature is wrong"));
    const result = await shell.run(login("--as", "alice"));
    expect(result).toMatchObject({
      code: EXIT.notSignedIn,
      stderr: "error: the signature is wrong; sign in again: drawbridge login\n",
    });
    await expect(readFile(shell.credentialsFile)).rejects.toThrow(/ENOENT/);
  });

  it("gets no token for another control plane's audience unless the user accepts it", async () => {
    controlPlane.route("GET /info", () => ({
      body: { ...publicInfo(), apiAudience: "https://victim.example.com/api" },
    }));
    const result = await shell.run(login("--as", "alice"));
    expect(result.code).toBe(EXIT.failure);
    expect(result.stderr).toMatch(/asks for tokens for https:\/\/victim\.example\.com\/api/);
    const accepted = await shell.run(login("--as", "alice", "--audience", "https://victim.example.com/api"));
    // Now it is the identity provider's turn, which knows no such resource.
    expect(accepted.stderr).toMatch(/the sign-in did not succeed/);
  });

  it("refuses --as where the identity provider is not the demo's", async () => {
    const real = createServer((_request, response) => {
      const issuer = `http://127.0.0.1:${(real.address() as AddressInfo).port}`;
      response.writeHead(200, { "content-type": "application/json" }).end(
        JSON.stringify({
          issuer,
          authorization_endpoint: `${issuer}/auth`,
          token_endpoint: `${issuer}/token`,
        }),
      );
    });
    await new Promise<void>((resolve) => real.listen(0, "127.0.0.1", resolve));
    const issuer = `http://127.0.0.1:${(real.address() as AddressInfo).port}`;
    controlPlane.route("GET /info", () => ({ body: { ...publicInfo(), issuer } }));
    const result = await shell.run(login("--as", "alice"));
    real.closeAllConnections();
    real.close();
    expect(result.stderr).toBe(
      "error: --as works with the demo's identity provider only; sign in with: drawbridge login\n",
    );
  });

  it("refuses an identity provider that tokens would reach in the clear", async () => {
    controlPlane.route("GET /info", () => ({ body: { ...publicInfo(), issuer: "http://id.example.com" } }));
    expect((await shell.run(login("--as", "alice"))).stderr).toMatch(/has to be https/);
  });
});

describe("a sign-in that is too old to decide", () => {
  const APPROVAL = approvalOf();
  const approve = ["approvals", "approve", APPROVAL.id, "--comment", "fine"];
  /** Tokens of this time and later are new enough. */
  let newEnough: number;

  beforeEach(() => {
    controlPlane.requests.length = 0;
    newEnough = Date.now() / 1000 - 600;
    controlPlane.route(`GET /approvals/${APPROVAL.id}`, () => ({ body: APPROVAL }));
    controlPlane.route(`POST /approvals/${APPROVAL.id}/approve`, ({ headers }) =>
      claimsOf(headers.authorization ?? "").auth_time < newEnough
        ? problem("sign_in_again", "your sign-in is too old")
        : { body: { ...APPROVAL, state: "approved" } },
    );
  });

  /** From now on what was signed in before is too old; the next sign-in is in another second. */
  async function timePasses(): Promise<void> {
    newEnough = Math.floor(Date.now() / 1000) + 1;
    await new Promise((resolve) => setTimeout(resolve, newEnough * 1000 - Date.now() + 10));
  }

  it("is made anew at the terminal, and the command goes on", async () => {
    await shell.run(login("--as", "alice"));
    await timePasses();
    const result = await shell.run(approve, { answers: ["y", ""] });
    expect(result).toMatchObject({ code: EXIT.ok, stdout: "9f3c21aa (execute_sql at shop) is approved\n" });
    expect(result.stderr).toMatch(/sign in again now\? \[Y\/n\] \nsigned in again as alice@example\.com\n$/);
    const sent = controlPlane.seen("POST ");
    expect(sent.map(({ body }) => body)).toEqual([{ comment: "fine" }, { comment: "fine" }]);
    expect(new Set(sent.map(({ headers }) => headers["idempotency-key"])).size).toBe(2);
    expect((await shell.run(approve, { answers: ["y"] })).code).toBe(EXIT.ok);
  });

  it("is asked for with the browser even of somebody who is signed in there", async () => {
    const browser = new FakeBrowser("bob");
    const open = { openBrowser: (url: URL) => void browser.signIn(url) };
    await shell.run(login(), open);
    await timePasses();
    const result = await shell.run(approve, { ...open, answers: ["y", "y"] });
    expect(result).toMatchObject({ code: EXIT.ok });
    expect(result.stderr).toContain("prompt=login");
  });

  it("is not made anew when it is not wanted", async () => {
    await shell.run(login("--as", "alice"));
    await timePasses();
    const result = await shell.run(approve, { answers: ["y", "n"] });
    expect(result).toMatchObject({ code: EXIT.notSignedIn, stdout: "" });
    expect(result.stderr).toMatch(/too old\n {2}sign in again \(drawbridge login\) and repeat it\n/);
    expect(controlPlane.seen("POST ")).toHaveLength(1);
  });

  it("lets nobody finish what somebody else began", async () => {
    let who = "bob";
    const open = { openBrowser: (url: URL) => void new FakeBrowser(who).signIn(url) };
    await shell.run(login(), open);
    await timePasses();
    who = "alice";
    const result = await shell.run(approve, { ...open, answers: ["y", "y"] });
    expect(result.code).toBe(EXIT.failure);
    expect(result.stderr).toMatch(/alice signed in, but bob began this command; nothing was done/);
    expect(controlPlane.seen("POST ")).toHaveLength(1);
    expect(JSON.parse((await shell.run(["whoami", "--json"])).stdout)).toMatchObject({ principal: "bob" });
  });

  it("is not asked for twice", async () => {
    await shell.run(login("--as", "alice"));
    newEnough = Infinity;
    const result = await shell.run(approve, { answers: ["y", "y", "y"] });
    expect(result.code).toBe(EXIT.notSignedIn);
    expect(controlPlane.seen("POST ")).toHaveLength(2);
  });

  it("comes of no login that one types: it is of the last five minutes", async () => {
    const addresses: URL[] = [];
    await shell.run(login(), {
      openBrowser: (url) => {
        addresses.push(url);
        void new FakeBrowser("bob").signIn(url);
      },
    });
    expect(addresses[0]?.searchParams.get("max_age")).toBe("300");
  });
});

describe("token", () => {
  beforeEach(async () => {
    await shell.run(login("--as", "alice"));
  });

  it("prints an MCP token and never one that opens the API", async () => {
    const { stdout, stderr } = await shell.run(["token"]);
    expect(stderr).toBe("");
    expect(claimsOf(stdout.trim())).toMatchObject({ aud: `${controlPlane.url}/mcp`, sub: "alice" });
  });

  it("prints the same token while it is fresh, with its end in JSON", async () => {
    const first = await shell.run(["token"]);
    const { token, expiresAt } = JSON.parse((await shell.run(["token", "--json"])).stdout) as Record<
      string,
      string
    >;
    expect(token).toBe(first.stdout.trim());
    expect(Math.abs(Date.parse(expiresAt ?? "") - claimsOf(token ?? "").exp * 1000)).toBeLessThan(5000);
  });

  it("replaces a token with less than a minute left", async () => {
    const before = (await shell.run(["token"])).stdout;
    await changeStored(({ mcpToken }) => {
      if (mcpToken !== undefined) mcpToken.expiresAt = Date.now() + 59_000;
    });
    expect((await shell.run(["token"])).stdout).not.toBe(before);
  });

  it("uses each refresh token once, however many commands run at the same time", async () => {
    const results = await Promise.all(Array.from({ length: 5 }, () => shell.run(["token"])));
    expect(results.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0]);
    expect(new Set(results.map(({ stdout }) => stdout)).size).toBe(1);
    // The provider ends a sign-in whose refresh token comes twice, so this works only if none did.
    await changeStored((stored) => (stored.apiToken.expiresAt = 0));
    expect((await shell.run(["whoami"])).code).toBe(EXIT.ok);
  });

  it("says to sign in again when the refresh token is refused", async () => {
    await changeStored((stored) => (stored.refreshToken = "revoked"));
    expect(await shell.run(["token"])).toEqual({
      code: EXIT.notSignedIn,
      stdout: "",
      stderr: "error: your sign-in has ended; sign in again: drawbridge login\n",
    });
  });
});

describe("logout", () => {
  it("forgets the sign-in and ends it at the identity provider", async () => {
    await shell.run(login("--as", "alice"));
    const before = await readFile(shell.credentialsFile, "utf8");
    const result = await shell.run(["logout", "--url", controlPlane.url, "--json"]);
    expect(JSON.parse(result.stdout)).toEqual({ url: controlPlane.url, signedOut: true, revoked: true });
    expect((await shell.run(["token", "--url", controlPlane.url])).code).toBe(EXIT.notSignedIn);
    await writeFile(shell.credentialsFile, before);
    expect((await shell.run(["token"])).stderr).toMatch(/your sign-in has ended/);
  });

  it("works without a sign-in", async () => {
    expect(await shell.run(["logout", "--url", controlPlane.url])).toMatchObject({ code: EXIT.ok });
  });
});
