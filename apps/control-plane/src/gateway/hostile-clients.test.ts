import { connect, type Socket } from "node:net";
import { toolCall } from "@drawbridge/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { RecordingUnavailableError, RecordingWriter } from "../recordings/index.js";
import { answerPolitely } from "./fakes/fake-agent-links.js";
import { callUnderWay, logMessage } from "./fakes/call-under-way.js";
import { GatewayUnderTest } from "./fakes/gateway-under-test.js";
import { modernCall, ModernClient } from "./fakes/modern-client.js";
import { ENGINEERS_READ, withRule } from "./fakes/policies.js";
import { SessionUpkeep } from "./sessions/session-upkeep.js";
import { SessionsRepository } from "./sessions/sessions.repository.js";
import { SessionsService } from "./sessions/sessions.service.js";

const ASKING = withRule(ENGINEERS_READ, "{ name: asking, methods: [elicitation/create], effect: allow }");
const STILL_WAITING = Symbol("still waiting");

let gateway: GatewayUnderTest;
const sockets: Socket[] = [];
beforeAll(async () => {
  gateway = await GatewayUnderTest.start();
});
afterAll(() => gateway.stop());
beforeEach(() => gateway.reset());
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

/** Sends one request and, unless told, reads nothing of the answer. */
async function request(
  method: "GET" | "POST",
  session: string,
  { body = "", token }: { body?: string; token?: string } = {},
): Promise<Socket> {
  const { host, port } = new URL(gateway.config.publicUrl);
  const socket = connect(Number(port), "127.0.0.1");
  sockets.push(socket);
  socket.on("error", () => undefined);
  socket.pause();
  const lines = [
    `${method} /mcp/shop HTTP/1.1`,
    `Host: ${host}`,
    `Authorization: Bearer ${token ?? (await gateway.mcpToken("alice"))}`,
    "Accept: application/json, text/event-stream",
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    `Mcp-Session-Id: ${session}`,
  ];
  socket.write(`${lines.join("\r\n")}\r\n\r\n${body}`);
  return socket;
}

const soon = (ms: number) =>
  new Promise<typeof STILL_WAITING>((resolve) => setTimeout(() => resolve(STILL_WAITING), ms));

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error("it did not come to that in time");
    await soon(20);
  }
}

async function lastActivity(sessionId: string): Promise<number> {
  const sql = "select last_activity_at as at from session where id = $1";
  const [row] = await gateway.query<{ at: Date }>(sql, [sessionId]);
  return row!.at.getTime();
}

test("an event stream lasts with a token that is valid for years", async () => {
  const claims = { exp: Math.floor(Date.now() / 1_000) + 5 * 365 * 86_400 };
  const token = await gateway.identity.issueToken({ username: "alice", resource: "mcp", claims });
  const session = await gateway.openSession("shop");
  const socket = await request("GET", session, { token });
  let heard = "";
  socket.on("data", (data) => (heard += String(data))).resume();
  await until(() => heard.includes("text/event-stream"));
  const ended = new Promise((resolve) => socket.once("end", resolve));
  expect(await Promise.race([until(() => heard.includes("\r\n0\r\n")), ended, soon(500)])).toBe(
    STILL_WAITING,
  );
});

test("a session whose client only listens counts as used", async () => {
  const session = await gateway.openSession("shop");
  const { sessionId } = gateway.links.opened.at(-1)!;
  const socket = await request("GET", session);
  let heard = "";
  socket.on("data", (data) => (heard += String(data))).resume();
  await until(() => heard.includes("text/event-stream"));
  const upkeep = gateway.get(SessionUpkeep);
  await upkeep["writeTouches"]();
  const before = await lastActivity(sessionId);
  await soon(20);
  await upkeep["writeTouches"]();
  expect(await lastActivity(sessionId)).toBeGreaterThan(before);
});

/** A call whose sender, unless told, reads nothing of the answer. */
const unreadCall = (session: string) =>
  callUnderWay(gateway, () => request("POST", session, { body: JSON.stringify(toolCall(7, "read", {})) }));

test("a client that does not read does not keep an operator from ending its session", async () => {
  const { sessionId, say } = await unreadCall(await gateway.openSession("shop"));
  const large = logMessage("x".repeat(60_000));
  for (let stalled = false; !stalled;)
    stalled = (await Promise.race([say(large), soon(300)])) === STILL_WAITING;
  const ended = gateway.api("DELETE", `sessions/${sessionId}`);
  expect(await Promise.race([ended, soon(3_000)])).toMatchObject({ status: 204 });
  expect((await gateway.api("GET", `sessions/${sessionId}`)).body["closedAt"]).not.toBeNull();
  expect((await gateway.api("GET", `recordings/${sessionId}`)).body["endedAt"]).not.toBeNull();
});

test("whose access was revoked hears nothing more on an event stream", async () => {
  const session = await gateway.openSession("shop");
  const { listener } = gateway.links.opened.at(-1)!;
  const say = (data: string) =>
    listener.onMessage({ exchange: 0, payload: logMessage(data), masked: {}, final: false });
  const socket = await request("GET", session);
  let heard = "";
  socket.on("data", (data) => (heard += String(data))).resume();
  await until(() => heard.includes("text/event-stream"));
  await say("before");
  await until(() => heard.includes("before"));
  await gateway.applyPolicy(ENGINEERS_READ.replace("engineering", "nobody"));
  await say("after");
  await until(() => heard.includes("\r\n0\r\n"));
  expect(heard).not.toContain("after");
});

test("whose access was revoked hears nothing more of a call under way", async () => {
  const { say, exchange } = await unreadCall(await gateway.openSession("shop"));
  const socket = sockets.at(-1)!;
  let heard = "";
  socket.on("data", (data) => (heard += String(data))).resume();
  await say(logMessage("before"));
  await until(() => heard.includes("before"));
  await gateway.applyPolicy(ENGINEERS_READ.replace("engineering", "nobody"));
  await say(logMessage("after"));
  await gateway.links.opened.at(-1)!.listener.onMessage({
    exchange,
    payload: Buffer.from(`{"jsonrpc":"2.0","id":7,"result":{"content":"secret"}}`),
    masked: {},
    final: true,
  });
  await until(() => heard.includes("access ended"));
  expect(heard).not.toContain("after");
  expect(heard).not.toContain("secret");
});

const LABELLED = `
apiVersion: drawbridge/v1
kind: Policy
metadata: { name: labelled }
spec:
  targets: { labels: { env: dev } }
  subjects: { groups: [engineering] }
  access: { mode: standing }
  rules:
    - { name: reading, tools: [read], effect: allow }
`;

async function applyLabelled(env: string): Promise<void> {
  const { status } = await gateway.api("PUT", "targets/lab", {
    apiVersion: "drawbridge/v1",
    kind: "Target",
    metadata: { name: "lab", labels: { env } },
    spec: { agentGroup: "lab", transport: { stdio: { command: "/bin/true" } } },
  });
  expect(status).toBe(200);
}

test("the first call after a target got other labels is decided by those", async () => {
  await gateway.applyPolicy(LABELLED);
  await applyLabelled("dev");
  const session = await gateway.openSession("lab");
  expect((await gateway.post("lab", toolCall(2, "read", {}), { session })).json.result).toBeDefined();
  gateway.links.sent.length = 0;
  await applyLabelled("production");
  expect((await gateway.post("lab", toolCall(3, "read", {}), { session })).json.result).toBeUndefined();
  expect(gateway.links.reached("tools/call")).toEqual([]);
});

test("a target that is deleted while a call runs serves no other call", async () => {
  await gateway.applyPolicy(LABELLED);
  await applyLabelled("dev");
  const session = await gateway.openSession("lab");
  const { listener } = gateway.links.opened.at(-1)!;
  gateway.links.script = () => [];
  const running = gateway.post("lab", toolCall(2, "read", {}), { session });
  await until(() => gateway.links.reached("tools/call").length === 1);
  const { exchange } = gateway.links.sent.at(-1)!;
  await gateway.api("DELETE", "targets/lab");
  // Learning from the answer that something changed must not make what is known of the targets look new.
  const payload = Buffer.from(`{"jsonrpc":"2.0","id":2,"result":{}}`);
  await listener.onMessage({ exchange, payload, masked: {}, final: true });
  expect((await running).json.error?.message).toMatch(/access ended/);
  gateway.links.script = answerPolitely;
  expect((await gateway.post("lab", toolCall(3, "read", {}), { session })).json.result).toBeUndefined();
  expect(gateway.links.reached("tools/call")).toHaveLength(1);
});

test("an answer to what the target asked is not passed on after the revocation", async () => {
  await gateway.applyPolicy(ASKING);
  const session = await gateway.openSession("shop");
  const { say } = await unreadCall(session);
  const ask = (id: number) =>
    say(Buffer.from(`{"jsonrpc":"2.0","id":${id},"method":"elicitation/create","params":{}}`));
  const answer = (id: number) => gateway.post("shop", { jsonrpc: "2.0", id, result: {} }, { session });
  await ask(90);
  expect((await answer(90)).status).toBe(202);
  await ask(91);
  gateway.links.sent.length = 0;
  await gateway.applyPolicy(ENGINEERS_READ);
  expect((await answer(91)).status).toBe(404);
  expect(gateway.links.sent).toEqual([]);
});

test("an answer to what the target asked may be given again when it could not be recorded", async () => {
  await gateway.applyPolicy(ASKING);
  const session = await gateway.openSession("shop");
  const { say } = await unreadCall(session);
  await say(Buffer.from(`{"jsonrpc":"2.0","id":90,"method":"elicitation/create","params":{}}`));
  const answer = () => gateway.post("shop", { jsonrpc: "2.0", id: 90, result: {} }, { session });
  const writer = gateway.get(RecordingWriter);
  writer.append = () => Promise.reject(new RecordingUnavailableError("database", "it is away"));
  expect((await answer()).status).toBe(503);
  delete (writer as Partial<RecordingWriter>).append;
  gateway.links.sent.length = 0;
  expect((await answer()).status).toBe(202);
  expect((await answer()).status).toBe(400);
  expect(gateway.links.sent).toHaveLength(1);
});

test("a session that is being closed is taken up by no request that comes in between", async () => {
  const session = await gateway.openSession("shop");
  const { sessionId } = gateway.links.opened.at(-1)!;
  const stored = gateway.get(SessionsRepository);
  const { promise: slow, resolve: goOn } = Promise.withResolvers<void>();
  stored.close = async (...closing) => {
    await slow;
    return SessionsRepository.prototype.close.apply(stored, closing);
  };
  const token = await gateway.mcpToken("alice");
  const closed = fetch(`${gateway.config.publicUrl}/mcp/shop`, {
    method: "DELETE",
    headers: { authorization: `Bearer ${token}`, "mcp-session-id": session },
  });
  await until(() => gateway.links.closed.includes(sessionId));
  gateway.links.sent.length = 0;
  const answer = await gateway.post("shop", toolCall(2, "read", {}), { session });
  goOn();
  expect((await closed).status).toBe(200);
  delete (stored as Partial<SessionsRepository>).close;
  expect(answer.status).toBe(404);
  expect(gateway.links.sent).toEqual([]);
  expect(gateway.get(SessionsService).byId(sessionId)).toBeUndefined();
});

test("what a request says in headers of its own is in the recording, masked, as the target reads it", async () => {
  const secret = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
  const encoded = `=?base64?${Buffer.from(secret).toString("base64")}?=`;
  await new ModernClient(gateway, "shop").post(modernCall(1, "read"), {
    "mcp-param-city": "Rome",
    "mcp-param-token": encoded,
  });
  const { sessionId, parameterHeaders } = gateway.links.sent.at(-1)!;
  expect(parameterHeaders).toEqual({ "mcp-param-city": "Rome", "mcp-param-token": encoded });
  const { body } = await gateway.api("GET", `recordings/${sessionId}/events?limit=100`);
  const items = body["items"] as { kind: string; attributes: Record<string, Record<string, string>> }[];
  const recorded = items.find(({ kind }) => kind === "request")?.attributes["parameterHeaders"];
  expect(Object.keys(recorded ?? {})).toEqual(["mcp-param-city", "mcp-param-token"]);
  expect(recorded?.["mcp-param-city"]).toBe("Rome");
  expect(recorded?.["mcp-param-token"]).toMatch(/./);
  expect(JSON.stringify(items)).not.toContain(secret);
  expect(JSON.stringify(items)).not.toContain(encoded);
});

test("a session does not outlive its target in another one of the same name", async () => {
  await gateway.applyPolicy(LABELLED);
  await applyLabelled("dev");
  const session = await gateway.openSession("lab");
  gateway.links.sent.length = 0;
  await gateway.api("DELETE", "targets/lab");
  await applyLabelled("dev");
  expect((await gateway.post("lab", toolCall(2, "read", {}), { session })).status).toBe(404);
  expect(gateway.links.sent).toEqual([]);
});

test("an agent cannot answer what it was not sent yet", async () => {
  const session = await gateway.openSession("shop");
  const { listener, sessionId } = gateway.links.opened.at(-1)!;
  const writer = gateway.get(RecordingWriter);
  const { promise: slow, resolve: goOn } = Promise.withResolvers<void>();
  let isWaiting = false;
  writer.append = async (entry) => {
    if (entry.event.kind === "request") {
      isWaiting = true;
      await slow;
    }
    return RecordingWriter.prototype.append.call(writer, entry);
  };
  const answer = gateway.post("shop", toolCall(2, "read", { word: "true" }), { session });
  await until(() => isWaiting);
  const forged = Buffer.from(`{"jsonrpc":"2.0","id":2,"result":{"word":"forged"}}`);
  await listener.onMessage({ exchange: 2, payload: forged, masked: {}, final: true });
  goOn();
  delete (writer as Partial<RecordingWriter>).append;
  expect((await answer).text).toContain("true");
  expect((await answer).text).not.toContain("forged");
  const { body } = await gateway.api("GET", `recordings/${sessionId}/events?limit=100`);
  const kinds = (body["items"] as { kind: string; exchange: number }[])
    .filter(({ exchange }) => exchange === 2)
    .map(({ kind }) => kind);
  expect(kinds).toEqual(["request", "response"]);
});

describe("a rule for the resources below a folder", () => {
  const FOLDER = ENGINEERS_READ.replace(
    "{ name: reading, tools: [read], effect: allow }",
    `{ name: reading, methods: [resources/read], resources: ["file:///srv/public/*"], effect: allow }`,
  );

  test.each(["../secret", "%2e%2e/secret", "..%2fsecret", "a/..\\..\\secret"])(
    "does not reach out of it with %s",
    async (rest) => {
      await gateway.applyPolicy(FOLDER);
      const session = await gateway.openSession("shop");
      const read = (uri: string) =>
        gateway.post(
          "shop",
          { jsonrpc: "2.0", id: 2, method: "resources/read", params: { uri } },
          { session },
        );
      expect((await read("file:///srv/public/a")).json.result).toBeDefined();
      const answer = await read(`file:///srv/public/${rest}`);
      expect(answer.json.error?.message).toMatch(/must be plain/);
      expect(gateway.links.reached("resources/read")).toHaveLength(1);
    },
  );

  test("lists none that could not be read", async () => {
    await gateway.applyPolicy(FOLDER);
    const session = await gateway.openSession("shop");
    gateway.links.script = ({ id }) => [
      JSON.stringify({
        jsonrpc: "2.0",
        id,
        result: { resources: ["a", "../b"].map((name) => ({ name, uri: `file:///srv/public/${name}` })) },
      }),
    ];
    const { json } = await gateway.post(
      "shop",
      { jsonrpc: "2.0", id: 2, method: "resources/list" },
      { session },
    );
    expect(json.result?.["resources"]).toEqual([{ name: "a", uri: "file:///srv/public/a" }]);
  });
});

test("a credential in the URI of a resource is nowhere in the recording, allowed or denied", async () => {
  const secret = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
  await gateway.applyPolicy(
    ENGINEERS_READ.replace("tools: [read]", `methods: [resources/read], resources: ["repo://*"]`),
  );
  const session = await gateway.openSession("shop");
  const { sessionId } = gateway.links.opened.at(-1)!;
  for (const [id, scheme] of ["repo", "other"].entries()) {
    const params = { uri: `${scheme}://host/readme?token=${secret}` };
    const answer = await gateway.post(
      "shop",
      { jsonrpc: "2.0", id, method: "resources/read", params },
      { session },
    );
    expect(answer.status).toBe(200);
  }
  const stored = await gateway.query<{ name: string | null }>(
    "select name from recording_event where recording_id = $1 and method = 'resources/read'",
    [sessionId],
  );
  expect(stored.map(({ name }) => name)).toContainEqual(expect.stringMatching(/^repo:/));
  expect(JSON.stringify(stored)).not.toContain(secret);
  // What the scripted target echoes was not masked: here there is no agent.
  const { items } = (await gateway.api("GET", `recordings/${sessionId}/events?limit=100`)).body as {
    items: { kind: string }[];
  };
  expect(JSON.stringify(items.filter(({ kind }) => kind !== "response"))).not.toContain(secret);
});
