import { toolCall } from "@drawbridge/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { callUnderWay } from "./fakes/call-under-way.js";
import { answerPolitely, type Script } from "./fakes/fake-agent-links.js";
import { GatewayUnderTest, initializeRequest, PATIENT } from "./fakes/gateway-under-test.js";
import { modernCall, ModernClient, modernRequest } from "./fakes/modern-client.js";
import { ENGINEERS_READ, withRule } from "./fakes/policies.js";
import { type StreamClient, StreamClients } from "./fakes/stream-client.js";

const ASKING = withRule(
  withRule(ENGINEERS_READ, "{ name: asking, methods: [elicitation/create], effect: allow }"),
  "{ name: more, methods: [subscriptions/listen, tasks/get], effect: allow }",
).replace("tools: [read]", "tools: [read, destroy]");
const REVOKED = -31003;
const UNKNOWN_SESSION = -32001;
const AGENT = "01900000-0000-7000-8000-000000000001";
// What is asked for, with some room for a machine that has much else to do.
const A_SECOND = 1_500;
const TWO_SECONDS = 2_500;

/** `here`: where locks are set. `there`: another process, of which the clients are. */
let here: GatewayUnderTest;
let there: GatewayUnderTest;
let streams: StreamClients;
beforeAll(async () => {
  here = await GatewayUnderTest.start(ASKING);
  there = await here.beside();
  streams = new StreamClients(there);
  await here.query(
    `insert into agent (id, name, agent_group, current_serial, certificate_ends_at, sealing_public_key, version)
     values ($1, 'edge', 'lab', '00', now(), '', '1')`,
    [AGENT],
  );
});
afterAll(async () => {
  await there.stopControlPlane();
  await here.stop();
});
beforeEach(() => there.links.reset());
afterEach(async () => {
  streams.leave();
  await here.query("update lock set released_at = now() where released_at is null");
  // Until the other process has noticed, a change would be told of that was before.
  await new Promise((resolve) => setTimeout(resolve, 500));
});

async function lock(kind: string, subject: string): Promise<string> {
  const { status, body } = await here.api("POST", "locks", { kind, subject, reason: "a stolen laptop" });
  if (status === 201) return body["id"] as string;
  // The tests have one client, and nobody locks the one that they use.
  if (kind !== "client") throw new Error(`locking answered ${status} ${JSON.stringify(body)}`);
  const [row] = await here.query<{ id: string }>(
    `insert into lock (id, kind, subject, reason, created_by)
     values (gen_random_uuid(), 'client', $1, 'a stolen laptop', 'olga') returning id`,
    [subject],
  );
  return row!.id;
}

const unlock = (id: string) =>
  here.query("update lock set released_at = now(), released_by = 'olga' where id = $1", [id]);

async function sessionRow(id: string) {
  const [row] = await here.query<{
    principal: string;
    oauth_client: string;
    closed_at: Date | null;
    close_reason: string | null;
  }>("select * from session where id = $1", [id]);
  return row!;
}

async function subjectOf(kind: string, sessionId: string): Promise<string> {
  const { principal, oauth_client: client } = await sessionRow(sessionId);
  const subjects: Record<string, string> = {
    principal,
    client,
    agent: "edge",
    target: "shop",
    session: sessionId,
  };
  return subjects[kind]!;
}

/** What whoever may not see the target any more is told before anything is asked. */
const LOCKED_AT_THE_DOOR = new Set(["principal", "client", "target"]);

describe.each(["principal", "client", "agent", "target", "session"])("a lock of the %s", (kind) => {
  test("cuts the call under way, ends the session with its stream, and lets initialize in when it is released", async () => {
    const session = await there.openSession("shop");
    const listening = await streams.open({ session });
    let told: StreamClient | undefined;
    const call = await callUnderWay(there, async () => {
      told = await streams.open({ session, body: toolCall(7, "read", {}) });
    });
    const start = performance.now();
    const id = await lock(kind, await subjectOf(kind, call.sessionId));
    await call.sending;
    await expect.poll(() => told?.isOver, PATIENT).toBe(true);
    expect(performance.now() - start).toBeLessThan(TWO_SECONDS);
    expect(told?.text).toContain(String(REVOKED));
    await expect.poll(() => there.links.closed, PATIENT).toContain(call.sessionId);
    await expect.poll(() => listening.isOver, PATIENT).toBe(true);
    await expect
      .poll(async () => (await sessionRow(call.sessionId)).close_reason, PATIENT)
      .toBe(`the ${kind} is locked`);
    const refused = await there.post("shop", toolCall(8, "read", {}), { session });
    const saidAtTheDoor = { code: REVOKED, message: `the ${kind} is locked: a stolen laptop` };
    expect(refused).toMatchObject(
      LOCKED_AT_THE_DOOR.has(kind) ? { status: 403, json: { error: saidAtTheDoor } } : { status: 404 },
    );
    await unlock(id);
    there.links.script = answerPolitely;
    await expect
      .poll(async () => (await there.post("shop", toolCall(9, "read", {}), { session })).status, PATIENT)
      .toBe(404);
    const again = await there.openSession("shop");
    expect(
      (await there.post("shop", toolCall(10, "read", {}), { session: again })).json.result,
    ).toBeDefined();
  });

  test("refuses from its first moment on, also where nobody has noticed it yet", async () => {
    const session = await there.openSession("shop");
    const { sessionId } = there.links.opened.at(-1)!;
    await lock(kind, await subjectOf(kind, sessionId));
    const refused = await there.post("shop", toolCall(7, "read", {}), { session });
    // Or that the session is gone, when that was noticed by then.
    expect([REVOKED, UNKNOWN_SESSION]).toContain(refused.json.error?.code);
    expect(there.links.reached("tools/call")).toEqual([]);
  });

  test("ends a session of 2026-07-28 and what is subscribed to in it", async () => {
    const alice = new ModernClient(there, "shop");
    const call = await callUnderWay(there, () => alice.post(modernCall(1, "read")));
    const before = there.links.sent.length;
    const listening = alice.open(
      modernRequest("sub", "subscriptions/listen", { notifications: { toolsListChanged: true } }),
    );
    await expect.poll(() => there.links.sent.length, PATIENT).toBe(before + 1);
    const start = performance.now();
    await lock(kind, await subjectOf(kind, call.sessionId));
    expect((await call.sending).json.error?.code).toBe(REVOKED);
    expect(performance.now() - start).toBeLessThan(TWO_SECONDS);
    expect(await (await listening).text()).toMatch(/"id":"sub","result":\{"resultType":"complete"/);
    await expect.poll(() => there.links.closed, PATIENT).toContain(call.sessionId);
    there.links.script = answerPolitely;
    const next = await alice.post(modernCall(2, "read"));
    // The agent of these tests takes sessions whatever is locked.
    expect(next).toMatchObject(
      kind === "agent" || kind === "session"
        ? { status: 200, json: { result: {} } }
        : { status: 403, json: { error: { code: REVOKED } } },
    );
  });
});

describe("a lock of a tool", () => {
  test("cuts calls of that tool only, and leaves the session open", async () => {
    const session = await there.openSession("shop");
    const read = await callUnderWay(there, () => there.post("shop", toolCall(7, "read", {}), { session }));
    const destroy = await callUnderWay(there, () =>
      there.post("shop", toolCall(8, "destroy", {}), { session }),
    );
    const start = performance.now();
    await lock("tool", "shop/destroy");
    expect((await destroy.sending).json.error?.code).toBe(REVOKED);
    expect(performance.now() - start).toBeLessThan(TWO_SECONDS);
    await read.answer({ text: "done" });
    expect((await read.sending).json.result).toEqual({ text: "done" });
    there.links.script = answerPolitely;
    const refused = await there.post("shop", toolCall(9, "destroy", {}), { session });
    expect(refused.json.error).toMatchObject({
      code: REVOKED,
      message: "the tool is locked: a stolen laptop",
    });
    expect((await there.post("shop", toolCall(10, "read", {}), { session })).json.result).toBeDefined();
    expect(there.links.closed).not.toContain(read.sessionId);
  });

  test("takes it out of the list, tells who listens, and gives it back when it is released", async () => {
    there.links.script = announcing;
    const session = await there.openSession("shop");
    const client = await streams.open({ session });
    const names = async () => {
      const { json } = await there.post("shop", { jsonrpc: "2.0", id: 2, method: "tools/list" }, { session });
      return ((json.result?.["tools"] ?? []) as { name: string }[]).map(({ name }) => name);
    };
    expect(await names()).toEqual(["read", "destroy"]);
    const id = await lock("tool", "shop/destroy");
    await expect.poll(() => client.messages.length, PATIENT).toBe(1);
    expect(client.messages[0]).toContain("notifications/tools/list_changed");
    expect(await names()).toEqual(["read"]);
    await unlock(id);
    await expect.poll(() => client.messages.length, PATIENT).toBe(2);
    expect(await names()).toEqual(["read", "destroy"]);
  });

  test("is of that very name", async () => {
    const session = await there.openSession("shop");
    await lock("tool", "shop/destroy/more");
    await expect
      .poll(async () => (await there.post("shop", toolCall(7, "destroy", {}), { session })).status, PATIENT)
      .toBe(200);
    expect((await there.post("shop", toolCall(8, "destroy", {}), { session })).json.result).toBeDefined();
  });
});

const announcing: Script = (message) =>
  message.method === "initialize"
    ? answerPolitely(message).map((text) => text.replace('{"tools":{}}', '{"tools":{"listChanged":true}}'))
    : answerPolitely(message);

describe("who is locked", () => {
  test("hears of it only where they would see the target", async () => {
    await lock("target", "shop");
    expect((await there.post("shop", initializeRequest())).json.error?.code).toBe(REVOKED);
    const stranger = await there.post("shop", initializeRequest(), { as: "bob" });
    const nothing = await there.post("nothing", initializeRequest(), { as: "bob" });
    expect(stranger.status).toBe(404);
    expect(stranger.text).toBe(nothing.text);
  });

  test("is not shown a locked target in the list of theirs", async () => {
    const names = async () =>
      (
        (await here.api("GET", "visible-targets", undefined, "alice")).body["items"] as { name: string }[]
      ).map(({ name }) => name);
    expect(await names()).toEqual(["shop"]);
    const id = await lock("target", "shop");
    expect(await names()).toEqual([]);
    await unlock(id);
    expect(await names()).toEqual(["shop"]);
    await lock("principal", "alice");
    expect(await here.api("GET", "visible-targets", undefined, "alice")).toMatchObject({
      status: 403,
      body: { code: "locked" },
    });
    expect((await here.api("GET", "whoami", undefined, "alice")).status).toBe(200);
  });

  test("gets no notification through, no stream, no task, and no answer to what was asked", async () => {
    await there.stopWatching();
    try {
      const session = await there.openSession("shop");
      const { listener } = there.links.opened.at(-1)!;
      // Asked while a request is under way, and heard on the stream.
      const client = await streams.open({ session });
      const call = await callUnderWay(there, () => there.post("shop", toolCall(7, "read", {}), { session }));
      await call.say(Buffer.from(`{"jsonrpc":"2.0","id":90,"method":"elicitation/create","params":{}}`));
      await lock("principal", "alice");
      const answered = await there.post(
        "shop",
        { jsonrpc: "2.0", id: 90, result: { action: "accept" } },
        { session },
      );
      expect(answered.status).toBeGreaterThanOrEqual(400);
      expect(there.links.sent.filter(({ text }) => text.includes('"action"'))).toEqual([]);
      // Asked again, now that it is known.
      await call.say(Buffer.from(`{"jsonrpc":"2.0","id":91,"method":"elicitation/create","params":{}}`));
      expect(client.text).not.toContain('"id":91');
      for (const body of [
        { jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: 1, progress: 1 } },
        { jsonrpc: "2.0", id: 8, method: "tasks/get", params: { taskId: "t" } },
        { jsonrpc: "2.0", id: 9, method: "tools/list" },
        { jsonrpc: "2.0", id: 10, method: "ping" },
      ])
        expect((await there.post("shop", body, { session })).status).toBe(403);
      expect((await streams.open({ session })).response.status).toBe(403);
      expect((await streams.open({ session, lastEventId: "1-0" })).response.status).toBe(403);
      expect(listener).toBeDefined();
    } finally {
      await there.stopControlPlane();
      await there.startControlPlane();
    }
  });

  test("is let in again when the lock is over, before anybody has released it", async () => {
    await here.query(
      `insert into lock (id, kind, subject, reason, created_by, expires_at)
       values (gen_random_uuid(), 'principal', 'alice', 'x', 'olga', now() + interval '5 seconds')`,
    );
    expect((await there.post("shop", initializeRequest())).json.error?.code).toBe(REVOKED);
    await expect
      .poll(async () => (await there.post("shop", initializeRequest())).json.result, PATIENT)
      .toBeDefined();
    expect(
      await here.query("select 1 from lock where subject = 'alice' and released_at is null"),
    ).toHaveLength(1);
  });
});

describe("a lock that comes", () => {
  test("while a session is being opened lets nothing through", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    there.links.opening = promise;
    const opened = there.links.opened.length;
    const opening = there.post("shop", initializeRequest());
    await expect.poll(() => there.links.opened.length, PATIENT).toBe(opened + 1);
    const { sessionId } = there.links.opened.at(-1)!;
    await lock("principal", "alice");
    await new Promise((done) => setTimeout(done, A_SECOND));
    resolve();
    expect((await opening).json.error).toBeDefined();
    expect(there.links.reached("initialize")).toEqual([]);
    await expect.poll(async () => (await sessionRow(sessionId)).closed_at, PATIENT).not.toBeNull();
  });

  test("between a call's decision and its dispatch keeps it from being sent", async () => {
    const session = await there.openSession("shop");
    await there.stopControlPlane();
    await there.startControlPlane();
    const { promise, resolve } = Promise.withResolvers<void>();
    there.links.opening = promise;
    const opened = there.links.opened.length;
    const waiting = there.post("shop", toolCall(7, "read", {}), { session });
    await expect.poll(() => there.links.opened.length, PATIENT).toBe(opened + 1);
    await lock("tool", "shop/read");
    await new Promise((done) => setTimeout(done, A_SECOND));
    resolve();
    expect((await waiting).json.error).toMatchObject({ code: REVOKED });
    expect(there.links.reached("tools/call")).toEqual([]);
  });

  test("and goes again at once leaves others alone", async () => {
    const session = await there.openSession("shop");
    const call = await callUnderWay(there, () => there.post("shop", toolCall(7, "read", {}), { session }));
    await unlock(await lock("principal", "somebody-else"));
    await unlock(await lock("tool", "shop/destroy"));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await call.answer({ text: "done" });
    expect((await call.sending).json.result).toEqual({ text: "done" });
  });
});

test("sessions that open and close are told to those who may see them, with the row", async () => {
  const session = await there.openSession("shop");
  const { sessionId } = there.links.opened.at(-1)!;
  const events = () =>
    here.query("select kind, principals, permission, data from live_event where subject = $1 order by id", [
      sessionId,
    ]);
  const audience = { principals: ["alice"], permission: "session:read_all" };
  expect(await events()).toMatchObject([
    { kind: "session.opened", ...audience, data: { principal: "alice", target: "shop" } },
  ]);
  await fetch(`${there.config.publicUrl}/mcp/shop`, {
    method: "DELETE",
    headers: { authorization: `Bearer ${await there.mcpToken("alice")}`, "mcp-session-id": session },
  });
  await expect
    .poll(events, PATIENT)
    .toMatchObject([{}, { kind: "session.closed", ...audience, data: { reason: "closed by the client" } }]);
});
