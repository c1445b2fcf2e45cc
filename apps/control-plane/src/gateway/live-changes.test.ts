import { toolCall } from "@drawbridge/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { callUnderWay } from "./fakes/call-under-way.js";
import { answerPolitely, type Script } from "./fakes/fake-agent-links.js";
import { GatewayUnderTest, PATIENT } from "./fakes/gateway-under-test.js";
import { ModernClient, modernRequest } from "./fakes/modern-client.js";
import { ENGINEERS_READ, withRule } from "./fakes/policies.js";
import { StreamClient, StreamClients } from "./fakes/stream-client.js";
import { LiveState } from "./decisions/live-state.js";
import { SessionsService } from "./sessions/sessions.service.js";

const LISTENING = withRule(
  ENGINEERS_READ,
  "{ name: listening, methods: [subscriptions/listen], effect: allow }",
);
const ELSEWHERE = LISTENING.replace("[engineering]", "[nobody]");
const OTHERS = ENGINEERS_READ.replace("name: engineers", "name: others").replace(
  "[engineering]",
  "[interns]",
);
// What is asked for, with some room for a machine that has much else to do: the change itself takes some of it.
const A_SECOND = 1_500;

/** `here`: where policies are applied. `there`: another process, of which the clients are. */
let here: GatewayUnderTest;
let there: GatewayUnderTest;
let streams: StreamClients;
beforeAll(async () => {
  here = await GatewayUnderTest.start(LISTENING);
  there = await here.beside();
  streams = new StreamClients(there);
});
afterAll(async () => {
  await there.stopControlPlane();
  await here.stop();
});
beforeEach(async () => {
  await here.applyPolicy(LISTENING);
  there.links.reset();
  there.links.script = announcing("tools", "prompts");
  // Until the other process has noticed, a change would be told of that was before.
  await new Promise((resolve) => setTimeout(resolve, 900));
});
afterEach(() => streams.leave());

const announcing =
  (...lists: string[]): Script =>
  (message) =>
    message.method === "initialize"
      ? answerPolitely(message).map((text) =>
          text.replace(
            '{"tools":{}}',
            JSON.stringify(Object.fromEntries(lists.map((list) => [list, { listChanged: true }]))),
          ),
        )
      : answerPolitely(message);

/** Resolves with how long it took until `what` held. */
async function took(change: () => Promise<unknown>, what: () => boolean): Promise<number> {
  await change();
  const start = performance.now();
  await expect.poll(what, { ...PATIENT, interval: 10 }).toBe(true);
  return performance.now() - start;
}

async function eventsOf(sessionId: string) {
  const { body } = await here.api("GET", `recordings/${sessionId}/events?limit=200`);
  return body["items"] as {
    kind: string;
    method: string;
    exchange: number;
    attributes: Record<string, unknown>;
  }[];
}

describe("a policy that is applied at one control plane", () => {
  test("ends a call that it denies, under way at another, at the agent and for the client, within a second", async () => {
    const session = await there.openSession("shop");
    let told: StreamClient | undefined;
    const call = await callUnderWay(there, async () => {
      told = await streams.open({ session, body: toolCall(7, "read", {}) });
    });
    const before = there.links.cancelled.length;
    const ms = await took(
      () => here.applyPolicy(ELSEWHERE),
      () => there.links.cancelled.length > before,
    );
    expect(ms).toBeLessThan(A_SECOND);
    expect(there.links.cancelled.at(-1)).toBe(call.exchange);
    await call.sending;
    await expect.poll(() => told?.isOver, PATIENT).toBe(true);
    expect(told?.text).toContain("-31003");
    expect(told?.text).toMatch(/access ended while the request ran, so it was cancelled/);
    const end = (await eventsOf(call.sessionId)).find(
      ({ kind, exchange }) => kind === "outcome_unknown" && exchange === call.exchange,
    );
    expect(end?.attributes).toMatchObject({ failure: -31003, decision: { effect: "deny" } });
  });

  test("shows nobody what the target still answers", async () => {
    const session = await there.openSession("shop");
    const call = await callUnderWay(there, () => there.post("shop", toolCall(7, "read", {}), { session }));
    await here.applyPolicy(ELSEWHERE);
    await call.sending;
    await call.answer({ text: "jewels" });
    expect((await call.sending).text).not.toContain("jewels");
  });

  test("leaves a call alone that it still allows", async () => {
    const session = await there.openSession("shop");
    const call = await callUnderWay(there, () => there.post("shop", toolCall(7, "read", {}), { session }));
    await here.applyPolicy(LISTENING.replace("name: reading", "name: renamed"));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await call.answer({ text: "done" });
    expect((await call.sending).json.result).toEqual({ text: "done" });
  });

  test("has nothing sent any more that was allowed and still waits for its agent", async () => {
    const session = await there.openSession("shop");
    await there.stopControlPlane();
    await there.startControlPlane();
    const { promise, resolve } = Promise.withResolvers<void>();
    there.links.opening = promise;
    const opened = there.links.opened.length;
    const waiting = there.post("shop", toolCall(7, "read", {}), { session });
    await expect.poll(() => there.links.opened.length, PATIENT).toBe(opened + 1);
    await here.applyPolicy(ELSEWHERE);
    await new Promise((done) => setTimeout(done, A_SECOND));
    resolve();
    const { json } = await waiting;
    expect(json.error).toMatchObject({
      code: -31003,
      message: expect.stringContaining("nothing ran") as string,
    });
    expect(there.links.reached("tools/call")).toEqual([]);
  });

  test("ends the stream of somebody who may not listen any more", async () => {
    const session = await there.openSession("shop");
    const client = await streams.open({ session });
    const ms = await took(
      () => here.applyPolicy(ELSEWHERE),
      () => client.isOver,
    );
    expect(ms).toBeLessThan(A_SECOND);
  });

  test("ends a subscription that it denies with a result, as the specification wants it", async () => {
    const client = new ModernClient(there, "shop");
    there.links.script = () => [];
    const sent = there.links.sent.length;
    const opening = client.open(
      modernRequest("sub", "subscriptions/listen", { notifications: { toolsListChanged: true } }),
    );
    await expect.poll(() => there.links.sent.length, PATIENT).toBe(sent + 1);
    await here.applyPolicy(ELSEWHERE);
    expect(await (await opening).text()).toMatch(/"id":"sub","result":\{"resultType":"complete"/);
  });
});

test("a call that is decided while a change is acted upon is decided again", async () => {
  const session = await there.openSession("shop");
  const all = [...there.get(SessionsService).all];
  // What a change does that this call has not seen, though its request was recorded before.
  for (const open of all) open.changedAt = (await there.get(LiveState).now()).epoch + 1n;
  const waiting = there.post("shop", toolCall(7, "read", {}), { session });
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(there.links.reached("tools/call")).toEqual([]);
  await here.applyPolicy(ELSEWHERE);
  expect((await waiting).json.error).toBeDefined();
  expect(there.links.reached("tools/call")).toEqual([]);
});

test("a session that is ended at one control plane is over at another within a second", async () => {
  await there.openSession("shop");
  const { sessionId } = there.links.opened.at(-1)!;
  const ms = await took(
    () => here.api("DELETE", `sessions/${sessionId}`),
    () => there.links.closed.includes(sessionId),
  );
  expect(ms).toBeLessThan(A_SECOND);
});

describe("who listens", () => {
  const told = (client: StreamClient) =>
    client.messages.map((text) => (JSON.parse(text) as { method: string }).method);

  test("hears of the lists that the target announces when other policies speak of it", async () => {
    const session = await there.openSession("shop");
    const { sessionId } = there.links.opened.at(-1)!;
    const client = await streams.open({ session });
    await here.applyPolicy(LISTENING.replace("tools: [read]", "tools: [read, write]"));
    const changes = ["notifications/tools/list_changed", "notifications/prompts/list_changed"];
    await expect.poll(() => told(client), PATIENT).toEqual(changes);
    const recorded = (await eventsOf(sessionId)).filter(({ method }) => changes.includes(method));
    expect(recorded.map(({ attributes }) => attributes["from"])).toEqual(["drawbridge", "drawbridge"]);
  });

  test("hears nothing where nothing changed for them, or the target announces nothing", async () => {
    const announced = await streams.open({ session: await there.openSession("shop") });
    there.links.script = answerPolitely;
    const silent = await streams.open({ session: await there.openSession("shop") });
    await here.applyPolicy(OTHERS);
    await here.applyPolicy(OTHERS.replace("[read]", "[read, write]"));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect([told(announced), told(silent)]).toEqual([[], []]);
    await here.applyPolicy(LISTENING.replace("tools: [read]", "tools: [read, write]"));
    await expect.poll(() => told(announced).length, PATIENT).toBe(2);
    expect(told(silent)).toEqual([]);
  });

  test("hears of it also when another process has opened the session", async () => {
    const session = await there.openSession("shop");
    await there.stopControlPlane();
    await there.startControlPlane();
    const client = await streams.open({ session });
    await here.applyPolicy(LISTENING.replace("tools: [read]", "tools: [read, write]"));
    await expect.poll(() => told(client).length, PATIENT).toBe(2);
  });

  test("hears of the tools when a pinned one is taken away", async () => {
    const client = await streams.open({ session: await there.openSession("shop") });
    await here.query("update tool_pin set shown_digest = '\\x00' where name = 'read'");
    await expect.poll(() => told(client), PATIENT).toEqual(["notifications/tools/list_changed"]);
    await here.query("update tool_pin set shown_digest = accepted_digest where name = 'read'");
    await expect.poll(() => told(client).length, PATIENT).toBe(2);
  });

  test("hears at 2026-07-28 what was asked for, as part of the subscription", async () => {
    const client = new ModernClient(there, "shop");
    there.links.script = () => [];
    const sent = there.links.sent.length;
    const opening = client.open(
      modernRequest("sub", "subscriptions/listen", { notifications: { toolsListChanged: true } }),
    );
    await expect.poll(() => there.links.sent.length, PATIENT).toBe(sent + 1);
    await here.applyPolicy(LISTENING.replace("tools: [read]", "tools: [read, write]"));
    const response = await opening;
    await here.applyPolicy(ELSEWHERE);
    const text = await response.text();
    expect(text).toContain(
      `{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"sub"}}}`,
    );
    expect(text).not.toContain("prompts/list_changed");
  });
});
