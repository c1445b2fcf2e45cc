import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadConfig } from "../config.js";
import { Clock } from "../platform/clock.js";
import { TokenVerifier } from "./token-verifier.js";

class HeldClock extends Clock {
  at = Date.now();
  override now(): Date {
    return new Date(this.at);
  }
}

const MCP = "https://gate.example.test/mcp";
const API = "https://gate.example.test/api";

/** An issuer that publishes some keys, and can be switched off. */
class TestIssuer {
  keys: { id: string; pair: Awaited<ReturnType<typeof generateKeyPair>> }[] = [];
  asked = 0;
  private readonly server: Server = createServer(
    (request, response) => void this.answer(request.url ?? "", response),
  );
  url = "";

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
    await this.addKey("one");
  }

  async addKey(id: string): Promise<void> {
    this.keys.push({ id, pair: await generateKeyPair("ES256") });
  }

  async stop(): Promise<void> {
    await new Promise((resolve) => this.server.close(resolve));
  }

  async token(claims: Record<string, unknown> = {}, keyId = "one"): Promise<string> {
    const key = this.keys.find(({ id }) => id === keyId);
    if (!key) throw new Error("no such key");
    const now = Math.floor(Date.now() / 1000);
    return new SignJWT({
      iss: this.url,
      sub: "u1",
      aud: MCP,
      iat: now,
      exp: now + 600,
      client_id: "c1",
      ...claims,
    })
      .setProtectedHeader({ alg: "ES256", kid: keyId })
      .sign(key.pair.privateKey);
  }

  private async answer(path: string, response: import("node:http").ServerResponse): Promise<void> {
    this.asked++;
    response.setHeader("content-type", "application/json");
    if (path.startsWith("/.well-known/")) {
      response.end(JSON.stringify({ issuer: this.url, jwks_uri: `${this.url}/keys` }));
      return;
    }
    const keys = await Promise.all(
      this.keys.map(async ({ id, pair }) => ({
        ...(await exportJWK(pair.publicKey)),
        kid: id,
        alg: "ES256",
      })),
    );
    response.end(JSON.stringify({ keys }));
  }
}

const issuer = new TestIssuer();
beforeAll(() => issuer.start());
afterAll(() => issuer.stop());

function verifier(clock: Clock = new Clock(), env: Record<string, string> = {}): TokenVerifier {
  const config = loadConfig({
    DATABASE_URL: "postgresql://x@127.0.0.1/x",
    OIDC_ISSUER: issuer.url,
    OIDC_CLIENT_ID: "cli",
    DRAWBRIDGE_PUBLIC_URL: "https://gate.example.test",
    DRAWBRIDGE_KEK_FILE: "/none",
    DRAWBRIDGE_ADMIN_GROUPS: "admins, owners",
    ...env,
  });
  return new TokenVerifier(config, clock);
}

function actorChain(length: number): object | undefined {
  return length === 0 ? undefined : { sub: `bot-${length}`, act: actorChain(length - 1) };
}

describe("a token", () => {
  test("says who is acting, and only verified e-mail addresses count", async () => {
    const claims = { email: "a@example.com", email_verified: true, groups: ["owners", "x"], auth_time: 1000 };
    const principal = await verifier().verify(`Bearer ${await issuer.token(claims)}`, "mcp");
    expect(principal).toMatchObject({
      id: "u1",
      email: "a@example.com",
      client: "c1",
      groups: ["owners", "x"],
    });
    expect(principal.roles.toSorted()).toEqual(["admin", "user"]);
    expect(principal.signedInAt).toEqual(new Date(1_000_000));
    const unverified = await issuer.token({ email: "a@example.com", email_verified: "true" });
    expect((await verifier().verify(`Bearer ${unverified}`, "mcp")).email).toBeUndefined();
  });

  test.each<[string, Record<string, unknown>, object]>([
    [
      "a person",
      { email: "A@Example.test", email_verified: true },
      { identities: ["sub:u1", "email:a@example.test"] },
    ],
    ["an account of a person", { person: "p7" }, { identities: ["sub:u1", "person:p7"], isMachine: false }],
    ["an e-mail address nobody verified", { email: "a@example.test" }, { identities: ["sub:u1"] }],
    ["a program of its own", { sub: "c1" }, { isMachine: true }],
    ["a program at Auth0", { sub: "c1@clients", gty: "client-credentials" }, { isMachine: true }],
    ["a program at Entra ID", { idtyp: "app" }, { isMachine: true }],
    ["a program at Okta", { sub: "c9", client_id: undefined, cid: "c9" }, { isMachine: true }],
    ["a program at Keycloak", { preferred_username: "service-account-c1" }, { isMachine: true }],
    ["a person at any of them", { gty: "password", idtyp: "user", cid: "c1" }, { isMachine: false }],
    ["somebody's program", { sub: "bot", owner: "u1" }, { identities: ["sub:bot", "sub:u1"] }],
    [
      "programs that act for somebody",
      { act: { sub: "bot", act: { sub: "robot", act: "nothing" } } },
      { identities: ["sub:u1", "sub:bot", "sub:robot"], isMachine: true },
    ],
    [
      "odd claims",
      { person: { id: 7 }, owner: "a\0b", act: { sub: {} } },
      { identities: ["sub:u1"], isMachine: true },
    ],
    ["an account of a person with a number", { person: 7 }, { identities: ["sub:u1", "person:7"] }],
    [
      "an account of several persons",
      { person: ["p7", 8] },
      { identities: ["sub:u1", "person:p7", "person:8"] },
    ],
    [
      "an account that writes its person otherwise",
      { person: " E\uFF11 Rene\u0301 Stra\u00DFe" },
      { identities: ["sub:u1", "person:e1 ren\u00E9 strasse"] },
    ],
    [
      "an e-mail address with a tag",
      { email: "A+Two@Example.test", email_verified: true },
      { identities: ["sub:u1", "email:a+two@example.test", "email:a@example.test"] },
    ],
    [
      "a program of somebody who is known by address",
      { sub: "bot", owner: "Ann@Example.test" },
      { identities: ["sub:bot", "sub:Ann@Example.test", "email:ann@example.test"] },
    ],
  ])("says who is behind %s", async (_, claims, expected) => {
    expect(await verifier().verify(`Bearer ${await issuer.token(claims)}`, "mcp")).toMatchObject(expected);
  });

  test.each<[string, Record<string, unknown>, string]>([
    ["for the other door", { aud: API }, "wrong_audience"],
    ["for both doors", { aud: [MCP, API] }, "wrong_audience"],
    ["of another issuer", { iss: "https://elsewhere.example.test" }, "invalid"],
    ["that has expired", { exp: 1000 }, "expired"],
    ["without an expiry", { exp: undefined }, "invalid"],
    ["without a subject", { sub: undefined }, "invalid"],
    ["with an empty subject", { sub: "" }, "invalid"],
    ["with a subject that is a number", { sub: 7 }, "invalid"],
    ["with a subject that is an object", { sub: { id: "u1" } }, "invalid"],
    ["with a NUL in the subject", { sub: "u1\0u2" }, "invalid"],
    ["that expires at no date there is", { exp: 1e300 }, "invalid"],
    ["with half a character in the subject", { sub: "u1\ud800" }, "invalid"],
    ["that acts through nine others", { act: actorChain(9) }, "invalid"],
    ["that is not valid yet", { nbf: Math.floor(Date.now() / 1000) + 600 }, "invalid"],
  ])("%s is refused", async (_what, claims, problem) => {
    await expect(verifier().verify(`Bearer ${await issuer.token(claims)}`, "mcp")).rejects.toMatchObject({
      problem,
    });
  });

  test("with a NUL in the client or the e-mail address names neither", async () => {
    const claims = { client_id: "c\0", azp: "c2", email: "a\0@example.com", email_verified: true };
    const principal = await verifier().verify(`Bearer ${await issuer.token(claims)}`, "mcp");
    expect(principal).toMatchObject({ client: "c2", email: undefined });
  });

  test.each<[unknown, string[]]>([
    ["owners", ["owners"]],
    ["owners,x", ["owners,x"]],
    [["x", ["owners"], { name: "owners" }, null], ["x"]],
    [{ owners: true }, []],
    [["x\0", "own\ud800", "owners "], ["owners "]],
  ])("with the groups %j is of the groups %j", async (groups, expected) => {
    const principal = await verifier().verify(`Bearer ${await issuer.token({ groups })}`, "mcp");
    expect(principal.groups).toEqual(expected);
    expect(principal.roles.includes("admin")).toBe(expected.includes("owners"));
  });

  test.each([1e300, -1e300, "1000", null])("with the auth_time %j says of no sign-in", async (claim) => {
    const principal = await verifier().verify(`Bearer ${await issuer.token({ auth_time: claim })}`, "mcp");
    expect(principal.signedInAt).toBeUndefined();
  });

  test("without a signature, or signed with a secret, is refused", async () => {
    const claims = { iss: issuer.url, sub: "u1", aud: MCP, exp: Math.floor(Date.now() / 1000) + 600 };
    const unsigned = new UnsecuredJWT(claims).encode();
    const shared = await new SignJWT(claims)
      .setProtectedHeader({ alg: "HS256", kid: "one" })
      .sign(new Uint8Array(32));
    for (const token of [unsigned, shared]) {
      await expect(verifier().verify(`Bearer ${token}`, "mcp")).rejects.toMatchObject({ problem: "invalid" });
    }
  });

  test("of a key that was published later is accepted", async () => {
    const tokens = verifier();
    await tokens.verify(`Bearer ${await issuer.token()}`, "mcp");
    await issuer.addKey("two");
    // The key set is not asked for again at once, so that unknown key ids cannot make us hammer the issuer.
    const fresh = verifier();
    expect((await fresh.verify(`Bearer ${await issuer.token({}, "two")}`, "mcp")).id).toBe("u1");
  });

  test("that was verified stays so without asking again, until it expires, and at its own door only", async () => {
    const clock = new HeldClock();
    const tokens = verifier(clock);
    const token = await issuer.token();
    await tokens.verify(`Bearer ${token}`, "mcp");
    const asked = issuer.asked;
    await tokens.verify(`Bearer ${token}`, "mcp");
    expect(issuer.asked).toBe(asked);
    await expect(tokens.verify(`Bearer ${token}`, "api")).rejects.toMatchObject({
      problem: "wrong_audience",
    });
    clock.at += 700_000;
    await expect(tokens.verify(`Bearer ${token}`, "mcp")).rejects.toMatchObject({ problem: "expired" });
  });

  test("stops working five minutes after its key was read when the issuer has withdrawn the key", async () => {
    const clock = new HeldClock();
    const tokens = verifier(clock);
    await issuer.addKey("withdrawn");
    const token = await issuer.token({}, "withdrawn");
    const other = await issuer.token();
    await tokens.verify(`Bearer ${token}`, "mcp");
    issuer.keys = issuer.keys.filter(({ id }) => id !== "withdrawn");
    clock.at += 200_000;
    const late = await issuer.token({ jti: "late" }, "one");
    await tokens.verify(`Bearer ${late}`, "mcp");
    clock.at += 99_999;
    await tokens.verify(`Bearer ${token}`, "mcp");
    clock.at += 1;
    await expect(tokens.verify(`Bearer ${token}`, "mcp")).rejects.toMatchObject({ problem: "invalid" });
    for (const sound of [other, late]) expect((await tokens.verify(`Bearer ${sound}`, "mcp")).id).toBe("u1");
  });

  test("cannot be judged while the issuer is away, and can when it is back", async () => {
    const tokens = verifier(new Clock(), { OIDC_ISSUER: "http://127.0.0.1:1" });
    await expect(tokens.verify(`Bearer ${await issuer.token()}`, "mcp")).rejects.toMatchObject({
      problem: "unavailable",
    });
  });

  test.each(["", "Bearer", "Bearer a b", "Basic eDp5", `Bearer ${"x".repeat(20_000)}`])(
    "is not found in %j",
    async (header) => {
      const problem = header === "" ? "missing" : "invalid";
      await expect(verifier().verify(header, "mcp")).rejects.toMatchObject({ problem });
    },
  );
});
