import { ExchangeFailure } from "@drawbridge/protocol";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { answerPolitely, type Script } from "./fakes/fake-agent-links.js";
import { EpochWatch } from "../platform/epoch-watch.js";
import { GatewayUnderTest, initializeRequest } from "./fakes/gateway-under-test.js";
import { ModernClient, modernCall, modernRequest } from "./fakes/modern-client.js";
import { GatewayEndpoint } from "./edge/gateway-endpoint.js";
import { SessionUpkeep } from "./sessions/session-upkeep.js";
import { TaskOwnership } from "./decisions/task-ownership.js";

const POLICY = `
apiVersion: drawbridge/v1
kind: Policy
metadata: { name: engineers }
spec:
  targets: { names: [shop, "shop-*"] }
  subjects: { groups: [engineering, dba] }
  access: { mode: standing }
  rules:
    - { name: reading, tools: [read, slow], effect: allow }
    - { name: files, methods: [resources/read, resources/subscribe], resources: ["file:///pub/**"], effect: allow }
    - name: the-rest
      methods: [subscriptions/listen, tasks/get, tasks/cancel, tasks/list, elicitation/create, shop/count, notifications/shop/moved]
      effect: allow
`;
const KNOWS_TASKS = { extensions: { "io.modelcontextprotocol/tasks": {} } };
const LISTEN = { notifications: { toolsListChanged: true } };

let gateway: GatewayUnderTest;
let alice: ModernClient;
let targets = 0;

beforeAll(async () => {
  gateway = await GatewayUnderTest.start(POLICY);
  alice = new ModernClient(gateway, "shop");
});
afterAll(() => gateway.stop());
beforeEach(() => gateway.reset());

/** A target that no other test has used. */
async function freshTarget(): Promise<string> {
  targets += 1;
  await gateway.applyTarget(`shop-${targets}`);
  return `shop-${targets}`;
}

const sessionsOf = (target: string) =>
  gateway.query<{ id: string; era: string; replica: string; close_reason: string | null }>(
    "select id, era, replica, close_reason from session where target_name = $1 order by opened_at",
    [target],
  );

async function eventsOf(sessionId: string) {
  const { body } = await gateway.api("GET", `recordings/${sessionId}/events?limit=200`);
  return body["items"] as { kind: string; method: string | null; decision: string | null }[];
}

const last = () => {
  const { links } = gateway;
  const sent = links.sent.at(-1);
  const link = links.opened.findLast(({ sessionId }) => sessionId === sent?.sessionId);
  if (!link || !sent) throw new Error("nothing was sent");
  return { listener: link.listener, exchange: sent.exchange, sessionId: link.sessionId };
};

/** What the target says of the newest exchange. */
async function targetSays(message: object, exchange = last().exchange): Promise<void> {
  const payload = Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...message }));
  const final = "result" in message || "error" in message;
  await last().listener.onMessage({ exchange, payload, masked: {}, final });
}

const resultOf =
  (result: string): Script =>
  ({ id }) => [`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result}}`];

async function read(response: Response, until: string): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(piece, { stream: true });
    if (text.includes(until)) return text;
  }
  return text;
}

describe("a request of 2026-07-28", () => {
  test("needs no initialize, and reaches the target byte for byte", async () => {
    const message = modernCall("a", "read");
    const answer = await alice.post(message, { "mcp-param-region": "eu" });
    expect([answer.status, answer.json.id]).toEqual([200, "a"]);
    expect(answer.headers.get("content-type")).toBe("application/json");
    expect(gateway.links.sent.at(-1)).toMatchObject({
      text: JSON.stringify(message),
      protocolVersion: "2026-07-28",
      parameterHeaders: { "mcp-param-region": "eu" },
    });
    expect(gateway.links.opened.at(-1)?.era).toBe("modern");
  });

  test("joins the others of its principal, client and target in one session, which it is told", async () => {
    const target = await freshTarget();
    const client = new ModernClient(gateway, target);
    const answers = await Promise.all([1, 2, 3].map((id) => client.post(modernCall(id, "read"))));
    const foreign = await new ModernClient(gateway, target, "bob").post(modernCall(1, "read"));
    const ids = new Set(answers.map(({ headers }) => headers.get("drawbridge-session")));
    const stored = await sessionsOf(target);
    ids.add(foreign.headers.get("drawbridge-session"));
    expect(new Set(stored.map(({ id }) => id))).toEqual(ids);
    expect(stored).toHaveLength(2);
    expect(answers[0]?.headers.get("mcp-session-id")).toBeNull();
    const { body } = await gateway.api("GET", `sessions/${stored[0]?.id}`);
    expect(body).toMatchObject({ era: "modern", protocolVersion: "2026-07-28", clientName: "modern-test" });
  });

  test("may have the id of another one that is under way", async () => {
    gateway.links.script = ({ id, params }) =>
      resultOf(JSON.stringify(params?.["arguments"]))({ id }).filter(() => params?.["name"] === "read");
    const slow = alice.post(modernCall(7, "slow", { mine: 1 }));
    await expect.poll(() => gateway.links.sent.length).toBe(1);
    const { exchange } = last();
    const fast = await alice.post(modernCall(7, "read", { mine: 2 }));
    expect(fast.json.result).toEqual({ mine: 2 });
    await targetSays({ id: 7, result: { mine: 1 } }, exchange);
    expect((await slow).json.result).toEqual({ mine: 1 });
  });

  test("becomes an event stream without ids when something comes before the answer", async () => {
    gateway.links.script = (message) => [
      `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}`,
      ...answerPolitely(message),
    ];
    const { headers, text } = await alice.post(modernCall(1, "read"));
    expect(headers.get("content-type")).toBe("text/event-stream");
    expect(text).not.toMatch(/^id:/m);
    expect(text.indexOf("progress")).toBeLessThan(text.indexOf(`"result"`));
  });

  const error =
    (code: number): Script =>
    (message) => [
      `{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},"error":{"code":${code},"message":"no","data":{"x":1.0}}}`,
    ];
  test.each([
    [-32601, 404],
    [-32021, 400],
    [-32022, 400],
    [-32602, 200],
    [-32603, 200],
    [7, 200],
  ])("that the target answers with the error %i has the status %i", async (code, status) => {
    gateway.links.script = error(code);
    const answer = await alice.post(modernCall(1, "read"));
    expect([answer.status, answer.json.error?.code]).toEqual([status, code]);
    expect(answer.text).toContain(`"data":{"x":1.0}`);
  });

  test.each<[string, object, Record<string, string>, number, number]>([
    ["a name in a header that is another", modernCall(5, "read"), { "mcp-name": "slow" }, 400, -32020],
    [
      "another version in the header",
      modernCall(5, "read"),
      { "mcp-protocol-version": "2025-11-25" },
      400,
      -32020,
    ],
    [
      "no envelope",
      { jsonrpc: "2.0", id: 5, method: "tools/list" },
      { "mcp-protocol-version": "2026-07-28" },
      400,
      -32602,
    ],
    ["a method of the other era", modernRequest(5, "ping"), {}, 404, -32601],
    ["initialize", modernRequest(5, "initialize"), {}, 404, -32601],
    ["a method that no rule names", modernRequest(5, "shop/steal"), {}, 404, -32601],
    ["a tool that no rule allows", modernCall(5, "destroy"), {}, 200, -32602],
  ])("with %s is refused in the way of its revision", async (_what, message, headers, status, code) => {
    const answer = await alice.post(message as never, headers);
    expect([answer.status, answer.json.error?.code, answer.json.id]).toEqual([status, code, 5]);
    expect(gateway.links.sent).toEqual([]);
  });

  test("of a revision that nobody knows is told which there are", async () => {
    const message = modernCall(5, "read");
    const meta = {
      ...(message.params?.["_meta"] as object),
      "io.modelcontextprotocol/protocolVersion": "2099-01-01",
    };
    const unknown = { ...message, params: { ...message.params, _meta: meta } };
    const answer = await alice.post(unknown, { "mcp-protocol-version": "2099-01-01" });
    expect([answer.status, answer.json.error]).toMatchObject([
      400,
      { code: -32022, data: { supported: ["2026-07-28"], requested: "2099-01-01" } },
    ]);
  });
});

describe("messages that are no requests", () => {
  const header = { "mcp-protocol-version": "2026-07-28" };
  test.each([
    ["the protocol's own notifications are taken and go no further", "notifications/cancelled", 202, 0],
    ["notifications that a rule names are passed on", "notifications/shop/moved", 202, 1],
    ["other notifications are refused", "notifications/shop/other", 400, 0],
  ])("%s", async (_what, method, status, sent) => {
    const message = { jsonrpc: "2.0", method, params: { requestId: 1 } };
    const answer = await gateway.post("shop", message, { headers: header });
    expect([answer.status, gateway.links.sent.length]).toEqual([status, sent]);
    expect(answer.text).not.toContain(`"id"`);
  });

  test("responses cannot be posted", async () => {
    const answer = await gateway.post("shop", { jsonrpc: "2.0", id: 1, result: {} }, { headers: header });
    expect([answer.status, answer.json.error?.code]).toEqual([400, -32600]);
  });
});

describe("the era a target lacks", () => {
  test("is found out by the agent: the client falls back, the session is over, and the next is refused at once", async () => {
    const target = await freshTarget();
    const client = new ModernClient(gateway, target);
    gateway.links.script = () => [];
    const waiting = client.post(modernRequest(1, "server/discover"));
    await expect.poll(() => gateway.links.sent.length).toBe(1);
    const { listener, exchange } = last();
    const supportedVersions = ["2025-06-18", "2025-11-25"];
    await listener.onVersions(supportedVersions);
    const failure = ExchangeFailure.ERA_NOT_SPOKEN;
    await listener.onExchangeFailed({ exchange, failure, message: "", supportedVersions });
    const refused = await waiting;
    expect([refused.status, refused.json.error?.code, refused.json.id]).toEqual([400, -32000, 1]);
    const opened = gateway.links.opened.length;
    const again = await client.post(modernRequest(2, "server/discover"));
    expect([again.status, again.json.error?.code, again.json.id]).toEqual([400, -32000, 2]);
    expect(gateway.links.opened.length).toBe(opened);
    expect(await sessionsOf(target)).toMatchObject([{ close_reason: "the target does not speak this era" }]);
    gateway.links.script = answerPolitely;
    expect((await gateway.post(target, initializeRequest())).status).toBe(200);
  });

  test("makes initialize fail with the revisions there are, each time by the agent's word", async () => {
    const target = await freshTarget();
    gateway.links.script = () => [];
    const supportedVersions = ["2026-07-28"];
    for (const count of [1, 2]) {
      const waiting = gateway.post(target, initializeRequest("i"));
      await expect.poll(() => gateway.links.sent.length).toBe(count);
      const { listener, exchange } = last();
      await listener.onVersions(supportedVersions);
      const failure = ExchangeFailure.ERA_NOT_SPOKEN;
      await listener.onExchangeFailed({ exchange, failure, message: "", supportedVersions });
      const { status, json } = await waiting;
      const error = { code: -32022, data: { supported: supportedVersions, requested: "2025-11-25" } };
      expect([status, json]).toMatchObject([400, { id: "i", error }]);
    }
  });

  test("is not taken for granted where the agent has only been asked about 2026-07-28", async () => {
    const target = await freshTarget();
    const [row] = await gateway.query<{ id: string }>("select id from target where name = $1", [target]);
    await gateway.query("insert into target_versions values ($1, 1, '{2026-07-28}', now())", [row?.id]);
    const get = await fetch(`${gateway.config.publicUrl}/mcp/${target}`, {
      headers: { authorization: `Bearer ${await gateway.mcpToken("alice")}`, accept: "text/event-stream" },
    });
    expect(get.status).toBe(400);
    expect((await gateway.post(target, initializeRequest())).status).toBe(200);
  });

  test("is what the target itself says of initialize, with the same status", async () => {
    gateway.links.script = ({ id }) => [
      `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"error":{"code":-32022,"message":"no","data":{"supported":["2026-07-28"]}}}`,
    ];
    const answer = await gateway.post("shop", initializeRequest());
    expect([answer.status, answer.json.error?.code]).toEqual([400, -32022]);
  });

  test("is forgotten when the target is changed", async () => {
    const target = await freshTarget();
    const [row] = await gateway.query<{ id: string }>("select id from target where name = $1", [target]);
    await gateway.query("insert into target_versions values ($1, 1, '{2025-11-25}', now())", [row?.id]);
    const client = new ModernClient(gateway, target);
    expect((await client.post(modernCall(1, "read"))).status).toBe(400);
    await gateway.api("PUT", `targets/${target}`, {
      apiVersion: "drawbridge/v1",
      kind: "Target",
      metadata: { name: target },
      spec: { agentGroup: "lab", transport: { stdio: { command: "/bin/other" } } },
    });
    await expect.poll(async () => (await client.post(modernCall(1, "read"))).status).toBe(200);
  });
});

test("a header that says something else than the arguments is refused as the agent found it", async () => {
  gateway.links.script = () => [];
  const waiting = alice.post(modernCall("h", "read"));
  await expect.poll(() => gateway.links.sent.length).toBe(1);
  const { listener, exchange } = last();
  const failure = ExchangeFailure.HEADER_MISMATCH;
  await listener.onExchangeFailed({ exchange, failure, message: "Mcp-Param-X", supportedVersions: [] });
  const answer = await waiting;
  expect([answer.status, answer.json.error?.code, answer.json.id]).toEqual([400, -32020, "h"]);
});

describe("a client that leaves", () => {
  test("cancels what is under way, and only that", async () => {
    gateway.links.script = () => [];
    const leaving = new AbortController();
    const gone = alice.open(modernCall(1, "slow"), { signal: leaving.signal }).catch(String);
    await expect.poll(() => gateway.links.sent.length).toBe(1);
    const { exchange, sessionId } = last();
    const stays = alice.post(modernCall(1, "slow"));
    await expect.poll(() => gateway.links.sent.length).toBe(2);
    leaving.abort();
    await gone;
    await expect.poll(() => gateway.links.cancelled.at(-1)).toBe(exchange);
    await targetSays({ id: 1, result: { kept: true } });
    expect((await stays).json.result).toEqual({ kept: true });
    const failure = {
      exchange,
      failure: ExchangeFailure.OUTCOME_UNKNOWN,
      message: "",
      supportedVersions: [],
    };
    await last().listener.onExchangeFailed(failure);
    const kinds = (await eventsOf(sessionId)).map(({ kind }) => kind);
    expect(kinds.slice(-3).toSorted()).toEqual(["notification", "outcome_unknown", "response"]);
  });

  test("before its request was sent has it not sent", async () => {
    const target = await freshTarget();
    const { promise, resolve } = Promise.withResolvers<void>();
    gateway.links.opening = promise;
    const opened = gateway.links.opened.length;
    const leaving = new AbortController();
    const client = new ModernClient(gateway, target);
    const gone = client.open(modernCall("early", "read"), { signal: leaving.signal }).catch(String);
    await expect.poll(() => gateway.links.opened.length).toBe(opened + 1);
    leaving.abort();
    await gone;
    await new Promise((settled) => setTimeout(settled, 50));
    resolve();
    const [session] = await sessionsOf(target);
    await expect
      .poll(async () => (await eventsOf(session?.id ?? "")).map(({ kind }) => kind))
      .toEqual(["session_opened", "request", "not_sent"]);
    expect(gateway.links.sent).toEqual([]);
  });
});

describe("a subscription", () => {
  const ack = { method: "notifications/subscriptions/acknowledged", params: {} };
  const changed = { method: "notifications/tools/list_changed", params: {} };

  test("stays open and ends with a result when the session does", async () => {
    const target = await freshTarget();
    gateway.links.script = () => [];
    const client = new ModernClient(gateway, target);
    const opening = client.open(modernRequest("sub", "subscriptions/listen", LISTEN));
    await expect.poll(() => gateway.links.sent.length).toBe(1);
    const { listener, exchange, sessionId } = last();
    await targetSays(ack, exchange);
    await targetSays(changed, exchange);
    const response = await opening;
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    gateway.links.script = answerPolitely;
    expect((await client.post(modernCall(1, "read"))).status).toBe(200);
    await listener.onEnded("the agent is gone");
    const text = await read(response, "nothing of this");
    expect(text).toMatch(/acknowledged[^]*list_changed[^]*"id":"sub","result":\{"resultType":"complete"/);
    expect(text).toContain(`"io.modelcontextprotocol/subscriptionId":"sub"`);
    expect((await eventsOf(sessionId)).map(({ kind }) => kind).slice(-2)).toEqual([
      "response",
      "session_closed",
    ]);
  });

  test("keeps its session from going idle, and ends with a result when the control plane stops", async () => {
    const target = await freshTarget();
    const unused = await freshTarget();
    await new ModernClient(gateway, unused).post(modernCall(1, "read"));
    gateway.links.sent.length = 0;
    gateway.links.script = () => [];
    const opening = new ModernClient(gateway, target).open(
      modernRequest("s", "subscriptions/listen", LISTEN),
    );
    await expect.poll(() => gateway.links.sent.length).toBe(1);
    await targetSays(ack, last().exchange);
    const upkeep = gateway.get(SessionUpkeep);
    await upkeep["writeTouches"]();
    const age = (minutes: number) =>
      gateway.query(
        `update session set last_activity_at = now() - interval '${minutes} minutes' where closed_at is null`,
      );
    await age(14);
    await upkeep["expireIdle"]();
    expect(await sessionsOf(unused)).toMatchObject([{ close_reason: null }]);
    await age(16);
    await upkeep["expireIdle"]();
    expect(await sessionsOf(unused)).toMatchObject([{ close_reason: "idle" }]);
    expect(await sessionsOf(target)).toMatchObject([{ close_reason: null }]);
    await gateway.get(GatewayEndpoint).drain();
    const text = await read(await opening, "nothing of this");
    await gateway.stopControlPlane();
    await gateway.startControlPlane();
    expect(text).toContain(`"id":"s","result":{"resultType":"complete"`);
    expect(await sessionsOf(target)).toMatchObject([{ close_reason: null }]);
  });

  test("hears of tasks, but not where they want of the client what no rule allows", async () => {
    gateway.links.script = () => [];
    const leaving = new AbortController();
    const opening = alice.open(modernRequest(9, "subscriptions/listen", LISTEN), { signal: leaving.signal });
    await expect.poll(() => gateway.links.sent.length).toBe(1);
    const { exchange } = last();
    const wants = (taskId: string, inputRequests: unknown) =>
      targetSays({ method: "notifications/tasks", params: { taskId, inputRequests } }, exchange);
    await wants("t-sampling", { k: { method: "sampling/createMessage" } });
    await wants("t-unreadable", [{ method: "elicitation/create" }]);
    await wants("t-elicitation", { k: { method: "elicitation/create" } });
    const text = await read(await opening, "t-elicitation");
    leaving.abort();
    expect(text).not.toMatch(/t-sampling|t-unreadable/);
  });

  test("ends with the token it was opened with", async () => {
    gateway.links.script = () => [];
    const token = await gateway.identity.issueToken({
      username: "alice",
      resource: "mcp",
      lifetimeSeconds: 2,
    });
    const message = modernRequest(9, "subscriptions/listen", LISTEN);
    const opening = alice.open(message, { token });
    await expect.poll(() => gateway.links.sent.length).toBe(1);
    const { exchange } = last();
    await targetSays(ack, exchange);
    expect(await read(await opening, "nothing of this")).toContain(`"resultType":"complete"`);
    expect(gateway.links.cancelled).toContain(exchange);
  });

  test("breaks off when the target's does", async () => {
    gateway.links.script = () => [];
    const opening = alice.open(modernRequest(9, "subscriptions/listen", LISTEN));
    await expect.poll(() => gateway.links.sent.length).toBe(1);
    const { listener, exchange } = last();
    await targetSays(ack, exchange);
    const failure = ExchangeFailure.OUTCOME_UNKNOWN;
    await listener.onExchangeFailed({ exchange, failure, message: "", supportedVersions: [] });
    expect(await read(await opening, "nothing of this")).not.toContain(`"id":9`);
  });

  test("hears nothing more, and ends, once its client may no longer listen", async () => {
    gateway.links.script = () => [];
    const opening = alice.open(modernRequest(9, "subscriptions/listen", LISTEN));
    await expect.poll(() => gateway.links.sent.length).toBe(1);
    const { exchange } = last();
    await targetSays(ack, exchange);
    await gateway.applyPolicy(POLICY.replace("subscriptions/listen, ", ""));
    await targetSays(changed, exchange);
    const text = await read(await opening, "nothing of this");
    await gateway.applyPolicy(POLICY);
    expect(text).not.toContain("list_changed");
    expect(text).toContain(`"resultType":"complete"`);
  });

  test.each([
    ["resources it could not subscribe to", { resourceSubscriptions: ["file:///pub/a", "file:///secret"] }],
    ["what cannot be read", { resourceSubscriptions: "file:///pub/a" }],
    ["tasks that are not its own", { taskIds: ["t-unknown"] }],
  ])("to %s is refused", async (_what, notifications) => {
    const answer = await alice.post(modernRequest(1, "subscriptions/listen", { notifications }, KNOWS_TASKS));
    expect([answer.status, answer.json.error?.code]).toEqual([200, -32602]);
    expect(gateway.links.sent).toEqual([]);
  });
});

describe("what a target wants of the client", () => {
  const wants = (method: string) =>
    `{"resultType":"input_required","requestState":"\\u0061/+==","inputRequests":{"k":{"method":"${method}","params":{"n":1.0}}}}`;

  test("passes where a rule allows it, with its state untouched, and the retry is an ordinary request", async () => {
    gateway.links.script = resultOf(wants("elicitation/create"));
    const { text } = await alice.post(modernCall(1, "read"));
    expect(text).toContain(wants("elicitation/create"));
    gateway.links.script = answerPolitely;
    const retry = { name: "read", arguments: {}, inputResponses: { k: {} }, requestState: "a/+==" };
    const answer = await alice.post(modernRequest(2, "tools/call", retry));
    expect(answer.status).toBe(200);
    expect(gateway.links.sent.at(-1)?.text).toContain(`"requestState":"a/+=="`);
  });

  test.each(["sampling/createMessage", "roots/list", "tools/call", "shop/other"])(
    "is withheld with the whole result where no rule allows %s",
    async (method) => {
      gateway.links.script = resultOf(wants(method));
      const answer = await alice.post(modernCall(1, "read"));
      expect([answer.status, answer.json.error?.code]).toEqual([200, -31001]);
      expect(answer.text).not.toContain("requestState");
      const events = await eventsOf(last().sessionId);
      expect(events.slice(-2)).toMatchObject([
        { kind: "server_request", method, attributes: { decision: { effect: "deny" } } },
        { kind: "response" },
      ]);
    },
  );

  test("cannot be asked in a request of its own", async () => {
    gateway.links.script = (message) => [
      `{"jsonrpc":"2.0","id":77,"method":"elicitation/create","params":{}}`,
      ...(message.method === "tools/call" ? answerPolitely(message) : []),
    ];
    const answer = await alice.post(modernCall(2, "read"));
    expect(answer.text).not.toContain("elicitation");
    expect(gateway.links.sent.some(({ text }) => text.includes(`"id":77,"error":{"code":-32601`))).toBe(true);
  });
});

describe("a task", () => {
  const aboutTask = (taskId: string) => modernRequest(2, "tasks/get", { taskId }, KNOWS_TASKS);
  const made = (id: string) => `{"resultType":"task","taskId":"${id}","status":"working"}`;

  test("is for whoever made it, in either era, and for nobody else", async () => {
    gateway.links.script = resultOf(made("t-1"));
    expect((await alice.post(modernCall(1, "slow"))).status).toBe(200);
    gateway.links.script = answerPolitely;
    const asked = aboutTask("t-1");
    const bob = new ModernClient(gateway, "shop", "bob");
    const foreign = await bob.post(asked);
    const missing = await bob.post(aboutTask("t-none"));
    expect(foreign.json.error).toEqual({ code: -32602, message: "Task not found" });
    expect(missing.text).toBe(foreign.text);
    expect(gateway.links.reached("tasks/get")).toEqual([]);
    expect((await alice.post(asked)).json.result).toBeDefined();
    const session = await gateway.openSession("shop");
    const legacy = { jsonrpc: "2.0", id: 3, method: "tasks/get", params: { taskId: "t-1" } };
    expect((await gateway.post("shop", legacy, { session })).text).toContain(`"result"`);
    const elsewhere = new ModernClient(gateway, await freshTarget());
    expect((await elsewhere.post(asked)).json.error?.code).toBe(-32602);
  });

  test("is not spoken of to a client that does not know tasks", async () => {
    const answer = await alice.post(modernRequest(2, "tasks/get", { taskId: "t-none" }));
    expect([answer.status, answer.json.error]).toMatchObject([
      400,
      { code: -32021, data: { requiredCapabilities: KNOWS_TASKS } },
    ]);
  });

  test("of a 2025 revision is listed to its owner only", async () => {
    const session = await gateway.openSession("shop");
    gateway.links.script = resultOf(`{"task":{"taskId":"mine","status":"working"}}`);
    const call = { jsonrpc: "2.0", id: 2, method: "tools/call", params: { name: "slow", task: {} } };
    await gateway.post("shop", call, { session });
    gateway.links.script = resultOf(`{"tasks":[{"taskId":"theirs"},{"taskId":"mine","n":1.0}]}`);
    const list = { jsonrpc: "2.0", id: 3, method: "tasks/list" };
    const { text } = await gateway.post("shop", list, { session });
    expect(text).toContain(`{"tasks":[{"taskId":"mine","n":1.0}]}`);
  });

  test("is forgotten after 30 days", async () => {
    await gateway.query("update task set created_at = now() - interval '29 days'");
    await gateway.get(TaskOwnership).forgetOld();
    const kept = await gateway.query("select 1 from task");
    await gateway.query("update task set created_at = now() - interval '31 days'");
    await gateway.get(TaskOwnership).forgetOld();
    expect(kept.length).toBeGreaterThan(0);
    expect(await gateway.query("select 1 from task")).toEqual([]);
  });
});

test("what one user may see is nobody else's to cache, and not for long", async () => {
  gateway.links.script = resultOf(
    `{"tools":[{"name":"read"}],"ttlMs":3600000,"cacheScope":"public","n":1.0}`,
  );
  const list = await alice.post(modernRequest(1, "tools/list"));
  expect(list.text).toContain(`{"tools":[{"name":"read"}],"ttlMs":60000,"cacheScope":"private","n":1.0}`);
  gateway.links.script = resultOf(`{"contents":[],"ttlMs":5,"cacheScope":"public"}`);
  const resource = await alice.post(modernRequest(1, "resources/read", { uri: "file:///pub/a" }));
  expect(resource.text).toContain(`{"contents":[],"ttlMs":5,"cacheScope":"private"}`);
});

test("methods of a server's own pass in both directions where a rule names them", async () => {
  gateway.links.script = (message) => [
    `{"jsonrpc":"2.0","method":"notifications/shop/moved","params":{}}`,
    `{"jsonrpc":"2.0","method":"notifications/shop/secret","params":{}}`,
    ...answerPolitely(message),
  ];
  const { text } = await alice.post(modernRequest(1, "shop/count"));
  expect(text).toContain("notifications/shop/moved");
  expect(text).not.toContain("notifications/shop/secret");
  expect(text).toContain(`"result"`);
});

describe("the session behind the requests", () => {
  test("is taken up again after a restart of the only control plane", async () => {
    const target = await freshTarget();
    const client = new ModernClient(gateway, target);
    await client.post(modernCall(1, "read"));
    await gateway.stopControlPlane();
    await gateway.startControlPlane();
    const answer = await client.post(modernCall(2, "read"));
    const stored = await sessionsOf(target);
    expect(stored).toMatchObject([{ era: "modern", replica: "only", close_reason: null }]);
    expect(answer.headers.get("drawbridge-session")).toBe(stored[0]?.id);
    expect(gateway.links.opened.at(-1)?.agentId).toBeDefined();
  });

  test("is another one when its target did not survive the restart", async () => {
    const target = await freshTarget();
    const client = new ModernClient(gateway, target);
    await client.post(modernCall(1, "read"));
    await gateway.stopControlPlane();
    await gateway.startControlPlane();
    gateway.links.gone.add((await sessionsOf(target))[0]?.id ?? "");
    expect((await client.post(modernCall(2, "read"))).status).toBe(200);
    const stored = await sessionsOf(target);
    expect(stored.map(({ close_reason: reason }) => reason)).toEqual([
      "the target of this session is gone",
      null,
    ]);
  });

  test("is another one when the target was changed, as soon as nothing is under way", async () => {
    const target = await freshTarget();
    const client = new ModernClient(gateway, target);
    gateway.links.script = () => [];
    const slow = client.post(modernCall(1, "slow"));
    await expect.poll(() => gateway.links.sent.length).toBe(1);
    const { exchange, listener } = last();
    await gateway.api("PUT", `targets/${target}`, {
      apiVersion: "drawbridge/v1",
      kind: "Target",
      metadata: { name: target },
      spec: { agentGroup: "lab", transport: { stdio: { command: "/bin/other" } } },
    });
    gateway.links.script = answerPolitely;
    await client.post(modernCall(2, "read"));
    expect(await sessionsOf(target)).toHaveLength(1);
    const payload = Buffer.from(`{"jsonrpc":"2.0","id":1,"result":{}}`);
    await listener.onMessage({ exchange, payload, masked: {}, final: true });
    await slow;
    await client.post(modernCall(3, "read"));
    const stored = await sessionsOf(target);
    expect(stored.map(({ close_reason: reason }) => reason)).toEqual(["the target was changed", null]);
    expect(gateway.links.closed).toContain(stored[0]?.id);
  });

  test("is another one after an operator ended it, and what was asked meanwhile did not run", async () => {
    const target = await freshTarget();
    const client = new ModernClient(gateway, target);
    const first = await client.post(modernCall(1, "read"));
    await gateway.api("DELETE", `sessions/${first.headers.get("drawbridge-session")}`);
    const second = await client.post(modernCall(2, "read"));
    expect(second.status).toBe(200);
    expect(second.headers.get("drawbridge-session")).not.toBe(first.headers.get("drawbridge-session"));
  });

  test("that was ended elsewhere runs nothing more, and the next request has another one", async () => {
    const target = await freshTarget();
    const client = new ModernClient(gateway, target);
    await client.post(modernCall(1, "read"));
    // Before anybody here has noticed.
    await gateway.stopWatching();
    await gateway.query("update session set closed_at = now() where target_name = $1", [target]);
    await gateway.query("update authorization_epoch set value = value + 1");
    gateway.links.sent.length = 0;
    const lost = await client.post(modernCall("lost", "read"));
    await gateway.get(EpochWatch).onApplicationBootstrap();
    expect([lost.status, lost.json.error?.code, lost.json.id]).toEqual([503, -31005, "lost"]);
    expect(gateway.links.sent).toEqual([]);
    expect((await client.post(modernCall(2, "read"))).status).toBe(200);
  });

  test("counts among those that a principal may have open", async () => {
    const target = await freshTarget();
    await gateway.query(`insert into session (id, id_hash, principal, oauth_client, target_id, target_name)
      select gen_random_uuid(), sha256(n::text::bytea), 'bob', 'x', gen_random_uuid(), 'x' from generate_series(1, 100) n`);
    const answer = await new ModernClient(gateway, target, "bob").post(modernCall(4, "read"));
    await gateway.query("update session set closed_at = now() where oauth_client = 'x'");
    expect([answer.status, answer.json.error?.code, answer.json.id]).toEqual([429, -31011, 4]);
  });
});

describe("a web page", () => {
  const origin = () => gateway.config.publicUrl;

  test("of an allowed origin is told what it may send and read", async () => {
    const preflight = await fetch(`${gateway.config.publicUrl}/mcp/shop`, {
      method: "OPTIONS",
      headers: {
        origin: origin(),
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, mcp-param-region, x-other",
      },
    });
    expect([preflight.status, preflight.headers.get("access-control-allow-origin")]).toEqual([204, origin()]);
    const allowed = preflight.headers.get("access-control-allow-headers")?.split(", ");
    expect(allowed).toEqual(expect.arrayContaining(["authorization", "last-event-id", "mcp-param-region"]));
    expect(allowed).not.toContain("x-other");
    const answer = await alice.post(modernCall(1, "read"), { origin: origin() });
    expect(answer.headers.get("access-control-expose-headers")).toContain("Drawbridge-Session");
    const unauthorized = await alice.post(modernCall(1, "read"), { origin: origin(), authorization: "" });
    expect([unauthorized.status, unauthorized.headers.get("access-control-allow-origin")]).toEqual([
      401,
      origin(),
    ]);
  });

  test("of another origin is not", async () => {
    const { status, headers } = await fetch(`${gateway.config.publicUrl}/mcp/shop`, {
      method: "OPTIONS",
      headers: { origin: "https://evil.example.test", "access-control-request-method": "POST" },
    });
    expect([status, headers.get("access-control-allow-origin")]).toEqual([403, null]);
  });
});
