import { toolCall, toolsList } from "@drawbridge/testing";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { answerPolitely, politelyAt, type Script } from "./fakes/fake-agent-links.js";
import { GatewayUnderTest, initializeRequest } from "./fakes/gateway-under-test.js";
import { modernCall, ModernClient } from "./fakes/modern-client.js";
import { withRule } from "./fakes/policies.js";

const TOOLS = ["execute_sql", "read_file", "debug", "twice", "unfinished"].map((name) => ({ name }));
const SQL_POLICY = `
apiVersion: drawbridge/v1
kind: Policy
metadata: { name: engineers }
spec:
  targets: { names: [shop] }
  subjects: { groups: [engineering] }
  access: { mode: standing }
  rules:
    - name: no-destruction
      tools: [execute_sql]
      when: sql.parsed && (sql.ddl || sql.deletesAll)
      effect: deny
      message: Destructive SQL is never run; open a change request.
    - { name: read, tools: [execute_sql], when: sql.readOnly, effect: allow }
    - { name: inside, tools: [read_file], when: 'args.path.startsWith("/srv/")', effect: allow }
    - { name: friends, tools: [debug], when: '"interns" in principal.groups', effect: allow }
    - { name: twice, tools: [twice], when: 'session.callsOf("twice") < 2', effect: allow }
`;

let gateway: GatewayUnderTest;
beforeAll(async () => {
  gateway = await GatewayUnderTest.start(SQL_POLICY);
  const commands = [{ tool: "execute_sql", argument: "sql", dialect: "postgresql" }];
  await gateway.applyTarget("shop", TOOLS, commands);
});
afterAll(() => gateway.stop());
beforeEach(async () => {
  await gateway.reset();
  gateway.links.script = listsTheTools;
});

const listsTheTools: Script = (message) =>
  message.method === "tools/list"
    ? [JSON.stringify({ jsonrpc: "2.0", id: message.id, result: { tools: TOOLS } })]
    : answerPolitely(message);

let lastId = 100;
async function call(session: string, name: string, args: Record<string, unknown> = {}) {
  const { json } = await gateway.post("shop", toolCall(++lastId, name, args), { session });
  return json;
}

const sql = (session: string, text: string) => call(session, "execute_sql", { sql: text });

describe("SQL", () => {
  test("that reads passes, and reaches the target as it was written", async () => {
    const session = await gateway.openSession("shop");
    expect((await sql(session, "select * from orders")).result).toBeDefined();
    expect(gateway.links.sent.at(-1)?.text).toContain("select * from orders");
  });

  test("that destroys is refused with the words of the rule and its name, and is not sent", async () => {
    const session = await gateway.openSession("shop");
    const { error } = await sql(session, "delete from orders -- where id = 1");
    expect(error).toEqual({
      code: -31001,
      message:
        'Destructive SQL is never run; open a change request. (rule "no-destruction" of policy "engineers")',
    });
    expect(gateway.links.reached("execute_sql")).toEqual([]);
  });

  test.each([
    ["that writes", "update orders set total = 0 where id = 1", /no rule allows/],
    ["that nobody understands", "selec * fro orders", /rule "(no-destruction|read)" of policy "engineers"/],
    ["behind a NUL", "select 1\0; drop table orders", /rule "(no-destruction|read)" of policy "engineers"/],
  ])("%s is not sent", async (_what, text, told) => {
    const session = await gateway.openSession("shop");
    const { error } = await sql(session, text);
    expect(error).toMatchObject({ code: -31001, message: expect.stringMatching(told) as string });
    expect(gateway.links.reached("execute_sql")).toEqual([]);
  });

  test("is judged message by message in a batch", async () => {
    gateway.links.script = politelyAt("2025-03-26");
    const opened = await gateway.post("shop", initializeRequest(1, "2025-03-26"));
    const session = opened.headers.get("mcp-session-id") ?? "";
    const batch = ["select 1", "drop table orders"].map((text, id) =>
      toolCall(id, "execute_sql", { sql: text }),
    );
    const { text } = await gateway.post("shop", batch, { session });
    const answers = JSON.parse(text) as { id: number; error?: { code: number } }[];
    expect(new Map(answers.map(({ id, error }) => [id, error?.code]))).toEqual(
      new Map([
        [0, undefined],
        [1, -31001],
      ]),
    );
  });

  test("is judged at 2026-07-28, in a retry with the client's input as well", async () => {
    const client = new ModernClient(gateway, "shop");
    const post = (text: string, more: object = {}) => {
      const message = modernCall(1, "execute_sql", { sql: text });
      return client.post({ ...message, params: { ...message.params, ...more } });
    };
    const input = { inputResponses: {}, requestState: "s" };
    const answers = [
      await post("select 1"),
      await post("select 1", input),
      await post("drop table orders"),
      await post("drop table orders", input),
    ];
    expect(answers.map(({ json }) => json.error?.code)).toEqual([undefined, undefined, -31001, -31001]);
  });
});

describe("what lists show", () => {
  test("is what some call could be allowed, whatever its arguments; what never could be is unknown", async () => {
    const session = await gateway.openSession("shop");
    const { json } = await gateway.post("shop", toolsList(2), { session });
    const listed = (json.result!["tools"] as { name: string }[]).map(({ name }) => name);
    expect(listed).toEqual(["execute_sql", "read_file", "twice"]);
    expect((await call(session, "debug")).error).toEqual({ code: -32602, message: "Unknown tool: debug" });
    expect((await call(session, "unfinished")).error).toEqual({
      code: -32602,
      message: "Unknown tool: unfinished",
    });
  });

  test("can be refused all the same", async () => {
    const session = await gateway.openSession("shop");
    expect((await call(session, "read_file", { path: "/etc/passwd" })).error?.code).toBe(-31001);
    expect((await call(session, "read_file", { path: "/srv/a" })).result).toBeDefined();
  });
});

test("a condition that cannot be evaluated denies, and its rule is named to the caller and the recording", async () => {
  const session = await gateway.openSession("shop");
  const { error } = await call(session, "read_file", { path: 1 });
  expect(error?.code).toBe(-31001);
  expect(error?.message).toMatch(/rule "inside" of policy "engineers"/);
  const { sessionId } = gateway.links.opened.at(-1)!;
  const [event] = await gateway.query<{ decision: string; rule: string }>(
    "select decision, rule from recording_event where recording_id = $1 and name = 'read_file' and kind = 1",
    [sessionId],
  );
  expect(event).toEqual({ decision: "deny", rule: "inside" });
});

describe("what a session was used for", () => {
  test("counts calls at once exactly", async () => {
    const session = await gateway.openSession("shop");
    const answers = await Promise.all(Array.from({ length: 10 }, () => call(session, "twice")));
    expect(answers.filter(({ result }) => result !== undefined)).toHaveLength(2);
  });

  test("is remembered when another process takes the session up", async () => {
    const session = await gateway.openSession("shop");
    expect((await call(session, "twice")).result).toBeDefined();
    await gateway.stopControlPlane();
    await gateway.startControlPlane();
    const answers = [await call(session, "twice"), await call(session, "twice")];
    expect(answers.map(({ error }) => error?.code)).toEqual([undefined, -31001]);
  });

  test("does not end a call that is under way when it is decided again", async () => {
    const session = await gateway.openSession("shop");
    await call(session, "twice");
    gateway.links.script = () => [];
    const waiting = call(session, "twice");
    await expect.poll(() => gateway.links.reached("twice").length).toBe(2);
    await gateway.query("update authorization_epoch set value = value + 1");
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const { exchange, text } = gateway.links.sent.at(-1)!;
    const { id } = JSON.parse(text) as { id: number };
    const payload = Buffer.from(JSON.stringify({ jsonrpc: "2.0", id, result: {} }));
    await gateway.links.opened.at(-1)!.listener.onMessage({ exchange, payload, masked: {}, final: true });
    expect((await waiting).result).toEqual({});
  });
});

test("a rule may deny by what a client calls itself", async () => {
  await gateway.applyPolicy(
    withRule(SQL_POLICY, `{ name: no-tests, tools: ["*"], when: 'client.name == "test"', effect: deny }`),
  );
  const session = await gateway.openSession("shop");
  expect((await sql(session, "select 1")).error?.message).toMatch(/Unknown tool|no-tests/);
  const client = new ModernClient(gateway, "shop");
  expect((await client.post(modernCall(1, "execute_sql", { sql: "select 1" }))).json.result).toBeDefined();
});

test("who asked is recorded with each request", async () => {
  const session = await gateway.openSession("shop");
  await sql(session, "select 1");
  const { sessionId } = gateway.links.opened.at(-1)!;
  const { body } = await gateway.api("GET", `recordings/${sessionId}/events?limit=50`);
  const events = body["items"] as { kind: string; method: string; attributes: Record<string, unknown> }[];
  const asked = events.find(({ kind, method }) => kind === "request" && method === "tools/call");
  expect(asked?.attributes["context"]).toMatchObject({
    groups: expect.arrayContaining(["engineering"]) as string[],
    email: expect.any(String) as string,
    client: expect.any(String) as string,
    clientName: "test",
  });
});

test("who opened a session is remembered", async () => {
  await gateway.openSession("shop");
  await expect
    .poll(async () => (await gateway.query("select principal from seen_principal")).length)
    .toBeGreaterThan(0);
});

test("what could not be recorded, and so was not sent, is no call of the session", async () => {
  const session = await gateway.openSession("shop");
  await gateway.query("revoke insert on recording_event from drawbridge_app");
  try {
    expect((await call(session, "twice")).error?.message).toMatch(/could not be recorded/);
  } finally {
    await gateway.query("grant insert on recording_event to drawbridge_app");
  }
  const answers = [await call(session, "twice"), await call(session, "twice"), await call(session, "twice")];
  expect(answers.map(({ error }) => error === undefined)).toEqual([true, true, false]);
});
