import { toolCall } from "@drawbridge/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { politelyAt } from "../fakes/fake-agent-links.js";
import { GatewayUnderTest, initializeRequest, PATIENT } from "../fakes/gateway-under-test.js";
import { ASKS, HeldGateway } from "../fakes/held-gateway.js";
import { modernCall, ModernClient, modernRequest } from "../fakes/modern-client.js";
import { withRule } from "../fakes/policies.js";
import { StreamClients } from "../fakes/stream-client.js";

const MORE = withRule(
  ASKS,
  "{ name: asking-elsewhere, methods: [prompts/get, completion/complete, acme/reindex], effect: require_approval, approval: { from: [{ group: dba, count: 1 }], expiresIn: 15m } }",
);
const NOT_APPROVED = -31002;
const PENDING = -31015;

let gateway: GatewayUnderTest;
let held: HeldGateway;
let streams: StreamClients;
let alice: ModernClient;
beforeAll(async () => {
  gateway = await GatewayUnderTest.start(MORE);
  held = new HeldGateway(gateway);
  streams = new StreamClients(gateway);
  alice = new ModernClient(gateway, "shop");
});
afterAll(() => gateway?.stop());
beforeEach(async () => {
  await gateway.reset();
  held.hurry();
});
afterEach(async () => {
  streams.leave();
  await held.forget();
});

const destroy = (id: number, args: Record<string, unknown> = { n: 1 }) => toolCall(id, "destroy", args);
const reached = () => gateway.links.reached("tools/call");
const textOf = (result: Record<string, unknown> | undefined) =>
  (result?.["content"] as { text: string }[] | undefined)?.[0]?.text ?? "";

/** As `destroy`, of a client that wants to hear of progress. */
function destroyWithProgress(id: number, token: string) {
  return {
    ...destroy(id),
    params: { name: "destroy", arguments: { n: 1 }, _meta: { progressToken: token } },
  };
}

describe("a call of a client of the 2025 revisions", () => {
  test("that is approved while it waits runs, once, as it was asked", async () => {
    const session = await gateway.openSession("shop");
    const body = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"destroy","arguments":{"n":1234567890123456789}}}`;
    const answering = gateway.post("shop", body, { session });
    const { id, session_id: recording } = await held.approval();
    expect(reached()).toEqual([]);
    await held.approve(id);
    const { json, status } = await answering;
    expect(status).toBe(200);
    expect(json.id).toBe(7);
    expect(textOf(json.result)).toContain("destroy");
    expect(reached()).toEqual([body]);
    const [row] = await held.approvals();
    expect(row).toMatchObject({ state: "consumed", sealed: null });
    expect(await held.events(recording, Number(row?.exchange))).toEqual([
      "request require_approval",
      "decision require_approval",
      "decision allow",
      "response",
    ]);
  });

  test("that nobody decides in time is told that it is pending, and the same call goes on waiting", async () => {
    held.hurry({ repeatMs: 300 });
    const session = await gateway.openSession("shop");
    const first = await gateway.post("shop", destroy(2), { session });
    const { id } = await held.approval();
    expect(first.json.result).toMatchObject({ isError: true });
    expect(textOf(first.json.result)).toMatch(
      new RegExp(`^Approval ${id} is pending; nothing has run\\. To go on, call the same tool again`),
    );
    expect(first.json.result?.["_meta"]).toEqual({
      "io.drawbridge/approval": {
        id,
        state: "pending",
        url: expect.stringContaining(id) as string,
        expiresAt: expect.any(String) as string,
      },
    });
    held.hurry();
    const repeated = gateway.post("shop", destroy(3), { session });
    await held.approve(id);
    expect((await repeated).json).toMatchObject({ id: 3, result: { n: 1 } });
    expect(await held.approvals()).toHaveLength(1);
    expect(reached()).toHaveLength(1);
  });

  test("that was approved between two legs runs with the repeat, and lends it nothing but its id", async () => {
    held.hurry({ repeatMs: 300 });
    const session = await gateway.openSession("shop");
    await gateway.post("shop", destroyWithProgress(2, "first"), { session });
    const { id } = await held.approval();
    await held.approve(id);
    const { json } = await gateway.post(
      "shop",
      `{"jsonrpc":"2.0","id":"again","method":"tools/call","params":{"arguments":{"n":1.0},"name":"destroy"}}`,
      { session },
    );
    expect(json.id).toBe("again");
    expect(reached()).toEqual([
      `{"jsonrpc":"2.0","id":"again","method":"tools/call","params":{"name":"destroy","arguments":{"n":1},"_meta":{}}}`,
    ]);
  });

  test.each<[string, object, string]>([
    ["nothing but a progress token", { progressToken: 7 }, '{"name":"destroy","arguments":{"n":1}}'],
    [
      "more than a progress token",
      { progressToken: 7, "acme/mode": "fast" },
      '{"name":"destroy","arguments":{"n":1},"_meta":{"acme/mode":"fast"}}',
    ],
  ])("is shown to approvers with what would run, where it has %s beside", async (_, meta, shown) => {
    const session = await gateway.openSession("shop");
    const call = destroy(2);
    const params = { name: "destroy", arguments: { n: 1 }, _meta: meta };
    const answering = gateway.post("shop", { ...call, params }, { session });
    const { id } = await held.approval();
    const rows = await gateway.query<{ preview: Buffer }>("select preview from approval");
    expect(rows[0]?.preview.toString()).toBe(shown);
    await held.decide(id, "deny", { comment: "no" });
    await answering;
  });

  test("that is denied is told by whom and why", async () => {
    const session = await gateway.openSession("shop");
    const answering = gateway.post("shop", destroy(2), { session });
    const { id, session_id: recording, exchange } = await held.approval();
    await held.decide(id, "deny", { comment: "not on a Friday" });
    const { json } = await answering;
    expect(json.error).toMatchObject({ code: NOT_APPROVED, data: { approval: id, state: "denied" } });
    expect(json.error?.message).toMatch(/^bob denied this call: not on a Friday/);
    expect(reached()).toEqual([]);
    expect((await held.events(recording, Number(exchange))).at(-1)).toBe("not_sent");
    const again = gateway.post("shop", destroy(3), { session });
    const { id: another } = await held.approval(2);
    expect(another).not.toBe(id);
    await held.approve(another);
    await again;
  });

  test("that was denied while nobody waited is told so when it is repeated", async () => {
    held.hurry({ repeatMs: 300 });
    const session = await gateway.openSession("shop");
    await gateway.post("shop", destroy(2), { session });
    const { id } = await held.approval();
    await held.decide(id, "deny", { comment: "no" });
    const { json } = await gateway.post("shop", destroy(3), { session });
    expect(json.error).toMatchObject({ code: NOT_APPROVED });
    expect(await held.approvals()).toHaveLength(1);
  });

  test("asks for progress, and is told of it on a stream that has begun at once", async () => {
    held.hurry({ progressEveryMs: 200 });
    const session = await gateway.openSession("shop");
    const client = await streams.open({ session, body: destroyWithProgress(2, "p") });
    await expect.poll(() => client.messages.length, PATIENT).toBeGreaterThan(2);
    const told = client.messages.map(
      (text) => JSON.parse(text) as { method: string; params: { progress: number; message: string } },
    );
    const { id } = await held.approval();
    for (const { method, params } of told) {
      expect(method).toBe("notifications/progress");
      expect(params).toMatchObject({ progressToken: "p", message: expect.stringContaining(id) as string });
      expect(params.progress).toBeLessThan(0.01);
    }
    const values = told.map(({ params }) => params.progress);
    expect(values).toEqual([...new Set(values)].toSorted((one, other) => one - other));
    await held.approve(id);
    await expect.poll(() => client.isOver, PATIENT).toBe(true);
    expect(client.messages.at(-1)).toContain(`"result"`);
    expect(reached()).toEqual([expect.stringContaining(`"progressToken":"p"`)]);
  });

  test("is waited for by a patient client for as long as it may be held", async () => {
    held.hurry({ repeatMs: 300 });
    const opening = initializeRequest();
    opening.params.clientInfo.name = "claude-code";
    const opened = await gateway.post("shop", opening);
    const session = opened.headers.get("mcp-session-id")!;
    const client = await streams.open({ session, body: destroyWithProgress(2, "p") });
    const { id } = await held.approval();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(client.isOver).toBe(false);
    await held.approve(id);
    await expect.poll(() => client.messages.at(-1), PATIENT).toContain(`"result"`);
  });

  test("of another method is told of an approval that is pending by an error", async () => {
    held.hurry({ repeatMs: 300 });
    const session = await gateway.openSession("shop");
    const prompt = (id: number) => ({ jsonrpc: "2.0", id, method: "prompts/get", params: { name: "x" } });
    const { json } = await gateway.post("shop", prompt(2), { session });
    const { id } = await held.approval();
    expect(json.error).toMatchObject({ code: PENDING, data: { id, state: "pending" } });
    await held.approve(id);
    expect((await gateway.post("shop", prompt(3), { session })).json.result).toBeDefined();
  });

  test("that only notifies cannot wait", async () => {
    const session = await gateway.openSession("shop");
    const message = { jsonrpc: "2.0", method: "acme/reindex" };
    const { status, json } = await gateway.post("shop", message, { session });
    expect(status).toBe(400);
    expect(json.error?.message).toMatch(/needs an approval, and a notification cannot wait/);
    expect(await held.approvals()).toEqual([]);
  });

  test("in a batch is refused, and the rest of the batch is answered", async () => {
    gateway.links.script = politelyAt("2025-03-26");
    const opened = await gateway.post("shop", initializeRequest(1, "2025-03-26"));
    const session = opened.headers.get("mcp-session-id")!;
    const body = JSON.stringify([destroy(2), toolCall(3, "read", {})]);
    const { text } = await gateway.post("shop", body, { session });
    expect(text).toMatch(/"id":2,"error":\{"code":-31001,"message":"this needs an approval, and cannot wait/);
    expect(text).toMatch(/"id":3,"result"/);
    expect(await held.approvals()).toEqual([]);
  });

  test("is approved once, however often it is asked for at the same time, and runs once", async () => {
    const session = await gateway.openSession("shop");
    const calls = Array.from({ length: 20 }, (_, index) =>
      gateway.post("shop", destroy(100 + index), { session }),
    );
    const { id } = await held.approval();
    await held.approve(id);
    const answers = await Promise.all(calls);
    expect(answers.filter(({ json }) => json.result)).toHaveLength(1);
    for (const { json } of answers.filter(({ json }) => !json.result))
      expect(json.error?.message).toMatch(/another request has run it|its answer was lost/);
    expect(reached()).toHaveLength(1);
    expect(await held.approvals()).toHaveLength(1);
  });

  test("that runs counts as one call of its session", async () => {
    await gateway.applyPolicy(
      ASKS.replace("tools: [read], effect: allow", "tools: [read], when: session.calls < 2, effect: allow"),
    );
    const session = await gateway.openSession("shop");
    const answering = gateway.post("shop", destroy(2), { session });
    await held.approve((await held.approval()).id);
    await answering;
    expect((await gateway.post("shop", toolCall(3, "read", {}), { session })).json.result).toBeDefined();
    expect((await gateway.post("shop", toolCall(4, "read", {}), { session })).json.error).toBeDefined();
  });

  test("that may run again in its session runs without being asked about, as often as was said", async () => {
    const session = await gateway.openSession("shop");
    const answering = gateway.post("shop", destroy(2), { session });
    await held.approve((await held.approval()).id, { sessionUses: 1 });
    await answering;
    expect((await gateway.post("shop", destroy(3), { session })).json.result).toBeDefined();
    expect(reached()).toHaveLength(2);
    held.hurry({ repeatMs: 300 });
    expect((await gateway.post("shop", destroy(4), { session })).json.result).toMatchObject({
      isError: true,
    });
    expect(reached()).toHaveLength(2);
  });

  test("that an approver changes runs as changed, and its caller is told so", async () => {
    const session = await gateway.openSession("shop");
    const answering = gateway.post("shop", destroy(2, { n: 5, m: 1 }), { session });
    await held.approve((await held.approval()).id, { edits: { "/n": 1 }, comment: "fewer" });
    const { json } = await answering;
    expect(reached()).toEqual([expect.stringContaining(`"arguments":{"n":1,"m":1}`)]);
    const { content } = json.result as { content: { text: string }[] };
    expect(content.at(-1)?.text).toMatch(
      /An approver changed the arguments of this call before it ran: \/n\. They say: fewer/,
    );
  });
});

describe("a call of a client of 2026-07-28", () => {
  const stateOf = (result: Record<string, unknown> | undefined) => String(result?.["requestState"]);
  const again = (id: number, requestState: string, args: object = { n: 1 }) => {
    const message = modernCall(id, "destroy", args);
    return { ...message, params: { ...message.params, requestState } };
  };

  test("comes back by requestState until it is decided, and runs then without it", async () => {
    held.hurry({ requestStateMs: 300 });
    const first = await alice.post(modernCall(1, "destroy", { n: 1 }));
    expect(first.json.result).toMatchObject({ resultType: "input_required" });
    const second = await alice.post(again(2, stateOf(first.json.result)));
    expect(second.json.result).toMatchObject({ resultType: "input_required" });
    expect(stateOf(second.json.result)).not.toBe(stateOf(first.json.result));
    const { id } = await held.approval();
    await held.approve(id);
    held.hurry();
    const third = await alice.post(again(3, stateOf(second.json.result)));
    expect(third.json).toMatchObject({ id: 3, result: { n: 1 } });
    expect(reached()).toHaveLength(1);
    expect(reached()[0]).not.toContain("requestState");
    expect(await held.approvals()).toHaveLength(1);
    const late = await alice.post(again(4, stateOf(second.json.result)));
    expect(late.json.error?.message).toMatch(/its answer was lost|another request has run it/);
    expect(reached()).toHaveLength(1);
  });

  test("is told to repeat after nine legs, and the repeat finds its approval", async () => {
    held.hurry({ requestStateMs: 50 });
    let message = modernCall(1, "destroy", { n: 1 });
    const types: unknown[] = [];
    for (let leg = 1; leg <= 9; leg += 1) {
      const { json } = await alice.post(message);
      types.push(json.result?.["isError"] ?? json.result?.["resultType"]);
      message = again(leg + 1, stateOf(json.result));
    }
    expect(types).toEqual([...Array<string>(8).fill("input_required"), true]);
    await held.approve((await held.approval()).id);
    expect((await alice.post(modernCall(20, "destroy", { n: 1 }))).json.result).toMatchObject({ n: 1 });
  });

  test.each([
    ["other arguments", (state: string) => alice.post(again(2, state, { n: 2 }))],
    ["half of it", (state: string) => alice.post(again(2, state.slice(0, -9)))],
    ["a changed one", (state: string) => alice.post(again(2, `${state.slice(0, 40)}A${state.slice(41)}`))],
    [
      "that of somebody else",
      async (state: string) => {
        await gateway.applyPolicy(ASKS.replace("[engineering]", "[engineering, dba]"));
        return new ModernClient(gateway, "shop", "bob").post(again(2, state));
      },
    ],
    [
      "another tool",
      (state: string) => {
        const message = modernCall(2, "read", { n: 1 });
        return alice.post({ ...message, params: { ...message.params, requestState: state } });
      },
    ],
  ])("is refused with a requestState and %s, and nothing runs", async (_what, post) => {
    held.hurry({ requestStateMs: 300 });
    const { json } = await alice.post(modernCall(1, "destroy", { n: 1 }));
    await held.approve((await held.approval()).id);
    const refused = await post(stateOf(json.result));
    expect(refused.json.error).toMatchObject({ code: -32602 });
    expect(reached()).toEqual([]);
    expect((await held.approvals())[0]?.state).toBe("approved");
  });

  test("passes a requestState of its target on as it came", async () => {
    const message = modernCall(1, "read", {});
    const theirs = { ...message, params: { ...message.params, requestState: "drawbridge, they said" } };
    expect((await alice.post(theirs)).json.result).toBeDefined();
    expect(reached()).toEqual([JSON.stringify(theirs)]);
  });

  test("is told to repeat at once where its result could not ask it to come back", async () => {
    held.hurry({ repeatMs: 300 });
    const params = { ref: { type: "ref/prompt", name: "x" }, argument: { name: "a", value: "b" } };
    const { json } = await alice.post(modernRequest(1, "completion/complete", params));
    expect(json.error).toMatchObject({ code: PENDING });
  });

  test("ends its leg before its token does", async () => {
    const token = await gateway.identity.issueToken({
      username: "alice",
      resource: "mcp",
      lifetimeSeconds: 8,
    });
    const before = Date.now();
    const response = await alice.open(modernCall(1, "destroy", { n: 1 }), { token });
    const text = await response.text();
    expect(Date.now() - before).toBeLessThan(7_500);
    expect(text).toContain("input_required");
    const { requestState } = (JSON.parse(text) as { result: { requestState: string } }).result;
    await held.approve((await held.approval()).id);
    expect((await alice.post(again(2, requestState))).json.result).toMatchObject({ n: 1 });
  });
});
