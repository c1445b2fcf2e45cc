import { initialized, toolCall, toolsList } from "@drawbridge/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { politelyAt } from "../fakes/fake-agent-links.js";
import { callUnderWay } from "../fakes/call-under-way.js";
import { GatewayUnderTest, PATIENT } from "../fakes/gateway-under-test.js";
import { ENGINEERS_READ, withRule } from "../fakes/policies.js";
import { StreamClients } from "../fakes/stream-client.js";

const POLICY = withRule(
  ENGINEERS_READ.replace("[engineering]", "[engineering, dba]"),
  "{ name: asking, methods: [elicitation/create], effect: allow }",
);

let gateway: GatewayUnderTest;
let streams: StreamClients;
beforeAll(async () => {
  gateway = await GatewayUnderTest.start(POLICY);
  streams = new StreamClients(gateway);
});
afterAll(() => gateway.stop());
beforeEach(() => gateway.reset());
afterEach(() => streams.leave());

const progress = (number: number) =>
  Buffer.from(
    `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":${number}}}`,
  );

const read = (session: string, id = 7) =>
  callUnderWay(gateway, () => streams.open({ session, body: toolCall(id, "read", {}) }));

const numbersIn = (messages: readonly string[]) =>
  messages.flatMap((text) => /"progress":(\d+)/.exec(text)?.[1] ?? []).map(Number);

describe("an answer at 2025-11-25", () => {
  test("that is there at once is one event after an empty one, with the place in the recording as its id", async () => {
    const session = await gateway.openSession("shop");
    const { sessionId } = gateway.links.opened.at(-1)!;
    const client = await streams.open({ session, body: toolCall(2, "read", {}) });
    await expect.poll(() => client.isOver, PATIENT).toBe(true);
    const [first, second, ...more] = client.events;
    expect(client.response.headers.get("content-type")).toBe("text/event-stream");
    expect(Number(client.response.headers.get("content-length"))).toBe(Buffer.byteLength(client.text));
    expect(first).toEqual({ id: "2-0", data: "" });
    expect(client.text).toContain("retry: 1000\n");
    expect(more).toEqual([]);
    const { body } = await gateway.api("GET", `recordings/${sessionId}/events?limit=100`);
    const recorded = (
      body["items"] as { kind: string; exchange: number; index: number; payload: string }[]
    ).find(({ kind, exchange }) => kind === "response" && exchange === 2);
    expect(second).toEqual({ id: `2-${recorded?.index}`, data: recorded?.payload });
  });

  test("that takes longer than a second begins before it is there", async () => {
    const session = await gateway.openSession("shop");
    const { sending, answer } = await read(session);
    const asked = performance.now();
    const client = await sending;
    expect(performance.now() - asked).toBeGreaterThan(700);
    await expect.poll(() => client.events, PATIENT).toEqual([{ id: "2-0", data: "" }]);
    await answer();
    await expect.poll(() => client.isOver, PATIENT).toBe(true);
    expect(client.messages).toHaveLength(1);
  });

  test("that is a refusal stays JSON with a status", async () => {
    const session = await gateway.openSession("shop");
    const denied = await gateway.post("shop", toolCall(2, "destroy", {}), { session });
    expect(denied.headers.get("content-type")).toBe("application/json");
    const wrong = await gateway.post("shop", { jsonrpc: "2.0", id: 99, result: {} }, { session });
    expect([wrong.status, wrong.headers.get("content-type")]).toEqual([400, "application/json"]);
  });
});

describe("before 2025-11-25 an answer", () => {
  test("is JSON", async () => {
    gateway.links.script = politelyAt("2025-06-18");
    const session = await gateway.openSession("shop");
    const { headers, json } = await gateway.post("shop", toolCall(2, "read", {}), { session });
    expect(headers.get("content-type")).toBe("application/json");
    expect(json.result).toBeDefined();
  });

  test("is a stream with ids and without an empty event when something comes first", async () => {
    gateway.links.script = politelyAt("2025-06-18");
    const session = await gateway.openSession("shop");
    const { sending, say, answer } = await read(session);
    await say(progress(1));
    await answer();
    const client = await sending;
    await expect.poll(() => client.isOver, PATIENT).toBe(true);
    expect(client.events.map(({ id }) => id?.replace(/\d+$/, "n"))).toEqual(["2-n", "2-n"]);
    expect(client.messages).toHaveLength(2);
  });

  test("goes to the stream of GET, as far as it is no answer, when its client left before it had an id", async () => {
    gateway.links.script = politelyAt("2025-06-18");
    const session = await gateway.openSession("shop");
    const { sending, say, sessionId } = await read(session);
    sending.catch(() => undefined);
    const { listener } = gateway.links.opened.at(-1)!;
    const leaver = new AbortController();
    const left = fetch(`${gateway.config.publicUrl}/mcp/shop`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${await gateway.mcpToken("alice")}`,
        accept: "application/json, text/event-stream",
        "content-type": "application/json",
        "mcp-session-id": session,
      },
      body: JSON.stringify(toolCall(8, "read", {})),
      signal: leaver.signal,
    });
    await expect.poll(() => gateway.links.sent.at(-1)?.text, PATIENT).toContain(`"id":8`);
    const { exchange } = gateway.links.sent.at(-1)!;
    leaver.abort();
    await expect(left).rejects.toThrow(/abort/i);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await listener.onMessage({ exchange, payload: progress(5), masked: {}, final: false });
    const client = await streams.open({ session });
    await expect.poll(() => numbersIn(client.messages), PATIENT).toEqual([5]);
    expect(client.lastEventId).toMatch(/^0-/);
    const { body } = await gateway.api("GET", `recordings/${sessionId}/events?limit=100`);
    const told = (body["items"] as { exchange: number; attributes: { belongsTo?: number } }[]).at(-1);
    expect([told?.exchange, told?.attributes.belongsTo]).toEqual([0, exchange]);
    await say(Buffer.from(`{"jsonrpc":"2.0","id":7,"result":{}}`), true);
  });
});

describe("a client that comes back to a call", () => {
  test("hears what it missed, then what happens, each once, and the call ran once", async () => {
    const session = await gateway.openSession("shop");
    const { sending, say, answer, exchange } = await read(session);
    const listening = await streams.open({ session });
    const cancelled = gateway.links.cancelled.length;
    await say(progress(1));
    const first = await sending;
    await expect.poll(() => numbersIn(first.messages), PATIENT).toEqual([1]);
    first.leave();
    await new Promise((resolve) => setTimeout(resolve, 50));
    await say(progress(2));
    await say(progress(3));
    const second = await streams.open({ session, lastEventId: first.lastEventId });
    await expect.poll(() => numbersIn(second.messages), PATIENT).toEqual([2, 3]);
    await say(progress(4));
    await answer();
    await expect.poll(() => second.isOver, PATIENT).toBe(true);
    expect(numbersIn(second.messages)).toEqual([2, 3, 4]);
    expect(second.messages.at(-1)).toContain(`"text":"done"`);
    expect(second.events.every(({ id }) => id?.startsWith(`${exchange}-`))).toBe(true);
    expect(gateway.links.cancelled.length).toBe(cancelled);
    expect(gateway.links.reached("tools/call")).toHaveLength(1);
    expect(listening.messages).toEqual([]);
  });

  test("after it was answered hears the rest, and the stream ends", async () => {
    const session = await gateway.openSession("shop");
    const { sending, say, answer } = await read(session);
    await say(progress(1));
    const first = await sending;
    await expect.poll(() => numbersIn(first.messages), PATIENT).toEqual([1]);
    first.leave();
    await new Promise((resolve) => setTimeout(resolve, 50));
    await say(progress(2));
    await answer();
    for (const lastEventId of [first.lastEventId, first.events[0]?.id]) {
      const again = await streams.open({ session, lastEventId });
      await expect.poll(() => again.isOver, PATIENT).toBe(true);
      expect(again.messages.at(-1)).toContain(`"text":"done"`);
      expect(numbersIn(again.messages)).toEqual(lastEventId === first.lastEventId ? [2] : [1, 2]);
    }
  });

  test("is decided about again with what is known of the session, while it is under way and afterwards", async () => {
    const conditions = POLICY.replace(
      "{ name: reading, tools: [read], effect: allow }",
      `{ name: reading, tools: [read], effect: allow, when: 'session.calls < 1 && session.ageSeconds < 3600' }`,
    );
    await gateway.applyPolicy(
      withRule(conditions, `{ name: no-bots, effect: deny, when: 'client.name == "bot"' }`),
    );
    const session = await gateway.openSession("shop");
    const { sending, answer } = await read(session);
    const first = await sending;
    first.leave();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const underWay = await streams.open({ session, lastEventId: "2-0" });
    await answer();
    await expect.poll(() => underWay.isOver, PATIENT).toBe(true);
    expect(underWay.messages.at(-1)).toContain(`"text":"done"`);
    const afterwards = await streams.open({ session, lastEventId: "2-0" });
    await expect.poll(() => afterwards.isOver, PATIENT).toBe(true);
    expect(afterwards.messages.at(-1)).toContain(`"text":"done"`);
  });

  test("that was not sent yet when access ends has it never sent", async () => {
    const session = await gateway.openSession("shop");
    await gateway.stopControlPlane();
    await gateway.startControlPlane();
    const { promise: opening, resolve: opened } = Promise.withResolvers<void>();
    gateway.links.opening = opening;
    const before = gateway.links.opened.length;
    const calling = streams.open({ session, body: toolCall(7, "read", {}) });
    calling.catch(() => undefined);
    await expect.poll(() => gateway.links.opened.length, PATIENT).toBeGreaterThan(before);
    const back = await streams.open({ session, lastEventId: "2-0" });
    await gateway.applyPolicy(POLICY.replace("[read]", "[other]"));
    await new Promise((resolve) => setTimeout(resolve, 900));
    opened();
    await expect.poll(() => back.isOver, PATIENT).toBe(true);
    expect(back.messages.at(-1)).toContain("access ended before the request was sent");
    expect(gateway.links.reached("tools/call")).toEqual([]);
  });

  test("while much is said hears each message once and in order, however often it comes back", async () => {
    const session = await gateway.openSession("shop");
    const { sending, say, answer } = await read(session);
    const heard: number[] = [];
    const saying = (async () => {
      for (let number = 1; number <= 150; number += 1) await say(progress(number));
      await answer();
    })();
    let client = await sending;
    let lastEventId = "2-0";
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, 15));
      client.leave();
      await expect.poll(() => client.isOver, PATIENT).toBe(true);
      heard.push(...numbersIn(client.messages));
      const isAnswered = client.messages.some((text) => text.includes(`"result"`));
      if (isAnswered) break;
      lastEventId = client.lastEventId ?? lastEventId;
      client = await streams.open({ session, lastEventId });
    }
    await saying;
    expect(heard).toEqual(Array.from({ length: 150 }, (_, index) => index + 1));
  });

  test("twice has one stream: the newer one", async () => {
    const session = await gateway.openSession("shop");
    const { sending, say, answer } = await read(session);
    await say(progress(1));
    const first = await sending;
    const second = await streams.open({ session, lastEventId: "2-0" });
    await expect.poll(() => first.isOver, PATIENT).toBe(true);
    const third = await streams.open({ session, lastEventId: "2-0" });
    await expect.poll(() => second.isOver, PATIENT).toBe(true);
    await answer();
    await expect.poll(() => third.isOver, PATIENT).toBe(true);
    expect(second.messages.some((text) => text.includes("result"))).toBe(false);
    expect(third.messages.filter((text) => text.includes("result"))).toHaveLength(1);
  });

  test("is told nothing of what is not its own", async () => {
    const session = await gateway.openSession("shop");
    const other = await gateway.openSession("shop");
    await gateway.post("shop", toolCall(2, "read", {}), { session });
    const statuses = [];
    for (const lastEventId of ["99-0", "2-x", "rubbish", "1-2-3", "2-0; 3"])
      statuses.push((await streams.open({ session, lastEventId })).response.status);
    expect(statuses).toEqual([400, 400, 400, 400, 400]);
    expect((await streams.open({ session: other, lastEventId: "2-0" })).response.status).toBe(400);
    expect((await streams.open({ session, lastEventId: "2-0", as: "bob" })).response.status).toBe(404);
  });

  test("is not told what it may no longer hear", async () => {
    const session = await gateway.openSession("shop");
    await gateway.post("shop", toolCall(2, "read", { secret: "jewels" }), { session });
    await gateway.post("shop", toolsList(3), { session });
    await gateway.applyPolicy(POLICY.replace("tools: [read]", "tools: [other]"));
    const call = await streams.open({ session, lastEventId: "2-0" });
    await expect.poll(() => call.isOver, PATIENT).toBe(true);
    expect(call.messages).toHaveLength(1);
    expect(call.messages[0]).toMatch(/-31003/);
    expect(call.text).not.toContain("jewels");
    const list = await streams.open({ session, lastEventId: "3-0" });
    await expect.poll(() => list.isOver, PATIENT).toBe(true);
    expect(JSON.parse(list.messages[0]!)).toMatchObject({ result: { tools: [] } });
  });
});

describe("after a restart of the control plane", () => {
  test("a client hears the answer it missed", async () => {
    const session = await gateway.openSession("shop");
    await gateway.post("shop", toolCall(2, "read", { word: "kept" }), { session });
    await gateway.stopControlPlane();
    await gateway.startControlPlane();
    const client = await streams.open({ session, lastEventId: "2-0" });
    await expect.poll(() => client.isOver, PATIENT).toBe(true);
    expect(client.messages).toHaveLength(1);
    expect(client.text).toContain("kept");
  });

  test("a client hears that nobody knows how a call ended that ran then", async () => {
    const session = await gateway.openSession("shop");
    const { sending, say } = await read(session, 40);
    await say(progress(1));
    const first = await sending;
    await expect.poll(() => first.lastEventId, PATIENT).toBeDefined();
    await gateway.stopControlPlane();
    await gateway.startControlPlane();
    const client = await streams.open({ session, lastEventId: first.events[0]?.id });
    await expect.poll(() => client.isOver, PATIENT).toBe(true);
    expect(numbersIn(client.messages)).toEqual([1]);
    expect(JSON.parse(client.messages.at(-1)!)).toMatchObject({ id: 40, error: { code: -31006 } });
    expect(gateway.links.reached("tools/call")).toHaveLength(1);
  });

  test("a client may still answer what the target asked before, once", async () => {
    const session = await gateway.openSession("shop");
    const { say, sending } = await read(session);
    const ask = (id: string) =>
      say(Buffer.from(`{"jsonrpc":"2.0","id":${id},"method":"elicitation/create","params":{}}`));
    await ask("90");
    await ask(`"91"`);
    await sending;
    const answer = (id: unknown) => gateway.post("shop", { jsonrpc: "2.0", id, result: {} }, { session });
    expect((await answer("91")).status).toBe(202);
    await gateway.stopControlPlane();
    await gateway.startControlPlane();
    gateway.links.sent.length = 0;
    expect((await answer("90")).status).toBe(400);
    const both = await Promise.all([answer(90), answer(90)]);
    expect(new Set(both.map(({ status }) => status))).toEqual(new Set([202, 400]));
    expect((await answer("91")).status).toBe(400);
    expect(gateway.links.sent.map(({ text }) => text)).toEqual([`{"jsonrpc":"2.0","id":90,"result":{}}`]);
  });

  test("but not when it may no longer be asked", async () => {
    const session = await gateway.openSession("shop");
    const { say, sending } = await read(session);
    await say(Buffer.from(`{"jsonrpc":"2.0","id":92,"method":"elicitation/create","params":{}}`));
    await sending;
    await gateway.stopControlPlane();
    await gateway.startControlPlane();
    await gateway.applyPolicy(POLICY.replace("elicitation/create", "roots/list"));
    const answer = await gateway.post("shop", { jsonrpc: "2.0", id: 92, result: {} }, { session });
    expect(answer.status).toBe(404);
  });
});

describe("the stream of GET", () => {
  const changed = (number: number) =>
    Buffer.from(
      `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":{"progress":${number}}}}`,
    );

  async function listening() {
    const session = await gateway.openSession("shop");
    await gateway.post("shop", initialized(), { session });
    const { listener } = gateway.links.opened.at(-1)!;
    const say = (number: number) =>
      listener.onMessage({ exchange: 0, payload: changed(number), masked: {}, final: false });
    return { session, say };
  }

  test("goes on where it broke, with each message once", async () => {
    const { session, say } = await listening();
    await say(1);
    const first = await streams.open({ session });
    await say(2);
    await expect.poll(() => numbersIn(first.messages), PATIENT).toEqual([1, 2]);
    const fromOne = first.events[0]?.id;
    first.leave();
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (const number of [3, 4, 5]) await say(number);
    const second = await streams.open({ session, lastEventId: first.lastEventId });
    await say(6);
    await expect.poll(() => numbersIn(second.messages), PATIENT).toEqual([3, 4, 5, 6]);
    const third = await streams.open({ session, lastEventId: fromOne });
    await expect.poll(() => second.isOver, PATIENT).toBe(true);
    expect(numbersIn(second.messages)).toEqual([3, 4, 5, 6]);
    await say(7);
    await expect.poll(() => numbersIn(third.messages), PATIENT).toEqual([2, 3, 4, 5, 6, 7]);
    await gateway.api("DELETE", `sessions/${gateway.links.opened.at(-1)!.sessionId}`);
    await expect.poll(() => third.isOver, PATIENT).toBe(true);
    expect(numbersIn(third.messages)).toEqual([2, 3, 4, 5, 6, 7]);
  });

  test("is one: who asks for another gets 409, who comes back takes its place", async () => {
    const { session, say } = await listening();
    const first = await streams.open({ session });
    expect((await streams.open({ session })).response.status).toBe(409);
    await say(1);
    const second = await streams.open({ session, lastEventId: "0-0" });
    await expect.poll(() => first.isOver, PATIENT).toBe(true);
    await expect.poll(() => numbersIn(second.messages), PATIENT).toEqual([1]);
  });

  test("is read out after a restart as well", async () => {
    const { session, say } = await listening();
    await say(1);
    const first = await streams.open({ session });
    await expect.poll(() => numbersIn(first.messages), PATIENT).toEqual([1]);
    await gateway.stopControlPlane();
    await gateway.startControlPlane();
    const second = await streams.open({ session, lastEventId: "0-0" });
    await expect.poll(() => numbersIn(second.messages), PATIENT).toEqual([1]);
  });
});
