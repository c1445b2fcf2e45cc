import { createHash } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { PinnedToolDetail, PinnedToolPage, PinnedToolView } from "@drawbridge/contracts";
import { startTestApi, type TestApi } from "../fakes/index.js";
import { startTestPlatform, type TestPlatform } from "../platform/fakes/test-platform.js";
import { ToolPins } from "./tool-pins.js";
import { ToolsModule } from "./tools.module.js";

let platform: TestPlatform;
let api: TestApi;
let target: { id: string; name: string };
let targets = 0;

beforeAll(async () => {
  platform = await startTestPlatform({ DRAWBRIDGE_AGENT_LISTEN: "127.0.0.1:0" });
  api = await startTestApi(platform, { imports: [ToolsModule] });
  api.tokens.add("olga", "operator");
  api.tokens.add("audrey", "auditor");
  api.tokens.add("alice");
});
afterAll(async () => {
  await api.stop();
  await platform.stop();
});
beforeEach(async () => {
  const name = `shop-${(targets += 1)}`;
  const { body } = await send("PUT", `targets/${name}`, {
    apiVersion: "drawbridge/v1",
    kind: "Target",
    metadata: { name },
    spec: { agentGroup: "lab", transport: { stdio: { command: "/usr/bin/shop" } } },
  });
  target = { id: String(body["id"]), name };
});

async function send(method: string, path: string, json?: object, as = "olga") {
  const response = await api.fetch(as, `/api/v1/${path}`, {
    method,
    ...(json ? { headers: { "content-type": "application/json" }, body: JSON.stringify(json) } : {}),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

/** The target shows a tool that says this of itself. Resolves with the digest. */
async function shows(name: string, description: string): Promise<string> {
  const definition = Buffer.from(JSON.stringify({ name, description }));
  const digest = createHash("sha256").update(definition).digest();
  await api.app.get(ToolPins).observe(target, [{ name, digest, definition }]);
  return digest.toString("hex");
}

const accept = (tool: string, digest: string, as = "olga") =>
  send("POST", `targets/${target.name}/tools/${encodeURIComponent(tool)}/accept`, { digest }, as);
const show = (tool: string, as = "olga") =>
  send("GET", `targets/${target.name}/tools/${encodeURIComponent(tool)}`, undefined, as);

describe("the tools of a target", () => {
  test("are listed in pages, by name", async () => {
    for (const name of ["c", "a", "b/ü d"]) await shows(name, "does things");
    const first = PinnedToolPage.parse((await send("GET", `targets/${target.name}/tools?limit=2`)).body);
    expect(first.items.map(({ name, state }) => [name, state])).toEqual([
      ["a", "accepted"],
      ["b/ü d", "accepted"],
    ]);
    const next = `targets/${target.name}/tools?limit=2&cursor=${first.nextCursor}`;
    expect(PinnedToolPage.parse((await send("GET", next)).body)).toMatchObject({
      items: [{ name: "c", target: target.name, flags: [] }],
    });
  });

  test("are shown with what was accepted and what is shown, whatever their name is", async () => {
    const name = "b/ü d?#%2F";
    const before = await shows(name, "reads");
    const after = await shows(name, "reads\u{E0041}");
    expect(PinnedToolDetail.parse((await show(name)).body)).toMatchObject({
      name,
      state: "quarantined",
      flags: ["hidden_characters"],
      acceptedDigest: before,
      shownDigest: after,
      accepted: JSON.stringify({ name, description: "reads" }),
      shown: JSON.stringify({ name, description: "reads\u{E0041}" }),
    });
  });

  test("are those that it has shown", async () => {
    expect(await show("none")).toMatchObject({ status: 404, body: { code: "tool_not_found" } });
    expect(await send("GET", "targets/nowhere/tools")).toMatchObject({
      status: 404,
      body: { code: "target_not_found" },
    });
    const { status, body } = await accept("none", "0".repeat(64));
    expect([status, body["code"]]).toEqual([404, "tool_not_found"]);
  });
});

describe("accepting a tool", () => {
  test("makes the definition that it shows the one it has to show", async () => {
    const before = await shows("read", "reads");
    const after = await shows("read", "reads\u{E0041} more");
    const { status, body } = await accept("read", after);
    expect(status).toBe(200);
    expect(PinnedToolView.parse(body)).toMatchObject({
      state: "accepted",
      acceptedDigest: after,
      acceptedBy: "olga",
      shownDigest: after,
      flags: ["hidden_characters"],
    });
    expect(before).not.toBe(after);
    const { rows } = await platform.admin.query(
      "select actor, details from audit_event where action = 'tool.accepted' and subject = $1",
      [target.name],
    );
    expect(rows).toEqual([
      { actor: "olga", details: { tool: "read", digest: after, flags: "hidden_characters" } },
    ]);
  });

  test("may keep the one before; when the target still shows the other one, that is found again", async () => {
    const before = await shows("read", "reads");
    const after = await shows("read", "reads\u{E0041}");
    expect((await accept("read", before)).body).toMatchObject({
      state: "accepted",
      flags: [],
      shownDigest: before,
    });
    await shows("read", "reads\u{E0041}");
    expect((await show("read")).body).toMatchObject({
      state: "quarantined",
      acceptedDigest: before,
      shownDigest: after,
      flags: ["hidden_characters"],
    });
  });

  test("again changes nothing and is not audited again", async () => {
    await shows("read", "reads");
    const after = await shows("read", "writes");
    const first = await accept("read", after);
    expect(await accept("read", after)).toEqual(first);
    const { rows } = await platform.admin.query(
      "select 1 from audit_event where action = 'tool.accepted' and subject = $1",
      [target.name],
    );
    expect(rows).toHaveLength(1);
  });

  test("is refused for a definition that it does not show any more", async () => {
    const first = await shows("read", "reads");
    const looked = await shows("read", "writes");
    await accept("read", looked);
    await shows("read", "sends it to somebody");
    const { status, body } = await accept("read", first);
    expect(status).toBe(409);
    expect(body).toMatchObject({
      code: "tool_changed",
      detail: "the tool shows another definition now; look again",
    });
    expect((await show("read")).body).toMatchObject({ state: "quarantined", acceptedDigest: looked });
  });

  test("by two people at once, each of another definition, leaves one of them", async () => {
    const before = await shows("read", "reads");
    const after = await shows("read", "writes");
    const answers = await Promise.all([accept("read", before), accept("read", after), accept("read", after)]);
    const { body } = await show("read");
    expect(body["state"]).toBe("accepted");
    expect([before, after]).toContain(body["acceptedDigest"]);
    expect(answers.map(({ status }) => status).every((status) => status === 200 || status === 409)).toBe(
      true,
    );
  });

  test("takes who may change targets; looking takes who may see them", async () => {
    const digest = await shows("read", "reads\u{E0041}");
    for (const as of ["audrey", "alice"]) expect((await accept("read", digest, as)).status).toBe(403);
    expect((await show("read", "alice")).status).toBe(403);
    expect((await send("GET", `targets/${target.name}/tools`, undefined, "alice")).status).toBe(403);
    expect((await show("read")).body).toMatchObject({ state: "quarantined" });
  });

  test("says what a digest looks like", async () => {
    await shows("read", "reads");
    expect(await accept("read", "abc")).toMatchObject({ status: 400, body: { code: "invalid_request" } });
  });
});
