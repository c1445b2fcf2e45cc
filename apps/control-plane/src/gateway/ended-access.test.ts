import { toolCall } from "@drawbridge/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { politelyAt } from "./fakes/fake-agent-links.js";
import { callUnderWay, logMessage } from "./fakes/call-under-way.js";
import { GatewayUnderTest, PATIENT } from "./fakes/gateway-under-test.js";
import { modernCall, ModernClient } from "./fakes/modern-client.js";
import { ENGINEERS_READ } from "./fakes/policies.js";
import { StreamClients } from "./fakes/stream-client.js";
import { Recorder } from "./traffic/recorder.js";
import { SessionUpkeep } from "./sessions/session-upkeep.js";
import { SessionsService } from "./sessions/sessions.service.js";
import { SessionsRepository } from "./sessions/sessions.repository.js";

const OTHERS = `
apiVersion: drawbridge/v1
kind: Policy
metadata: { name: others }
spec:
  targets: { names: [shop] }
  subjects: { groups: [interns] }
  access: { mode: standing }
  rules:
    - { name: looking, tools: [look], effect: allow }
`;
const MIB = 1024 * 1024;
const ACCESS_ENDED = /access ended/;

let gateway: GatewayUnderTest;
let streams: StreamClients;
beforeAll(async () => {
  gateway = await GatewayUnderTest.start();
  // What is noticed without looking, at the very message.
  await gateway.stopWatching();
  streams = new StreamClients(gateway);
  await gateway.applyPolicy(OTHERS);
});
afterAll(() => gateway.stop());
beforeEach(() => gateway.reset());
afterEach(() => streams.leave());

const read = (session: string) =>
  callUnderWay(gateway, () => streams.open({ session, body: toolCall(7, "read", {}) }));

/** What another control plane does when an operator ends a session there. */
async function endElsewhere(sessionId: string): Promise<void> {
  await gateway.query("update session set closed_at = now(), close_reason = 'ended' where id = $1", [
    sessionId,
  ]);
  await gateway.query("update authorization_epoch set value = value + 1");
}

/** What the recording says, when it is complete. */
async function eventsOf(sessionId: string): Promise<string[]> {
  const items = async () => {
    const { body } = await gateway.api("GET", `recordings/${sessionId}/events?limit=200`);
    return body["items"] as { kind: string; attributes: Record<string, unknown> }[];
  };
  await expect.poll(async () => (await items()).at(-1)?.kind, PATIENT).toBe("session_closed");
  return (await items()).map(({ kind, attributes }) => {
    const { effect } = (attributes["decision"] ?? {}) as { effect?: string };
    return [kind, attributes["delivered"], effect, attributes["withheld"] && "withheld"]
      .filter(Boolean)
      .join(" ");
  });
}

describe("a session that an operator ended at another control plane", () => {
  test("hears no answer to what was under way", async () => {
    const session = await gateway.openSession("shop");
    const { sessionId, answer, sending } = await read(session);
    await endElsewhere(sessionId);
    await answer({ text: "jewels" });
    const client = await sending;
    await expect.poll(() => client.isOver, PATIENT).toBe(true);
    expect(client.text).toMatch(ACCESS_ENDED);
    expect(client.text).not.toContain("jewels");
    const said = await eventsOf(sessionId);
    expect(said.slice(said.lastIndexOf("response true"))).toEqual([
      "response true",
      "decision deny withheld",
      "session_closed",
    ]);
  });

  test("hears nothing more on its event stream, which ends, and its target is stopped", async () => {
    const session = await gateway.openSession("shop");
    const { listener, sessionId } = gateway.links.opened.at(-1)!;
    const client = await streams.open({ session });
    await endElsewhere(sessionId);
    await listener.onMessage({ exchange: 0, payload: logMessage("jewels"), masked: {}, final: false });
    await expect.poll(() => client.isOver, PATIENT).toBe(true);
    expect(client.text).not.toContain("jewels");
    await expect.poll(() => gateway.links.closed, PATIENT).toContain(sessionId);
  });

  test("is read nothing that it missed", async () => {
    const session = await gateway.openSession("shop");
    await gateway.post("shop", toolCall(2, "read", { secret: "jewels" }), { session });
    await endElsewhere(gateway.links.opened.at(-1)!.sessionId);
    const client = await streams.open({ session, lastEventId: "2-0" });
    expect(client.response.status).toBe(404);
    expect(client.text).not.toContain("jewels");
    expect((await streams.open({ session })).response.status).toBe(404);
  });

  test("stops its target here even when nobody says anything", async () => {
    await gateway.openSession("shop");
    const { sessionId } = gateway.links.opened.at(-1)!;
    await endElsewhere(sessionId);
    await gateway.get(SessionUpkeep)["lookAfter"]();
    expect(gateway.links.closed).toContain(sessionId);
  });
});

test("a session that expired at another control plane is another one for the next request but one", async () => {
  const client = new ModernClient(gateway, "shop");
  await client.post(modernCall(1, "read"));
  const { sessionId } = gateway.links.sent.at(-1)!;
  await gateway.get(SessionsRepository).close(sessionId, "idle");
  await gateway.get(Recorder).close(sessionId, "idle");
  expect((await client.post(modernCall(2, "read"))).status).toBe(503);
  expect((await client.post(modernCall(3, "read"))).json.result).toBeDefined();
  expect(gateway.links.sent.at(-1)!.sessionId).not.toBe(sessionId);
  expect(gateway.links.closed).toContain(sessionId);
});

describe("a client that comes back with a token of other groups", () => {
  test("does not hear the answer to a call that it could not make now", async () => {
    const session = await gateway.openSession("shop");
    const { answer, sending } = await read(session);
    (await sending).leave();
    const claims = { groups: ["interns"] };
    const token = await gateway.identity.issueToken({ username: "alice", resource: "mcp", claims });
    const client = await streams.open({ session, lastEventId: "2-0", token });
    expect(client.response.status).toBe(200);
    await answer({ text: "jewels" });
    await expect.poll(() => client.isOver, PATIENT).toBe(true);
    expect(client.text).toMatch(ACCESS_ENDED);
    expect(client.text).not.toContain("jewels");
  });
});

test("a large answer stops in the middle when the policy no longer allows the call", async () => {
  gateway.links.script = politelyAt("2025-06-18");
  const session = await gateway.openSession("shop");
  gateway.links.script = () => [];
  const before = gateway.links.sent.length;
  const answer = fetch(`${gateway.config.publicUrl}/mcp/shop`, {
    method: "POST",
    headers: {
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      authorization: `Bearer ${await gateway.mcpToken("alice")}`,
      "mcp-session-id": session,
    },
    body: JSON.stringify(toolCall(7, "read", {})),
  });
  await expect.poll(() => gateway.links.sent.length, PATIENT).toBeGreaterThan(before);
  const { exchange } = gateway.links.sent.at(-1)!;
  const { listener } = gateway.links.opened.at(-1)!;
  const say = (payload: Buffer) => listener.onChunk({ transfer: 1, payload, aborted: false });
  await say(Buffer.from(`{"jsonrpc":"2.0","id":7,"result":{"text":"`));
  for (let sent = 0; sent < 30; sent += 1) await say(Buffer.alloc(MIB, "x"));
  const end = { exchange, masked: {} };
  await listener.onChunk({ transfer: 1, payload: Buffer.from(`"}}`), aborted: false, end });
  const reader = (await answer).body!.getReader();
  await reader.read();
  await gateway.applyPolicy(ENGINEERS_READ.replace("tools: [read]", "tools: [other]"));
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  const rest = async () => {
    for (;;) if ((await reader.read()).done) return;
  };
  await expect(rest()).rejects.toThrow(/terminated|closed|aborted/i);
});

test("a session that ends while an answer is recorded says of its call only that it was answered", async () => {
  const session = await gateway.openSession("shop");
  const { sessionId, answer, sending } = await read(session);
  const recorder = gateway.get(Recorder);
  const record = recorder.record.bind(recorder);
  const held = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  recorder.record = async (of, event) => {
    if (event.kind === "response") {
      reached.resolve();
      await held.promise;
    }
    return record(of, event);
  };
  try {
    const answered = answer({ text: "done" });
    await reached.promise;
    const sessions = gateway.get(SessionsService);
    const ending = sessions.end(sessions.byId(sessionId)!, "closed by the client");
    await new Promise((resolve) => setTimeout(resolve, 100));
    held.resolve();
    await Promise.all([answered, ending]);
  } finally {
    recorder.record = record;
  }
  const client = await sending;
  await expect.poll(() => client.isOver, PATIENT).toBe(true);
  const said = await eventsOf(sessionId);
  expect(said.filter((kind) => /response|outcome_unknown/.test(kind)).slice(1)).toEqual(["response true"]);
  expect(client.text).toContain("done");
});
