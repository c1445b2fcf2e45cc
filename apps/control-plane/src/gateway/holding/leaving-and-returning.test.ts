import { SessionsService } from "../sessions/sessions.service.js";
import { OperationsToHold } from "./operations-to-hold.js";
import { cancelled, toolCall } from "@drawbridge/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Jobs } from "../../platform/jobs.js";
import { RecordingRecovery } from "../../recordings/index.js";
import { politelyAt } from "../fakes/fake-agent-links.js";
import { GatewayEndpoint } from "../edge/gateway-endpoint.js";
import { GatewayUnderTest, initializeRequest, PATIENT } from "../fakes/gateway-under-test.js";
import { ASKS, HeldGateway } from "../fakes/held-gateway.js";
import { modernCall, ModernClient } from "../fakes/modern-client.js";
import { StreamClients } from "../fakes/stream-client.js";

let gateway: GatewayUnderTest;
let held: HeldGateway;
let streams: StreamClients;
beforeAll(async () => {
  gateway = await GatewayUnderTest.start(ASKS);
  held = new HeldGateway(gateway);
  streams = new StreamClients(gateway);
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

const destroy = (id: number) => toolCall(id, "destroy", { n: 1 });
const withProgress = (id: number) => ({
  ...destroy(id),
  params: { name: "destroy", arguments: { n: 1 }, _meta: { progressToken: "p" } },
});
const reached = () => gateway.links.reached("tools/call");
const lastEvent = async ({ session_id, exchange }: { session_id: string; exchange: string }) =>
  (await held.events(session_id, Number(exchange))).at(-1);

/** A stream whose client has an id to come back with, and the approval it waits for. */
async function streaming(session: string) {
  const client = await streams.open({ session, body: withProgress(7) });
  await expect.poll(() => client.lastEventId, PATIENT).toBeDefined();
  return { client, approval: await held.approval() };
}

async function restart(): Promise<void> {
  await gateway.stopControlPlane();
  await gateway.startControlPlane();
  held.hurry();
}

describe("a caller who leaves", () => {
  test("at 2026-07-28, by closing the connection, does not want it any more", async () => {
    const leaving = new AbortController();
    const alice = new ModernClient(gateway, "shop");
    alice.open(modernCall(1, "destroy", { n: 1 }), { signal: leaving.signal }).catch(() => undefined);
    const approval = await held.approval();
    leaving.abort();
    await expect.poll(() => held.state(approval.id), PATIENT).toBe("cancelled");
    await expect.poll(() => lastEvent(approval), PATIENT).toBe("not_sent");
    expect((await held.approvals())[0]?.sealed).toBeNull();
  });

  test("at 2026-07-28 leaves those who wait for the same", async () => {
    const leaving = new AbortController();
    const alice = new ModernClient(gateway, "shop");
    alice.open(modernCall(1, "destroy", { n: 1 }), { signal: leaving.signal }).catch(() => undefined);
    const { id } = await held.approval();
    const staying = alice.post(modernCall(2, "destroy", { n: 1 }));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    leaving.abort();
    await new Promise((resolve) => setTimeout(resolve, 500));
    await held.approve(id);
    expect((await staying).json.result).toMatchObject({ n: 1 });
  });

  test("and says so with notifications/cancelled does not want it any more", async () => {
    const session = await gateway.openSession("shop");
    const client = await streams.open({ session, body: withProgress(7) });
    const approval = await held.approval();
    await gateway.post("shop", cancelled(7), { session });
    await expect.poll(() => held.state(approval.id), PATIENT).toBe("cancelled");
    await expect.poll(() => client.isOver, PATIENT).toBe(true);
    await expect.poll(() => lastEvent(approval), PATIENT).toBe("not_sent");
  });

  test("by ending the session ends the wait", async () => {
    const session = await gateway.openSession("shop");
    const answering = gateway.post("shop", destroy(7), { session });
    const approval = await held.approval();
    await fetch(`${gateway.config.publicUrl}/mcp/shop`, {
      method: "DELETE",
      headers: { authorization: `Bearer ${await gateway.mcpToken("alice")}`, "mcp-session-id": session },
    });
    expect((await answering).json.result).toBeUndefined();
    await expect.poll(() => held.state(approval.id), PATIENT).toBe("cancelled");
    await expect.poll(() => lastEvent(approval), PATIENT).toBe("not_sent");
    expect(reached()).toEqual([]);
  });

  test("by ending the session before its call waits leaves nobody to be asked", async () => {
    const session = await gateway.openSession("shop");
    const operations = gateway.get(OperationsToHold);
    const record = operations.record.bind(operations);
    operations.record = async (...said) => {
      await gateway.get(SessionsService).end(said[1].session, "closed by the client");
      await record(...said);
    };
    try {
      const { json } = await gateway.post("shop", destroy(7), { session });
      expect(json.error).toBeDefined();
    } finally {
      operations.record = record;
    }
    const approval = await held.approval();
    expect(approval).toMatchObject({ state: "cancelled", sealed: null });
    expect(reached()).toEqual([]);
  });

  test("whose session an operator ends hears that it is over", async () => {
    const session = await gateway.openSession("shop");
    const answering = gateway.post("shop", destroy(7), { session });
    const approval = await held.approval();
    await gateway.api("DELETE", `sessions/${approval.session_id}`);
    expect((await answering).json.error).toBeDefined();
    await expect.poll(() => held.state(approval.id), PATIENT).toBe("cancelled");
  });

  test("at 2025-06-18 without an id to come back with may repeat the call", async () => {
    gateway.links.script = politelyAt("2025-06-18");
    const opened = await gateway.post("shop", initializeRequest(1, "2025-06-18"));
    const session = opened.headers.get("mcp-session-id")!;
    const leaving = new AbortController();
    void fetch(`${gateway.config.publicUrl}/mcp/shop`, {
      method: "POST",
      headers: {
        accept: "application/json, text/event-stream",
        "content-type": "application/json",
        authorization: `Bearer ${await gateway.mcpToken("alice")}`,
        "mcp-session-id": session,
      },
      body: JSON.stringify(destroy(7)),
      signal: leaving.signal,
    }).catch(() => undefined);
    const approval = await held.approval();
    leaving.abort();
    await expect.poll(() => lastEvent(approval), PATIENT).toBe("not_sent");
    expect(await held.state(approval.id)).toBe("pending");
    const repeated = gateway.post("shop", destroy(8), { session });
    await held.approve(approval.id);
    expect((await repeated).json.result).toMatchObject({ n: 1 });
    expect(await held.approvals()).toHaveLength(1);
  });

  test("with an id to come back with is waited for, and nothing runs until they are there", async () => {
    const session = await gateway.openSession("shop");
    const { client, approval } = await streaming(session);
    const { lastEventId } = client;
    client.leave();
    await new Promise((resolve) => setTimeout(resolve, 300));
    await held.approve(approval.id);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect([await held.state(approval.id), reached()]).toEqual(["approved", []]);
    const back = await streams.open({ session, lastEventId });
    await expect.poll(() => back.messages.at(-1), PATIENT).toContain(`"result"`);
    expect(reached()).toHaveLength(1);
  });

  test("and comes back is told of progress, and of the answer, in order", async () => {
    held.hurry({ progressEveryMs: 200 });
    const session = await gateway.openSession("shop");
    const { client, approval } = await streaming(session);
    const { lastEventId } = client;
    client.leave();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const back = await streams.open({ session, lastEventId });
    await expect.poll(() => back.messages.length, PATIENT).toBeGreaterThan(1);
    await held.approve(approval.id);
    await expect.poll(() => back.isOver, PATIENT).toBe(true);
    const indexes = back.events.map(({ id }) => Number(id?.split("-")[1]));
    expect(indexes).toEqual([...new Set(indexes)].toSorted((one, other) => one - other));
    expect(back.messages.at(-1)).toContain(`"result"`);
  });

  test("for too long finds that it was cancelled", async () => {
    const session = await gateway.openSession("shop");
    const { client, approval } = await streaming(session);
    const { lastEventId } = client;
    client.leave();
    await new Promise((resolve) => setTimeout(resolve, 500));
    await gateway.query("update approval set present_until = now() - interval '1 second'");
    await gateway.get(Jobs).start();
    await expect.poll(() => held.state(approval.id), PATIENT).toBe("cancelled");
    await expect.poll(() => lastEvent(approval), PATIENT).toBe("not_sent");
    const back = await streams.open({ session, lastEventId });
    await expect.poll(() => back.messages.at(-1), PATIENT).toMatch(/-31002/);
    expect(reached()).toEqual([]);
  });
});

describe("a control plane that is started again", () => {
  test("takes up the call of a client that comes back to its stream, with the same number", async () => {
    const session = await gateway.openSession("shop");
    const { client, approval } = await streaming(session);
    const { lastEventId } = client;
    await restart();
    expect(await held.state(approval.id)).toBe("pending");
    await gateway.get(RecordingRecovery).sweep();
    expect(await lastEvent(approval)).not.toMatch(/not_sent|outcome_unknown/);
    const back = await streams.open({ session, lastEventId });
    await expect.poll(() => back.messages.length, PATIENT).toBeGreaterThan(0);
    await held.approve(approval.id);
    await expect.poll(() => back.messages.at(-1), PATIENT).toContain(`"result"`);
    expect(reached()).toEqual([expect.stringContaining(`"id":7`)]);
    expect((await held.approvals()).map(({ state, exchange }) => [state, exchange])).toEqual([
      ["consumed", approval.exchange],
    ]);
    expect(await lastEvent(approval)).toBe("response");
    expect((await gateway.post("shop", toolCall(9, "read", {}), { session })).json.result).toBeDefined();
  });

  test("runs what was approved meanwhile when its client comes back, once", async () => {
    const session = await gateway.openSession("shop");
    const { client, approval } = await streaming(session);
    const { lastEventId } = client;
    await held.approve(approval.id).catch(() => undefined);
    await expect.poll(() => client.messages.at(-1), PATIENT).toContain(`"result"`);
    await restart();
    const back = await streams.open({ session, lastEventId });
    await expect.poll(() => back.messages.at(-1), PATIENT).toContain(`"result"`);
    expect(reached()).toHaveLength(1);
  });

  test("finds the approval of a call that is repeated", async () => {
    held.hurry({ repeatMs: 300 });
    const session = await gateway.openSession("shop");
    await gateway.post("shop", destroy(7), { session });
    const { id } = await held.approval();
    await restart();
    const repeated = gateway.post("shop", destroy(8), { session });
    await new Promise((resolve) => setTimeout(resolve, 500));
    await held.approve(id);
    expect((await repeated).json.result).toMatchObject({ n: 1 });
    expect(await held.approvals()).toHaveLength(1);
  });

  test("finds the approval of a requestState", async () => {
    const alice = new ModernClient(gateway, "shop");
    const message = modernCall(1, "destroy", { n: 1 });
    const waiting = alice.post(message);
    const { id } = await held.approval();
    // What it stops it tells to come back: nobody there has cancelled anything.
    await Promise.all([waiting.then(({ json }) => expect(json.result).toBeDefined()), restartGently()]);
    expect(await held.state(id)).toBe("pending");
    const { requestState } = (await waiting).json.result as { requestState: string };
    const again = alice.post({ ...message, params: { ...message.params, requestState } });
    await new Promise((resolve) => setTimeout(resolve, 500));
    await held.approve(id);
    expect((await again).json.result).toMatchObject({ n: 1 });
  });

  test("says of what nobody came back for that it was not sent", async () => {
    const session = await gateway.openSession("shop");
    const { approval } = await streaming(session);
    await restart();
    await gateway.query(
      "update approval set state = 'cancelled', sealed = null, end_reason = 'its caller has left', ended_at = now()",
    );
    await gateway.get(RecordingRecovery).sweep();
    expect(await lastEvent(approval)).toBe("not_sent");
  });
});

/** As the process does it when it is asked to stop. */
async function restartGently(): Promise<void> {
  await gateway.get(GatewayEndpoint).drain();
  await restart();
}
