import type { AddressInfo } from "node:net";
import type { NestExpressApplication } from "@nestjs/platform-express";
import { Test } from "@nestjs/testing";
import { AgentPage, AgentView, JoinTokenCreated, JoinTokenPage } from "@drawbridge/contracts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CONFIG } from "../config.js";
import { TokenVerifier } from "../identity/index.js";
import { prepareApi } from "../platform/api.js";
import { startTestPlatform, type TestPlatform } from "../platform/fakes/test-platform.js";
import { AgentGrpcServer } from "./agent-grpc-server.js";
import { AgentsModule } from "./agents.module.js";
import { CertificateAuthority } from "./certificate-authority.js";
import { FakeAgent } from "./fakes/fake-agent.js";
import { ADMIN } from "./fakes/test-agents.js";

let platform: TestPlatform;
let app: NestExpressApplication;
let url: string;

beforeAll(async () => {
  platform = await startTestPlatform();
  const module = await Test.createTestingModule({ imports: [AgentsModule] })
    .overrideProvider(CONFIG)
    .useValue({
      ...platform.config,
      agentListen: { host: "127.0.0.1", port: 0 },
      agentAddress: { host: "gate.example.test", port: 8443 },
    })
    // Signing in is identity's business; here everybody is Ada.
    .overrideProvider(TokenVerifier)
    .useValue({ verify: () => Promise.resolve(ADMIN) })
    .compile();
  app = module.createNestApplication<NestExpressApplication>({ logger: ["error"] });
  prepareApi(app);
  await app.listen(0, "127.0.0.1");
  url = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}/api/v1`;
});
afterAll(async () => {
  await app.close();
  await platform.stop();
});

const get = async (path: string) => (await fetch(`${url}${path}`)).json();
const post = (body: unknown) =>
  fetch(`${url}/join-tokens`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
const invite = async (body: unknown) => JoinTokenCreated.parse(await (await post(body)).json());

async function join(body: unknown): Promise<FakeAgent> {
  const { token } = await invite(body);
  const address = `127.0.0.1:${app.get(AgentGrpcServer).address.port}`;
  return FakeAgent.join(
    address,
    await app.get(CertificateAuthority).bundle(),
    token.slice(0, token.lastIndexOf(".")),
  );
}

describe("join tokens", () => {
  test("are shown once, with the line to run", async () => {
    const response = await post({ group: "eu-west", name: "rack-7" });
    expect(response.status).toBe(201);
    const created = JoinTokenCreated.parse(await response.json());
    expect(created.token).toMatch(/^drawbridge-join-v1\.[A-Za-z0-9_-]{43}\.[0-9a-f]{64}$/);
    expect(created.command).toContain(
      `join --control-plane gate.example.test:8443 --token ${created.token} --state `,
    );
    const minutes = (Date.parse(created.expiresAt) - Date.now()) / 60_000;
    expect(minutes).toBeCloseTo(30, 0);
    const text = JSON.stringify(await get("/join-tokens"));
    expect(text).toContain(created.id);
    expect(text).not.toContain(created.token.split(".")[1]);
  });

  test("are listed newest first, page by page, with their state", async () => {
    const revoked = await invite({ group: "pages" });
    const unused = await invite({ group: "pages" });
    expect((await fetch(`${url}/join-tokens/${revoked.id}`, { method: "DELETE" })).status).toBe(204);
    expect((await fetch(`${url}/join-tokens/${revoked.id}`, { method: "DELETE" })).status).toBe(204);
    const first = JoinTokenPage.parse(await get("/join-tokens?limit=1"));
    const second = JoinTokenPage.parse(await get(`/join-tokens?limit=1&cursor=${first.nextCursor}`));
    expect(first.items).toMatchObject([{ id: unused.id, state: "unused", createdBy: "ada" }]);
    expect(second.items).toMatchObject([{ id: revoked.id, state: "revoked" }]);
    const { rowCount } = await platform.admin.query(
      "select 1 from audit_event where subject = $1 and action in ('join_token.created', 'join_token.revoked')",
      [revoked.id],
    );
    expect(rowCount).toBe(2);
  });

  test.each([
    [{}, 400],
    [{ group: "Not A Name" }, 400],
    [{ group: "lab", expiresInSeconds: 1 }, 400],
    [{ group: "lab", unknown: true }, 400],
  ])("refuse %j", async (body, code) => {
    expect((await post(body)).status).toBe(code);
  });

  test("refuse a name that an agent has", async () => {
    const agent = await join({ group: "lab", name: "taken" });
    expect((await post({ group: "lab", name: "taken" })).status).toBe(409);
    agent.close();
  });

  test("answer 404 for one that is not there and 400 for no id", async () => {
    const missing = "01a20570-d881-7383-9b23-3a618081763f";
    expect((await fetch(`${url}/join-tokens/${missing}`, { method: "DELETE" })).status).toBe(404);
    expect((await fetch(`${url}/join-tokens/x`, { method: "DELETE" })).status).toBe(400);
  });
});

describe("agents", () => {
  test("are listed and shown with what they can do", async () => {
    const agent = await join({ group: "shown", name: "shown-1" });
    const before = AgentView.parse(await get(`/agents/${agent.id}`));
    expect(before).toMatchObject({
      name: "shown-1",
      group: "shown",
      state: "active",
      connected: false,
      lastSeenAt: null,
    });
    await agent.connect();
    const page = AgentPage.parse(await get("/agents?limit=200"));
    expect(page.items.find(({ id }) => id === agent.id)).toMatchObject({
      connected: true,
      features: ["stdio", "tool-pinning"],
      isolation: "none",
      openSessions: 0,
    });
    expect(JSON.stringify(page)).not.toMatch(/serial|hash|sealing/i);
    agent.close();
  });

  test("are removed once and for all", async () => {
    const agent = await join({ group: "gone" });
    await agent.connect();
    expect((await fetch(`${url}/agents/${agent.id}`, { method: "DELETE" })).status).toBe(204);
    expect((await fetch(`${url}/agents/${agent.id}`, { method: "DELETE" })).status).toBe(204);
    expect(await get(`/agents/${agent.id}`)).toMatchObject({ state: "removed", connected: false });
    expect(JSON.stringify(await get("/agents?limit=200"))).not.toContain(agent.id);
    agent.close();
  });

  test("answer 404 for one that is not there", async () => {
    const response = await fetch(`${url}/agents/01a20570-d881-7383-9b23-3a618081763f`);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ code: "agent_not_found" });
  });
});
