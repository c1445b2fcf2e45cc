import { initialized, toolCall, toolsList } from "@drawbridge/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { answerPolitely, politelyAt, type Script } from "../fakes/fake-agent-links.js";
import { GatewayUnderTest, initializeRequest, PATIENT } from "../fakes/gateway-under-test.js";
import { StreamClient } from "../fakes/stream-client.js";

interface Answered {
  id: unknown;
  result?: unknown;
  error?: { code: number; message: string };
}

const at2025March = politelyAt("2025-03-26");

let gateway: GatewayUnderTest;
beforeAll(async () => {
  gateway = await GatewayUnderTest.start();
});
afterAll(() => gateway.stop());
beforeEach(async () => {
  await gateway.reset();
  gateway.links.script = at2025March;
});

async function openSession(): Promise<string> {
  const session = await gateway.openSession("shop");
  gateway.links.sent.length = 0;
  return session;
}

const post = (session: string, messages: unknown) => gateway.post("shop", messages as object, { session });

/** Answers everything but the tool named slow, which is answered by hand. */
const slowly: Script = (message) =>
  message.params?.["arguments"] && JSON.stringify(message.params).includes("slow")
    ? []
    : at2025March(message);

const text = (text: string) => Buffer.from(text);

test("a batch is answered by one array, each message decided, recorded and sent on its own", async () => {
  const session = await openSession();
  const { sessionId } = gateway.links.opened.at(-1)!;
  const answer = await post(session, [
    toolCall(1, "read", { word: "one" }),
    initialized(),
    toolCall("two", "destroy", {}),
    { jsonrpc: "2.0", id: 3 },
    toolsList(4),
    toolCall(1, "read", {}),
  ]);
  expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "application/json"]);
  const answers = answer.json as unknown as Answered[];
  const errors = answers.filter(({ error }) => error).map(({ id, error }) => [id, error?.code]);
  expect(new Map(errors as [unknown, unknown][])).toEqual(
    new Map<unknown, unknown>([
      ["two", -32602],
      [3, -32600],
      [1, -32600],
    ]),
  );
  expect(answers.filter(({ result }) => result).map(({ id }) => id)).toEqual(expect.arrayContaining([1, 4]));
  expect(answers).toHaveLength(5);
  expect(answer.text).toContain(`"n":1.0`);
  expect(
    gateway.links.sent.map(({ text: sent }) => (JSON.parse(sent) as { method: string }).method).toSorted(),
  ).toEqual(["notifications/initialized", "tools/call", "tools/list"]);
  const { body } = await gateway.api("GET", `recordings/${sessionId}/events?limit=100`);
  const events = (body["items"] as { kind: string; exchange: number }[]).filter(
    ({ exchange }) => exchange > 1,
  );
  const kinds = events.map(({ kind }) => kind).toSorted();
  expect(kinds).toEqual(["not_sent", "request", "request", "request", "response", "response"]);
});

test("a batch of which nothing has an answer is taken with 202, or refused for its first fault", async () => {
  const session = await openSession();
  const taken = await post(session, [initialized(), initialized()]);
  expect([taken.status, taken.text]).toEqual([202, ""]);
  expect(gateway.links.sent).toHaveLength(2);
  const refused = await post(session, [initialized(), { jsonrpc: "2.0", id: 9, result: {} }]);
  expect([refused.status, refused.json.error?.code]).toEqual([400, -32600]);
});

test.each([
  ["nothing", []],
  ["initialize", [initializeRequest(1, "2025-03-26")]],
  ["another batch", [[toolsList(1)]]],
  ["101 messages", Array.from({ length: 101 }, (_, id) => toolsList(id))],
  [
    "a message of 2026-07-28",
    [{ ...toolsList(1), params: { _meta: { "io.modelcontextprotocol/protocolVersion": "2026-07-28" } } }],
  ],
])("a batch of %s is refused whole", async (_what, messages) => {
  const session = await openSession();
  const answer = await post(session, messages);
  expect([answer.status, answer.json.error?.code]).toEqual([400, -32600]);
  expect(gateway.links.sent).toEqual([]);
});

test("where another revision was negotiated there are no batches", async () => {
  gateway.links.script = answerPolitely;
  const session = await openSession();
  const answer = await post(session, [toolsList(1)]);
  expect([answer.status, answer.json.error?.code]).toEqual([400, -32600]);
  expect(gateway.links.sent).toEqual([]);
});

test("a slow message does not hold back the answers to the others", async () => {
  const session = await openSession();
  gateway.links.script = slowly;
  const body = [toolCall(1, "read", { n: "slow" }), toolCall(2, "read", {}), toolsList(3)];
  const client = await StreamClient.open(gateway, { session, body });
  const { exchange } = gateway.links.sent.find(({ text: sent }) => sent.includes("slow"))!;
  await expect.poll(() => client.messages.length, PATIENT).toBe(2);
  expect(client.response.headers.get("content-type")).toBe("text/event-stream");
  expect(client.isOver).toBe(false);
  const { listener } = gateway.links.opened.at(-1)!;
  const progress = text(
    `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}`,
  );
  await listener.onMessage({ exchange, payload: progress, masked: {}, final: false });
  const last = text(`{"jsonrpc":"2.0","id":1,"result":{}}`);
  await listener.onMessage({ exchange, payload: last, masked: {}, final: true });
  await expect.poll(() => client.isOver, PATIENT).toBe(true);
  expect(client.messages).toHaveLength(4);
  expect(client.events.every(({ id }) => id === undefined)).toBe(true);
});

test("many large answers come as a stream, one by one, instead of in one array", async () => {
  const session = await openSession();
  const long = "x".repeat(200_000);
  gateway.links.script = ({ id }) => [`{"jsonrpc":"2.0","id":${Number(id)},"result":{"text":"${long}"}}`];
  const answer = await post(
    session,
    Array.from({ length: 20 }, (_, id) => toolCall(id + 1, "read", {})),
  );
  expect(answer.headers.get("content-type")).toBe("text/event-stream");
  const ids = [...answer.text.matchAll(/"id":(\d+)/g)].map(([, id]) => Number(id));
  expect(ids.toSorted((one, other) => one - other)).toEqual(Array.from({ length: 20 }, (_, id) => id + 1));
});

test("a client that leaves a batch stops nothing of it, and leaves nothing behind", async () => {
  const session = await openSession();
  const { sessionId, listener } = gateway.links.opened.at(-1)!;
  gateway.links.script = () => [];
  const cancelled = gateway.links.cancelled.length;
  const client = StreamClient.open(gateway, {
    session,
    body: [toolCall(1, "read", {}), toolCall(2, "read", {})],
  });
  await expect.poll(() => gateway.links.sent.length, PATIENT).toBe(2);
  const [one, two] = gateway.links.sent;
  const answer = (exchange: number, id: number) =>
    listener.onMessage({
      exchange,
      payload: text(`{"jsonrpc":"2.0","id":${id},"result":{}}`),
      masked: {},
      final: true,
    });
  await answer(one!.exchange, 1);
  (await client).leave();
  await new Promise((resolve) => setTimeout(resolve, 50));
  await answer(two!.exchange, 2);
  expect(gateway.links.cancelled.length).toBe(cancelled);
  const { body } = await gateway.api("GET", `recordings/${sessionId}/events?limit=100`);
  const answers = (body["items"] as { kind: string; exchange: number; attributes: object }[]).filter(
    ({ kind, exchange }) => kind === "response" && exchange > 1,
  );
  expect(answers.map(({ attributes }) => attributes)).toMatchObject([
    { delivered: true },
    { delivered: false },
  ]);
  gateway.links.script = at2025March;
  expect((await gateway.post("shop", toolCall(1, "read", {}), { session })).json.result).toBeDefined();
});

test("a message of a batch that is cancelled has no answer", async () => {
  const session = await openSession();
  gateway.links.script = () => [];
  const batch = post(session, [toolCall(1, "read", {}), toolCall(2, "read", {})]);
  await expect.poll(() => gateway.links.sent.length, PATIENT).toBe(2);
  const cancel = { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1 } };
  expect((await gateway.post("shop", cancel, { session })).status).toBe(202);
  const { listener } = gateway.links.opened.at(-1)!;
  const { exchange } = gateway.links.sent[1]!;
  await listener.onMessage({
    exchange,
    payload: text(`{"jsonrpc":"2.0","id":2,"result":{}}`),
    masked: {},
    final: true,
  });
  expect((await batch).json).toEqual([{ jsonrpc: "2.0", id: 2, result: {} }]);
});
