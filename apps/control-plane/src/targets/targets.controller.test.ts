import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestApi, type TestApi } from "../fakes/index.js";
import { startTestPlatform, type TestPlatform } from "../platform/fakes/test-platform.js";
import { TargetsModule } from "./index.js";
import { LiveTargets } from "./live-targets.js";

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
