import { toolCall } from "@drawbridge/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { callUnderWay } from "../fakes/call-under-way.js";
import { GatewayUnderTest, initializeRequest, PATIENT } from "../fakes/gateway-under-test.js";
import { modernCall, ModernClient } from "../fakes/modern-client.js";
import { type McpRequest, parseMessage } from "@drawbridge/mcp";
import type { Principal } from "../../identity/index.js";
import { LiveTargets } from "../../targets/index.js";
import { LegacySessions } from "./legacy-sessions.js";
import { OutdatedSessions } from "./outdated-sessions.js";

const MINUTE_MS = 60_000;
const ALICE: Principal = {
  id: "alice",
  email: undefined,
  groups: ["engineering"],
  identities: ["sub:alice"],
  isMachine: false,
  client: "test",
  roles: ["user"],
  expiresAt: new Date(Date.now() + 3_600_000),
  signedInAt: undefined,
};

let gateway: GatewayUnderTest;
beforeAll(async () => {
  gateway = await GatewayUnderTest.start();
});
afterAll(() => gateway.stop());
beforeEach(async () => {
  await gateway.reset();
  await gateway.applyTarget("shop");
});
afterEach(() => {
  vi.useRealTimers();
});

let changes = 0;
async function change(): Promise<void> {
  changes += 1;
  await gateway.api("PUT", "targets/shop", {
    apiVersion: "drawbridge/v1",
    kind: "Target",
    metadata: { name: "shop" },
    spec: { agentGroup: "lab", transport: { stdio: { command: `/bin/${changes}` } } },
  });
}

const look = () => gateway.get(OutdatedSessions)["lookAfter"]();
const newest = () => gateway.links.opened.at(-1)!.sessionId;

test("a session of a changed target ends once nothing is under way, and its client initializes again", async () => {
  const session = await gateway.openSession("shop");
  const { sessionId, answer, sending } = await callUnderWay(gateway, () =>
    gateway.post("shop", toolCall(2, "read", {}), { session }),
  );
  await look();
  await change();
  await look();
  expect(gateway.links.closed).not.toContain(sessionId);
  await answer();
  expect((await sending).status).toBe(200);
  await look();
  expect(gateway.links.closed).toContain(sessionId);
  expect((await gateway.post("shop", toolCall(3, "read", {}), { session })).status).toBe(404);
});

test("a session that is always busy keeps the old definition of its target for minutes only", async () => {
  const alice = new ModernClient(gateway, "shop");
  const { sessionId, sending } = await callUnderWay(gateway, () => alice.post(modernCall(1, "read")));
  await change();
  await look();
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 4 * MINUTE_MS });
  await look();
  expect(gateway.links.closed).not.toContain(sessionId);
  vi.setSystemTime(Date.now() + 2 * MINUTE_MS);
  await look();
  vi.useRealTimers();
  expect(gateway.links.closed).toContain(sessionId);
  expect((await sending).json.error?.message).toMatch(/whether the request ran is not known/);
  gateway.links.reset();
  expect((await alice.post(modernCall(2, "read"))).json.result).toBeDefined();
  expect(newest()).not.toBe(sessionId);
});

test("a session that is being opened while its target is changed is opened", async () => {
  const { value: targets } = await gateway.get(LiveTargets).get();
  const message = parseMessage(Buffer.from(JSON.stringify(initializeRequest()))) as McpRequest;
  const { session } = await gateway.get(LegacySessions).create(ALICE, targets.get("shop")!, message);
  await change();
  await look();
  expect(session.ended).toBe(false);
  session.protocolVersion = "2025-11-25";
  await look();
  expect(session.ended).toBe(true);
});

test("a session of a removed target ends at once, and that of another of its name is not touched", async () => {
  await gateway.openSession("shop");
  const removed = newest();
  await gateway.openSession("shop");
  expect((await gateway.api("DELETE", "targets/shop")).status).toBeLessThan(300);
  await gateway.applyTarget("shop");
  await expect.poll(async () => (await gateway.post("shop", initializeRequest())).status, PATIENT).toBe(200);
  const another = newest();
  await look();
  await expect.poll(() => gateway.links.closed, PATIENT).toContain(removed);
  expect(gateway.links.closed).not.toContain(another);
});
