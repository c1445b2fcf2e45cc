import { randomUUID } from "node:crypto";
import { resultFromTaskOutcome, withTasks } from "@modelcontextprotocol/ext-tasks/client";
import {
  CancelTaskResultV2Schema,
  CreateTaskResultV2Schema,
  GetTaskResultV2Schema,
} from "@modelcontextprotocol/ext-tasks/core/v2";
import { eventually } from "@drawbridge/testing";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { callUnderWay } from "../fakes/call-under-way.js";
import { answerPolitely } from "../fakes/fake-agent-links.js";
import { GatewayUnderTest, PATIENT } from "../fakes/gateway-under-test.js";
import { ModernClient, type ModernMessage, modernRequest } from "../fakes/modern-client.js";
import { ENGINEERS_READ, withRule } from "../fakes/policies.js";
import { KNOWS_TASKS, tasksPort } from "../fakes/tasks-port.js";
import { ModernSessions } from "../sessions/modern-sessions.js";

const ASKS = withRule(
  ENGINEERS_READ,
  "{ name: asking, tools: [destroy], effect: require_approval, approval: { from: [{ group: dba, count: 1 }], expiresIn: 15m } }",
);

/** As a target of 2026-07-28 says them. */
const MODERN_RESULTS: Readonly<Record<string, string>> = {
  "tools/list": `{"resultType":"complete","ttlMs":0,"cacheScope":"private","tools":[{"name":"destroy","inputSchema":{"type":"object"}}]}`,
  "tools/call": `{"resultType":"complete","content":[{"type":"text","text":"done"}]}`,
};

let gateway: GatewayUnderTest;
let alice: ModernClient;
let lastId = 0;

beforeAll(async () => {
  gateway = await GatewayUnderTest.start(ASKS);
  alice = new ModernClient(gateway, "shop");
}, 120_000);
afterAll(() => gateway?.stop());
beforeEach(() => gateway.reset());

const request = (method: string, params: object): ModernMessage =>
  modernRequest(++lastId, method, params, KNOWS_TASKS);

/** Each with arguments of its own, so that none finds the approval of another test. */
function callDestroy(args: object = { n: ++lastId }): ModernMessage {
  return request("tools/call", { name: "destroy", arguments: args });
}

async function begin(args?: object) {
  const { json, status } = await alice.post(callDestroy(args));
  expect(status).toBe(200);
  const task = CreateTaskResultV2Schema.parse(json.result);
  const { id } = (task._meta as { "io.drawbridge/approval": { id: string } })["io.drawbridge/approval"];
  return { ...task, approval: id };
}

async function poll(taskId: string, client = alice) {
  const { json } = await client.post(request("tasks/get", { taskId }));
  if (json.error) throw new Error(JSON.stringify(json.error));
  return GetTaskResultV2Schema.parse(json.result);
}

function untilStatus(taskId: string, status: string) {
  return eventually(async () => {
    const task = await poll(taskId);
    expect(task.status).toBe(status);
    return task;
  });
}

async function decide(approval: string, verdict: "approve" | "deny", body: object = {}): Promise<void> {
  const { status, body: said } = await gateway.api("POST", `approvals/${approval}/${verdict}`, body, "bob");
  expect([status, said]).toEqual([200, expect.anything()]);
}

const stateOf = async (approval: string) =>
  (
    await gateway.query<{ state: string; sealed: unknown }>(
      "SELECT state, sealed FROM approval WHERE id = $1",
      [approval],
    )
  )[0];

async function endSessionOf(approval: string): Promise<void> {
  const [row] = await gateway.query<{ id: string }>("SELECT session_id AS id FROM approval WHERE id = $1", [
    approval,
  ]);
  const { status } = await gateway.api("DELETE", `sessions/${row?.id}`);
  expect(status).toBe(204);
}

describe("a held call of a client that knows tasks", PATIENT, () => {
  test("is a task at once, and it is written down before it is told", async () => {
    const task = await begin();
    expect(task).toMatchObject({ status: "working", pollIntervalMs: 5_000 });
    expect(task.taskId).toMatch(/^[A-Za-z0-9_-]{22}$/);
    expect(task.statusMessage).toMatch(/^Waiting for approval by 1 of dba: http.*\/approvals\//);
    expect((await stateOf(task.approval))?.state).toBe("pending");
    expect(gateway.links.reached("tools/call")).toEqual([]);
  });

  test("runs with the first poll after it was approved, once, and is told its result", async () => {
    const { taskId, approval } = await begin({ n: "run" });
    expect(await poll(taskId)).toMatchObject({ status: "working" });
    await decide(approval, "approve");
    expect(gateway.links.reached("tools/call")).toEqual([]);
    const done = await untilStatus(taskId, "completed");
    expect(done).toMatchObject({
      result: { content: [{ type: "text", text: expect.stringContaining('"n":"run"') as string }] },
    });
    expect(await poll(taskId)).toEqual(done);
    expect(gateway.links.reached("tools/call")).toHaveLength(1);
    expect(await stateOf(approval)).toEqual({ state: "consumed", sealed: null });
  });

  test("is sent without the tasks capability, and otherwise as it was asked for", async () => {
    const { taskId, approval } = await begin({ n: "sent" });
    await decide(approval, "approve");
    await untilStatus(taskId, "completed");
    const [sent = ""] = gateway.links.reached("tools/call");
    const { params } = JSON.parse(sent) as { params: Record<string, Record<string, unknown>> };
    expect(params["arguments"]).toEqual({ n: "sent" });
    expect(params["_meta"]?.["io.modelcontextprotocol/clientCapabilities"]).toEqual({ extensions: {} });
  });

  test("is told what its target answered byte for byte", async () => {
    gateway.links.script = (message) =>
      message.method === "tools/call"
        ? [
            `{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},"result":{"resultType":"complete", "big":12345678901234567890,"content":[]}}`,
          ]
        : answerPolitely(message);
    const { taskId, approval } = await begin();
    await decide(approval, "approve");
    await untilStatus(taskId, "completed");
    const { text } = await alice.post(request("tasks/get", { taskId }));
    expect(text).toContain(`"result":{"resultType":"complete", "big":12345678901234567890,"content":[]}`);
  });

  test("that was changed is told so in its result", async () => {
    const { taskId, approval } = await begin({ limit: 1_000 });
    await decide(approval, "approve", { edits: { "/limit": 10 }, comment: "fewer" });
    const { result } = (await untilStatus(taskId, "completed")) as unknown as {
      result: Record<string, unknown>;
    };
    expect(result["_meta"]).toMatchObject({
      "io.drawbridge/approval": { id: approval, edited: true, comment: "fewer" },
    });
    const said = "An approver changed the arguments of this call before it ran: /limit. They say: fewer";
    expect((result["content"] as { text: string }[]).at(-1)?.text).toBe(said);
    expect(gateway.links.reached("tools/call")[0]).toContain('"limit":10}');
  });

  test("that is denied is completed with why, and never runs", async () => {
    const { taskId, approval } = await begin();
    await decide(approval, "deny", { comment: "not on a Friday" });
    expect(await poll(taskId)).toMatchObject({
      status: "completed",
      result: {
        isError: true,
        content: [{ text: expect.stringMatching(/denied this call: not on a Friday/) as string }],
      },
    });
    expect(gateway.links.reached("tools/call")).toEqual([]);
  });

  test("that expired is completed with that", async () => {
    const { taskId, approval } = await begin();
    await gateway.query("UPDATE approval SET expires_at = now() - interval '1 second' WHERE id = $1", [
      approval,
    ]);
    expect(await poll(taskId)).toMatchObject({
      status: "completed",
      result: {
        isError: true,
        content: [{ text: expect.stringMatching(/^Nobody approved this call in time/) as string }],
      },
    });
  });

  test("fails with what its target failed with", async () => {
    gateway.links.script = (message) =>
      message.method === "tools/call"
        ? [
            `{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},"error":{"code":-32050,"message":"broken","data":{"a":1.0}}}`,
          ]
        : answerPolitely(message);
    const { taskId, approval } = await begin();
    await decide(approval, "approve");
    expect(await untilStatus(taskId, "failed")).toMatchObject({
      error: { code: -32050, message: "broken", data: { a: 1 } },
    });
  });

  test("is cancelled by its client, before anybody approves", async () => {
    const { taskId, approval } = await begin();
    const { json } = await alice.post(request("tasks/cancel", { taskId }));
    CancelTaskResultV2Schema.parse(json.result);
    expect(await poll(taskId)).toMatchObject({ status: "cancelled" });
    expect(await stateOf(approval)).toEqual({ state: "cancelled", sealed: null });
    const { status } = await gateway.api("POST", `approvals/${approval}/approve`, {}, "bob");
    expect(status).toBe(409);
  });

  test("that runs is cancelled at the agent", async () => {
    gateway.links.script = (message) => (message.method === "tools/call" ? [] : answerPolitely(message));
    const { taskId, approval } = await begin();
    await decide(approval, "approve");
    await eventually(async () => {
      expect(await poll(taskId)).toMatchObject({ status: "working" });
      expect(gateway.links.reached("tools/call")).toHaveLength(1);
    });
    const exchange = gateway.links.sent.at(-1)?.exchange;
    await alice.post(request("tasks/cancel", { taskId }));
    await eventually(() => expect(gateway.links.cancelled).toContain(exchange));
  });

  test("takes no input", async () => {
    const { taskId } = await begin();
    const { json } = await alice.post(request("tasks/update", { taskId, inputResponses: {} }));
    expect(json.error).toMatchObject({ code: -32602 });
  });

  test("is nobody else's", async () => {
    const { taskId } = await begin();
    const bob = new ModernClient(gateway, "shop", "bob");
    await gateway.applyPolicy(ASKS.replace("[engineering]", "[engineering, dba]"));
    const { json } = await bob.post(request("tasks/get", { taskId }));
    expect(json.error).toMatchObject({ code: -32602, message: "Task not found" });
  });

  test("wants its client to declare tasks in each request", async () => {
    const { taskId } = await begin();
    const { json, status } = await alice.post(modernRequest(1, "tasks/get", { taskId }));
    expect([status, json.error?.code]).toEqual([400, -32021]);
  });

  test("whose rule denies it by now is not run", async () => {
    const { taskId, approval } = await begin();
    await decide(approval, "approve");
    await gateway.applyPolicy(withRule(ENGINEERS_READ, "{ name: never, tools: [destroy], effect: deny }"));
    expect(await poll(taskId)).toMatchObject({ status: "completed", result: { isError: true } });
    expect(gateway.links.reached("tools/call")).toEqual([]);
    expect(await stateOf(approval)).toEqual({ state: "revoked", sealed: null });
  });

  test("is not told its result when its caller may not have it any more", async () => {
    const { taskId, approval } = await begin({ secret: "of the run" });
    await decide(approval, "approve");
    await untilStatus(taskId, "completed");
    await gateway.applyPolicy(withRule(ENGINEERS_READ, "{ name: never, tools: [destroy], effect: deny }"));
    const { json, text } = await alice.post(request("tasks/get", { taskId }));
    expect(json.error?.code).toBe(-31003);
    expect(text).not.toContain("of the run");
  });

  test("that could not be sent after all is told so", async () => {
    const { taskId, approval } = await begin();
    await decide(approval, "approve");
    gateway.links.online = false;
    expect(await untilStatus(taskId, "failed")).toMatchObject({ error: { code: -31005 } });
    expect(gateway.links.reached("tools/call")).toEqual([]);
  });

  test("for which a limit has no room yet waits for the next poll", async () => {
    await gateway.applyPolicy(
      ASKS.replace("expiresIn: 15m }", "expiresIn: 15m }, limits: { concurrent: 1 }"),
    );
    const [first, second] = [await begin(), await begin()];
    await decide(first.approval, "approve");
    const running = await callUnderWay(gateway, () => poll(first.taskId));
    expect(await running.sending).toMatchObject({ status: "working" });
    await decide(second.approval, "approve");
    expect(await poll(second.taskId)).toMatchObject({
      status: "working",
      statusMessage: expect.stringContaining("could not be sent yet") as string,
    });
    gateway.links.script = answerPolitely;
    await running.answer();
    await untilStatus(first.taskId, "completed");
    await untilStatus(second.taskId, "completed");
    expect(gateway.links.reached("tools/call")).toHaveLength(2);
  });

  test("that ran while its control plane died is told that nobody knows", async () => {
    gateway.links.script = (message) => (message.method === "tools/call" ? [] : answerPolitely(message));
    const { taskId, approval } = await begin();
    await decide(approval, "approve");
    await eventually(async () => {
      await poll(taskId);
      expect(gateway.links.reached("tools/call")).toHaveLength(1);
    });
    await gateway.stopControlPlane();
    await gateway.startControlPlane();
    const task = await untilStatus(taskId, "failed");
    expect(task).toMatchObject({ error: { code: -31006 } });
  });

  test("keeps its caller present for a minute with each poll", async () => {
    const { taskId, approval } = await begin();
    await gateway.query("UPDATE approval SET present_until = now() + interval '5 seconds' WHERE id = $1", [
      approval,
    ]);
    await poll(taskId);
    const [row] = await gateway.query<{ seconds: string }>(
      "SELECT extract(epoch FROM present_until - now()) AS seconds FROM approval WHERE id = $1",
      [approval],
    );
    expect(Number(row?.seconds)).toBeGreaterThan(55);
  });

  test("that was denied is told so when it is made again instead of polled", async () => {
    const args = { n: "again" };
    const { approval } = await begin(args);
    await decide(approval, "deny", { comment: "no" });
    const { json } = await alice.post(callDestroy(args));
    expect(json.result).toMatchObject({ resultType: "complete", isError: true });
    const asked = await begin(args);
    expect(asked.approval).not.toBe(approval);
  });

  test("that is made again while it runs does not run again", async () => {
    const args = { n: "twice" };
    const { taskId, approval } = await begin(args);
    await decide(approval, "approve");
    const running = await callUnderWay(gateway, () => poll(taskId));
    await running.sending;
    const { json } = await alice.post(callDestroy(args));
    expect(json.result).toMatchObject({
      isError: true,
      content: [{ text: "The same call is running already; wait for its task." }],
    });
    await running.answer();
    await untilStatus(taskId, "completed");
    expect(gateway.links.reached("tools/call")).toHaveLength(1);
  });

  test("runs once, however many polls come at once at however many control planes", async () => {
    const other = await gateway.beside();
    // With several replicas each has a session of its own.
    Reflect.set(other.get(ModernSessions), "replica", randomUUID());
    try {
      const there = new ModernClient(other, "shop");
      for (let round = 0; round < 3; round += 1) {
        const { taskId, approval } = await begin();
        await decide(approval, "approve");
        const before = gateway.links.sent.length + other.links.sent.length;
        const clients = [alice, there, alice, there, alice, there, alice, there];
        const answers = await Promise.all(clients.map((client) => poll(taskId, client)));
        for (const { status } of answers) expect(["working", "completed"]).toContain(status);
        await untilStatus(taskId, "completed");
        expect(gateway.links.sent.length + other.links.sent.length - before).toBe(1);
      }
    } finally {
      await other.stopControlPlane();
    }
  });

  test("is told its result in another session as well", async () => {
    const { taskId, approval } = await begin({ n: "elsewhere" });
    await decide(approval, "approve");
    const done = await untilStatus(taskId, "completed");
    await endSessionOf(approval);
    expect(await poll(taskId)).toEqual(done);
  });

  test("does not run when the session it was asked for in has ended", async () => {
    const { taskId, approval } = await begin();
    await decide(approval, "approve");
    await endSessionOf(approval);
    expect(await poll(taskId)).toMatchObject({ status: "completed", result: { isError: true } });
    expect(gateway.links.reached("tools/call")).toEqual([]);
    expect(await stateOf(approval)).toEqual({ state: "cancelled", sealed: null });
  });

  test("is driven to its end by the extension's own client", { timeout: 40_000 }, async () => {
    gateway.links.script = (message) => {
      const result = MODERN_RESULTS[message.method ?? ""];
      return result ? [`{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},"result":${result}}`] : [];
    };
    const session = withTasks(tasksPort(alice), {});
    const execution = await session.callTool("destroy", { n: "driven" });
    const [{ id } = { id: "" }] = await gateway.query<{ id: string }>(
      "SELECT id FROM approval WHERE state = 'pending' ORDER BY id DESC LIMIT 1",
    );
    await decide(id, "approve");
    const { outcome } = await execution.settle();
    expect(resultFromTaskOutcome(outcome)).toMatchObject({
      content: [{ type: "text", text: "done" }],
    });
    await session.close();
  });
});
