import { createHash, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { AuditLog } from "../audit/index.js";
import { startTestApi, type TestApi } from "../fakes/index.js";
import { Database } from "../platform/database.js";
import { readEpoch } from "../platform/epoch-snapshot.js";
import { HeldClock, startTestPlatform, type TestPlatform } from "../platform/fakes/test-platform.js";
import { MAX_TOOLS, type ToolDefinitionShown } from "./observed-tools.js";
import { type ObservedTarget, ToolPins } from "./tool-pins.js";
import { ToolPinsRepository } from "./tool-pins.repository.js";
import { ToolsModule } from "./tools.module.js";
import { ToolsService } from "./tools.service.js";

let platform: TestPlatform;
let api: TestApi;
let pins: ToolPins;
let target: ObservedTarget;
const clock = new HeldClock();
const olga = { id: "olga" } as Parameters<ToolsService["accept"]>[0];

beforeAll(async () => {
  platform = await startTestPlatform({ DRAWBRIDGE_AGENT_LISTEN: "127.0.0.1:0" });
  api = await startTestApi(platform, { imports: [ToolsModule] });
  api.tokens.add("olga", "operator");
  api.tokens.add("alice");
});
afterAll(async () => {
  await api.stop();
  await platform.stop();
});
beforeEach(async () => {
  target = await newTarget();
  pins = replica();
});

/** As another control plane sees the same database. */
function replica(database: Database = platform.database): ToolPins {
  return new ToolPins(database, new ToolPinsRepository(database), api.app.get(AuditLog), clock);
}

async function newTarget(): Promise<ObservedTarget> {
  const name = `shop-${randomUUID().slice(0, 8)}`;
  const response = await api.fetch("olga", `/api/v1/targets/${name}`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      apiVersion: "drawbridge/v1",
      kind: "Target",
      metadata: { name },
      spec: { agentGroup: "lab", transport: { stdio: { command: "/usr/bin/shop" } } },
    }),
  });
  const { id } = (await response.json()) as { id: string };
  return { id, name };
}

/** A tool that says this of itself. */
function tool(name: string, description = "reads"): ToolDefinitionShown {
  const definition = Buffer.from(JSON.stringify({ name, description, annotations: { readOnlyHint: true } }));
  return { name, digest: createHash("sha256").update(definition).digest(), definition };
}

function digestOf({ digest }: ToolDefinitionShown): string {
  return Buffer.from(digest).toString("hex");
}

async function states(of = pins): Promise<Record<string, string>> {
  const { value } = await of.atLeast(await readEpoch(platform.database));
  const own = value.get(target.id) ?? new Map();
  return Object.fromEntries([...own.values()].map(({ name, state }) => [name, state]));
}

async function audited(): Promise<unknown[]> {
  const { rows } = await platform.admin.query<{ action: string; details: { tool?: string; flags?: string } }>(
    "select action, details from audit_event where subject = $1 and action like 'tool%' order by id",
    [target.name],
  );
  return rows.map(({ action, details }) => [action, details.tool, details.flags]);
}

describe("what a target shows first", () => {
  test("is accepted, without a word in the audit log", async () => {
    await pins.observe(target, [tool("read"), tool("write")]);
    expect(await states()).toEqual({ read: "accepted", write: "accepted" });
    expect(await audited()).toEqual([]);
    const pin = (await pins.get()).value.get(target.id)?.get("read");
    expect(pin?.acceptedDigest).toEqual(Buffer.from(tool("read").digest));
    expect(pin?.definition).toEqual({
      name: "read",
      description: "reads",
      annotations: { readOnlyHint: true },
    });
  });

  test.each([
    ["text that nobody sees", [tool("read", "reads\u{E0041}\u{E0042}")], "hidden_characters"],
    ["a definition too large to be kept", [{ ...tool("read"), definition: Buffer.alloc(0) }], "too_large"],
    [
      "a definition larger than an agent may send",
      [{ ...tool("read"), definition: Buffer.from(JSON.stringify("x".repeat(300_000))) }],
      "too_large",
    ],
    ["two definitions of one name", [tool("read"), tool("read", "writes")], "collides"],
    ["what is no JSON", [{ ...tool("read"), definition: Buffer.from("{") }], "hidden_characters"],
  ])("is quarantined with %s", async (_, shown, flag) => {
    await pins.observe(target, shown);
    expect(await states()).toEqual({ read: "quarantined" });
    expect(await audited()).toEqual([["tool.first_seen", "read", flag]]);
  });

  test("is accepted with letters of another alphabet in it, which is audited", async () => {
    await pins.observe(target, [tool("read", "reads а pаypal account")]);
    expect(await states()).toEqual({ read: "accepted" });
    expect(await audited()).toEqual([["tool.first_seen", "read", "confusable_characters"]]);
  });

  test("is quarantined when it looks like a tool there is already, which stays", async () => {
    await pins.observe(target, [tool("read_file")]);
    await pins.observe(target, [tool("read_fi1e"), tool("other")]);
    expect(await states()).toEqual({ read_file: "accepted", read_fi1e: "quarantined", other: "accepted" });
  });

  test("is quarantined, both of them, when two look alike from the start", async () => {
    await pins.observe(target, [tool("read_file"), tool("Read-File")]);
    expect(await states()).toEqual({ read_file: "quarantined", "Read-File": "quarantined" });
  });
});

describe("a tool that is known", () => {
  beforeEach(() => pins.observe(target, [tool("read"), tool("write")]));

  test("costs no statement while it stays the same", async () => {
    const locked = await platform.admin.connect();
    await locked.query("begin; lock table target, tool_pin, authorization_epoch in access exclusive mode");
    await pins.observe(target, [tool("read")]);
    const writing = pins.observe(target, [tool("read", "changed")]);
    expect(await Promise.race([writing, sleep(200, "waits for the lock")])).toBe("waits for the lock");
    await locked.query("rollback");
    locked.release();
    await writing;
    expect(await states()).toMatchObject({ read: "quarantined" });
  });

  test("keeps its pin while it is not shown", async () => {
    await pins.observe(target, []);
    expect(await states()).toEqual({ read: "accepted", write: "accepted" });
  });

  test("is quarantined when it changes, and stays so when it changes back", async () => {
    await pins.observe(target, [tool("read", "now deletes"), tool("write")]);
    expect(await states()).toEqual({ read: "quarantined", write: "accepted" });
    await pins.observe(target, [tool("read")]);
    expect(await states()).toEqual({ read: "quarantined", write: "accepted" });
    expect(await audited()).toEqual([["tool.changed", "read", ""]]);
    const pin = (await pins.get()).value.get(target.id)?.get("read");
    expect(pin).toMatchObject({ acceptedDigest: Buffer.from(tool("read").digest) });
    expect(pin?.definition?.description).toBe("reads");
  });

  test("that shows something else each time is written down every ten seconds at most", async () => {
    await pins.observe(target, [tool("read", "0")]);
    const before = await readEpoch(platform.database);
    for (let time = 1; time < 20; time++) await pins.observe(target, [tool("read", String(time))]);
    expect(await readEpoch(platform.database)).toBe(before);
    clock.advance(10_000);
    for (let time = 20; time < 40; time++) await pins.observe(target, [tool("read", String(time))]);
    expect(await readEpoch(platform.database)).toBe(before + 1n);
    expect(await audited()).toHaveLength(2);
    expect(await api.app.get(ToolsService).get(target.name, "read")).toMatchObject({
      shownDigest: digestOf(tool("read", "20")),
    });
  });

  test("holds nobody up with others of the target that are quarantined as well", async () => {
    const both = (version: string) => [tool("read", version), tool("write", version)];
    await pins.observe(target, both("0"));
    clock.advance(10_000);
    await pins.observe(target, [tool("read", "1")]);
    const before = await readEpoch(platform.database);
    for (let time = 2; time < 20; time++) await pins.observe(target, both(String(time)));
    expect(await readEpoch(platform.database)).toBe(before);
    await pins.observe(target, [tool("another")]);
    expect(await states()).toEqual({ read: "quarantined", write: "quarantined", another: "accepted" });
  });

  test("is quarantined at once when it changes right after it was accepted", async () => {
    await pins.observe(target, [tool("read", "new")]);
    const digest = digestOf(tool("read", "new"));
    await api.app.get(ToolsService).accept(olga, target.name, { tool: "read", digest });
    expect(await states()).toMatchObject({ read: "accepted" });
    await pins.observe(target, [tool("read", "newer")]);
    expect(await states()).toMatchObject({ read: "quarantined" });
  });

  test("is quarantined when it is shown a second time with another definition, whichever comes first", async () => {
    await pins.observe(target, [tool("read"), tool("read", "other")]);
    expect(await states()).toMatchObject({ read: "quarantined" });
    const { rows } = await platform.admin.query(
      "select flags from tool_pin where target_id = $1 and name = 'read'",
      [target.id],
    );
    expect(rows).toEqual([{ flags: ["collides"] }]);
  });

  test("is forgotten with its target", async () => {
    await api.fetch("olga", `/api/v1/targets/${target.name}`, { method: "DELETE" });
    expect(await states()).toEqual({});
    await pins.observe(target, [tool("read")]);
    expect(await states()).toEqual({});
  });
});

describe("several control planes", () => {
  test("that see the same change at once write it down once", async () => {
    const databases = [platform.database, new Database(platform.config)];
    const replicas = databases.map((database) => replica(database));
    await pins.observe(target, [tool("read")]);
    await Promise.all(replicas.map((each) => each.get()));
    const observers = Array.from({ length: 8 }, (_, index) => replicas[index % 2] as ToolPins);
    await Promise.all(
      observers.map((each) =>
        each.observe(target, [tool("read", "changed"), tool("new", "\u{200B}x\u{E0041}")]),
      ),
    );
    expect(await audited()).toEqual([
      ["tool.changed", "read", ""],
      ["tool.first_seen", "new", "hidden_characters"],
    ]);
    for (const each of replicas)
      expect(await states(each)).toEqual({ read: "quarantined", new: "quarantined" });
    await databases[1]?.onModuleDestroy();
  });

  test("of which each sees another definition first accept one of them, and quarantine the tool", async () => {
    const databases = [platform.database, new Database(platform.config)];
    const replicas = databases.map((database) => replica(database));
    await Promise.all(replicas.map((each, index) => each.observe(target, [tool("read", `from ${index}`)])));
    expect(await states()).toEqual({ read: "quarantined" });
    expect(await audited()).toEqual([["tool.changed", "read", ""]]);
    await databases[1]?.onModuleDestroy();
  });

  test("see what another one deleted and shown again", async () => {
    const other = replica();
    await pins.observe(target, [tool("read"), tool("write")]);
    expect(await states(other)).toEqual({ read: "accepted", write: "accepted" });
    await platform.admin.query("delete from tool_pin where target_id = $1 and name = 'read'", [target.id]);
    expect(await states(other)).toEqual({ write: "accepted" });
    expect(await states()).toEqual({ write: "accepted" });
    await pins.observe(target, [tool("read", "other")]);
    expect(await states(other)).toEqual({ read: "accepted", write: "accepted" });
    expect((await other.get()).value.get(target.id)?.get("read")?.definition?.description).toBe("other");
  });

  test("see what another one accepted", async () => {
    const other = replica();
    await pins.observe(target, [tool("read")]);
    await other.get();
    await pins.observe(target, [tool("read", "new")]);
    const digest = digestOf(tool("read", "new"));
    await api.app.get(ToolsService).accept(olga, target.name, { tool: "read", digest });
    expect(await states(other)).toEqual({ read: "accepted" });
    expect((await other.get()).value.get(target.id)?.get("read")?.definition?.description).toBe("new");
  });
});

test("a target that shows too many tools has the rest ignored, which is audited once", async () => {
  const many = Array.from({ length: MAX_TOOLS + 3 }, (_, index) => tool(`t${index.toString(2)}x`));
  await pins.observe(target, many);
  await pins.observe(target, [tool("late"), ...many]);
  expect(Object.keys(await states())).toHaveLength(MAX_TOOLS);
  expect(await audited()).toContainEqual(["tools.refused", undefined, undefined]);
  expect((await audited()).filter((entry) => String(entry).startsWith("tools.refused"))).toHaveLength(1);
});
