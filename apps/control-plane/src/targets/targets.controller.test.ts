import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AgentLinks } from "../agents/index.js";
import { AuditLog } from "../audit/index.js";
import { startTestApi, type TestApi } from "../fakes/index.js";
import { Database } from "../platform/database.js";
import { startTestPlatform, type TestPlatform } from "../platform/fakes/test-platform.js";
import { TargetsModule } from "./index.js";
import { LiveTargets } from "./live-targets.js";
import { TargetRevisions } from "./target-revisions.js";
import { TargetVersionsRepository } from "./target-versions.repository.js";
import { TargetsRepository } from "./targets.repository.js";
import { TargetsService } from "./targets.service.js";

const SECRET = "postgres://reader:opensesame@db.internal/shop";
const document = (name: string, changes: object = {}) => ({
  apiVersion: "drawbridge/v1",
  kind: "Target",
  metadata: { name, labels: { env: "production" } },
  spec: {
    agentGroup: "lab",
    transport: {
      stdio: { command: "/usr/bin/dbhub", arguments: ["--transport", "stdio"], environment: { DSN: SECRET } },
    },
    ...changes,
  },
});

let platform: TestPlatform;
let api: TestApi;
beforeAll(async () => {
  platform = await startTestPlatform({ DRAWBRIDGE_AGENT_LISTEN: "127.0.0.1:0" });
  api = await startTestApi(platform, { imports: [TargetsModule] });
  api.tokens.add("olga", "operator");
  api.tokens.add("alice");
});
afterAll(async () => {
  await api.stop();
  await platform.stop();
});

async function put(name: string, body: unknown, as = "olga") {
  const response = await api.fetch(as, `/api/v1/targets/${name}`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: response.status, text: await response.text() };
}

describe("applying a target", () => {
  test("counts revisions only when something changed", async () => {
    expect(JSON.parse((await put("shop", document("shop"))).text)).toMatchObject({
      revision: 1,
      online: false,
      transport: "stdio",
    });
    expect(JSON.parse((await put("shop", document("shop"))).text)).toMatchObject({ revision: 1 });
    expect(JSON.parse((await put("shop", document("shop", { agentGroup: "other" }))).text)).toMatchObject({
      revision: 2,
    });
  });

  test("never shows the values of its environment again, and keeps them sealed", async () => {
    await put("sealed", document("sealed"));
    const shown = await (await api.fetch("olga", "/api/v1/targets/sealed")).text();
    expect(shown).not.toContain("opensesame");
    const client = new pg.Client({ connectionString: platform.config.databaseUrl });
    await client.connect();
    const { rows } = await client.query<{ row: string }>(
      "select target::text || encode(sealed_values, 'escape') as row from target where name = 'sealed'",
    );
    await client.end();
    expect(rows[0]?.row).toContain("DSN");
    expect(rows[0]?.row).not.toContain("opensesame");
  });

  test("masks a password that stands in its address", async () => {
    const { text } = await put(
      "spoken",
      document("spoken", { transport: { http: { url: "http://u:opensesame@127.0.0.1:9/mcp" } } }),
    );
    expect(text).not.toContain("opensesame");
    expect(text).toContain("127.0.0.1:9/mcp");
  });

  test("gives the agent the values as they were applied", async () => {
    const live = api.app.get(LiveTargets);
    const { epoch } = await live.get();
    await put("opened", document("opened"));
    const target = (await live.atLeast(epoch + 1n)).value.get("opened");
    if (!target) throw new Error("the target is not live");
    const { transport } = live.definition(target);
    expect(transport?.$case === "stdio" && transport.value.environment).toEqual({ DSN: SECRET });
  });

  test("gives the agent the values of an HTTP+SSE target, and keeps them sealed", async () => {
    const live = api.app.get(LiveTargets);
    const { epoch } = await live.get();
    const transport = { sse: { url: "http://127.0.0.1:9/sse", headers: { "X-Key": "opensesame" } } };
    const { text } = await put("eventful", document("eventful", { transport }));
    expect(JSON.parse(text)).toMatchObject({ transport: "sse", address: "http://127.0.0.1:9/sse" });
    expect(text).not.toContain("opensesame");
    const target = (await live.atLeast(epoch + 1n)).value.get("eventful");
    if (!target) throw new Error("the target is not live");
    expect(JSON.stringify(target.document)).not.toContain("opensesame");
    expect(live.definition(target)).toEqual({
      name: "eventful",
      exchangeTimeoutMs: 3_600_000,
      idleTimeoutMs: 300_000,
      transport: { $case: "sse", value: transport.sse },
    });
    expect(JSON.parse((await put("eventful", document("eventful", { transport }))).text)).toMatchObject({
      revision: 1,
    });
  });

  test.each([
    [
      { memoryMegabytes: 512, cpuSeconds: 60, openFiles: 256, processes: 8 },
      { memoryBytes: 536_870_912, cpuSeconds: 60, openFiles: 256, processes: 8 },
    ],
    [{ openFiles: 64 }, { memoryBytes: 0, cpuSeconds: 0, openFiles: 64, processes: 0 }],
    [undefined, undefined],
  ])("gives the agent the limits %j of a process as %j", async (limits, given) => {
    const live = api.app.get(LiveTargets);
    const { epoch } = await live.get();
    await put(
      "limited",
      document("limited", { transport: { stdio: { command: "/bin/x", ...(limits && { limits }) } } }),
    );
    const target = (await live.atLeast(epoch + 1n)).value.get("limited");
    if (!target) throw new Error("the target is not live");
    const { transport } = live.definition(target);
    expect(transport?.$case === "stdio" && transport.value.limits).toEqual(given);
  });

  test.each([
    [
      "a NUL in an argument",
      document("bad", { transport: { stdio: { command: "/bin/x", arguments: ["a\0b"] } } }),
      /NUL/,
    ],
    [
      "two transports",
      document("bad", { transport: { stdio: { command: "/bin/x" }, http: { url: "http://127.0.0.1/" } } }),
      /transport/,
    ],
    [
      "a limit that is none",
      document("bad", { transport: { stdio: { command: "/bin/x", limits: { memory: 1 } } } }),
      /memory/,
    ],
    ["another scheme", document("bad", { transport: { http: { url: "file:///etc/passwd" } } }), /url/i],
    ["an unknown key", { ...document("bad"), extra: 1 }, /extra/],
    ["a name that is none", document("Bad Name"), /name/],
  ])("refuses %s and says where", async (_what, body, message) => {
    const { status, text } = await put("bad", body);
    expect(status).toBe(400);
    expect(text).toMatch(message);
  });

  test("refuses a document that names another target", async () => {
    expect((await put("this", document("that"))).status).toBe(422);
  });

  test("needs an operator, and an ordinary user cannot even look", async () => {
    expect((await put("shop", document("shop"), "alice")).status).toBe(403);
    expect((await api.fetch("alice", "/api/v1/targets")).status).toBe(403);
    expect((await api.fetch("nobody", "/api/v1/targets")).status).toBe(401);
  });
});

describe("the revisions a target speaks", () => {
  const VERSIONS = ["2025-11-25", "2026-07-28"];

  async function applied(name: string): Promise<{ id: string; revision: number }> {
    return JSON.parse((await put(name, document(name))).text) as { id: string; revision: number };
  }

  async function shown(name: string): Promise<unknown> {
    const { items } = (await (await api.fetch("olga", "/api/v1/targets")).json()) as {
      items: { name: string; protocolVersions?: unknown }[];
    };
    const one = (await (await api.fetch("olga", `/api/v1/targets/${name}`)).json()) as object;
    expect(items.find((item) => item.name === name)).toEqual(one);
    return one;
  }

  async function age(id: string, by: string): Promise<void> {
    const client = new pg.Client({ connectionString: platform.config.databaseUrl });
    await client.connect();
    await client.query(
      "update target_versions set learned_at = learned_at - $2::interval where target_id = $1",
      [id, by],
    );
    await client.end();
  }

  /** As another control plane sees it, which has nothing in memory. */
  const elsewhere = (): TargetRevisions => new TargetRevisions(api.app.get(TargetVersionsRepository));

  test("are what its agent found out, for every control plane and for operators", async () => {
    const target = await applied("speaking");
    const revisions = api.app.get(TargetRevisions);
    expect(await revisions.of(target)).toBeUndefined();
    expect(await shown("speaking")).not.toHaveProperty("protocolVersions");
    await revisions.learned(target, VERSIONS);
    expect(await revisions.of(target)).toEqual(VERSIONS);
    expect(await elsewhere().of(target)).toEqual(VERSIONS);
    expect(await shown("speaking")).toMatchObject({ protocolVersions: { versions: VERSIONS } });
    await elsewhere().learned(target, ["2025-06-18"]);
    expect(await elsewhere().of(target)).toEqual(["2025-06-18"]);
  });

  test("are not known any more when the target was changed", async () => {
    const target = await applied("changing");
    const revisions = api.app.get(TargetRevisions);
    await revisions.learned(target, VERSIONS);
    await put("changing", document("changing", { agentGroup: "other" }));
    const changed = { id: target.id, revision: target.revision + 1 };
    expect(await revisions.of(changed)).toBeUndefined();
    expect(await elsewhere().of(changed)).toBeUndefined();
    expect(await shown("changing")).not.toHaveProperty("protocolVersions");
  });

  test("are found out again after an hour, and shown with their date until then", async () => {
    const target = await applied("ageing");
    await elsewhere().learned(target, VERSIONS);
    await age(target.id, "59 minutes");
    expect(await elsewhere().of(target)).toEqual(VERSIONS);
    await age(target.id, "2 minutes");
    expect(await elsewhere().of(target)).toBeUndefined();
    expect(await shown("ageing")).toMatchObject({ protocolVersions: { versions: VERSIONS } });
  });

  test("are kept as revisions only, and no more than a target can speak", async () => {
    const target = await applied("boasting");
    const many = Array.from({ length: 100 }, (_, i) => `v${i}`);
    await elsewhere().learned(target, ["", "a b", "x".repeat(65), ...many]);
    expect(await elsewhere().of(target)).toEqual(many.slice(0, 32));
  });

  test("are gone with the target", async () => {
    const target = await applied("leaving");
    await elsewhere().learned(target, VERSIONS);
    expect((await api.fetch("olga", "/api/v1/targets/leaving", { method: "DELETE" })).status).toBe(204);
    expect(await elsewhere().of(target)).toBeUndefined();
  });
});

test("operators see that a target's process keeps failing", async () => {
  await put("failing", document("failing"));
  const retryAt = new Date("2026-11-22T09:01:00.000Z");
  const links: Pick<AgentLinks, "isOnline" | "failing"> = {
    isOnline: () => true,
    failing: (name) => (name === "failing" ? { failures: 3, reason: "exited with 1", retryAt } : undefined),
  };
  const service = new TargetsService(
    api.app.get(Database),
    api.app.get(TargetsRepository),
    api.app.get(TargetVersionsRepository),
    links as AgentLinks,
    api.app.get(AuditLog),
  );
  expect(await service.get("failing")).toMatchObject({
    online: true,
    failing: { failures: 3, reason: "exited with 1", retryAt: retryAt.toISOString() },
  });
  expect(await service.get("shop")).not.toHaveProperty("failing");
});

test("an operation that fails says so in problem details with a stable code", async () => {
  const response = await api.fetch("olga", "/api/v1/targets/missing");
  expect(response.headers.get("content-type")).toContain("application/problem+json");
  expect(await response.json()).toMatchObject({
    status: 404,
    code: "target_not_found",
    type: "urn:drawbridge:error:target_not_found",
  });
  const broken = await api.fetch("olga", "/api/v1/targets/x", {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: "{",
  });
  expect(await broken.json()).toMatchObject({ status: 400, code: "invalid_request" });
  const large = await api.fetch("olga", "/api/v1/targets/x", {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ x: "y".repeat(1_100_000) }),
  });
  expect(await large.json()).toMatchObject({ status: 413, code: "payload_too_large" });
});
