import { readFileSync } from "node:fs";
import { randomUUID } from "node:crypto";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually, initialize, type JsonRpcObject, toolsList } from "@drawbridge/testing";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { postRaw, type RawSession } from "./raw-session.js";
import { scriptable, System } from "./system.js";

vi.setConfig({ testTimeout: 90_000 });

const UNKNOWN = -31_006;
const UNRECORDED = -31_004;
/** How long an agent holds what it runs without hearing from its control plane. */
const PERMISSION_MS = 15_000;

let system: System;
beforeAll(async () => {
  system = await System.start({ allow: { commands: scriptable([]) } });
  await system.applyScriptable("script");
});
afterAll(() => system?.stop());

/** Whatever a test killed is back: the next one starts from a whole system. */
afterEach(async () => {
  if (!system.controlPlane.runs) await system.startControlPlane();
  if (!system.agent.runs) await system.startAgent();
  await system.agentIsConnected();
});

interface CallUnderWay {
  /** How it ended for the caller: with a message, or with a connection that broke. */
  readonly outcome: Promise<{ answer?: JsonRpcObject; broken?: unknown }>;
  /** How often the target did it. */
  readonly times: () => number;
}

/** A call that has had its effect and takes `ms` more to answer, with signs of progress. */
async function beginCall(session: RawSession, ms: number): Promise<CallUnderWay> {
  const file = path.join(system.directory, `count-${randomUUID()}`);
  const times = () => readFileSync(file).length;
  const outcome = session.call("count", { file, ms }).then(
    (answer) => ({ answer }),
    (broken: unknown) => ({ broken }),
  );
  await eventually(() => times() === 1);
  return { outcome, times };
}

/** What must be true after every disaster: the call ran once, its recording says so, is whole and has all we heard. */
async function expectHonestRecording(
  id: string,
  { call, session, kind }: { call: CallUnderWay; session: RawSession; kind: string },
): Promise<void> {
  await system.api().eventOf(id, { kind, tool: "count" });
  expect(call.times()).toBe(1);
  const events = await system.api().events(id);
  const ends = events.filter(({ exchange, kind: of }) => {
    const counted = events.find(({ name }) => name === "count")?.exchange;
    return exchange === counted && ["response", "outcome_unknown", "not_sent"].includes(of);
  });
  expect(ends.map(({ kind: of }) => of)).toEqual([kind]);
  const recorded = new Set(events.map(({ payload }) => payload));
  expect(saidByTheTarget(session).filter((text) => !recorded.has(text))).toEqual([]);
  expect(await system.api().verify(id)).toMatchObject({ ok: true });
}

/** Results and notifications; errors are the control plane's own. */
function saidByTheTarget({ heard }: RawSession): string[] {
  return heard.filter((text) => (JSON.parse(text) as JsonRpcObject).error === undefined);
}

/** The system works, and when the session is over nothing of it runs. */
async function expectRecovered(): Promise<void> {
  const session = await eventually(() => system.open("script"), { timeoutMs: 20_000 });
  expect(await session.demand("echo", { after: "the disaster" })).toEqual({ after: "the disaster" });
  await session.close();
  await eventually(async () => (await system.children()).length === 0, { timeoutMs: 10_000 });
  expect(await system.openSessions()).toBe(0);
}

async function expectNoSuchSession(session: RawSession): Promise<void> {
  const answer = await session.post(toolsList(900));
  expect(answer).toMatchObject({ status: 404, messages: [{ error: { code: -32_001 } }] });
  expect(answer.text).toContain("send initialize to open a new one");
}

describe("kill -9 of the agent in the middle of a call", () => {
  test("tells the caller that the outcome is unknown, and leaves no child", async () => {
    const session = await system.open("script");
    await session.demand("echo", { before: 1 });
    const id = await system.newestRecording("script");
    const call = await beginCall(session, 60_000);
    await system.agent.kill();
    await eventually(async () => (await system.children()).length === 0);
    const { answer } = await call.outcome;
    expect(answer?.error?.code).toBe(UNKNOWN);
    expect(answer?.error?.message).toMatch(/not known, and it is not repeated/);
    await expectHonestRecording(id, { call, session, kind: "outcome_unknown" });

    const refused = await postRaw(await system.door("script"), initialize(1));
    expect(refused).toMatchObject({ status: 503, sessionId: undefined });
    expect(refused.text).toContain("nothing ran");

    await system.startAgent();
    await expectNoSuchSession(session);
    await expectRecovered();
    expect(call.times()).toBe(1);
  });

  test("is told as soon as the agent is back, if that is sooner", async () => {
    const session = await system.open("script");
    const id = await system.newestRecording("script");
    const call = await beginCall(session, 60_000);
    const killedAt = Date.now();
    await system.agent.kill();
    await system.startAgent();
    expect((await call.outcome).answer?.error?.code).toBe(UNKNOWN);
    expect(Date.now() - killedAt).toBeLessThan(PERMISSION_MS);
    await expectHonestRecording(id, { call, session, kind: "outcome_unknown" });
    await expectRecovered();
  });
});

describe("kill -9 of the control plane in the middle of a call", () => {
  test("breaks the connection; the session goes on with the same process, the call is not repeated", async () => {
    const session = await system.open("script");
    const child = await session.pid();
    const id = await system.newestRecording("script");
    // Both at once: one shows progress, the other has an effect.
    const slow = session
      .call("slow", { ms: 60_000 }, { progressToken: 1 })
      .catch((broken: unknown) => ({ broken }));
    await eventually(() => session.heard.some((text) => text.includes("notifications/progress")));
    const call = await beginCall(session, 1_500);
    await system.controlPlane.kill();
    expect(await call.outcome).toHaveProperty("broken");
    expect(await slow).toHaveProperty("broken");

    await sleep(PERMISSION_MS / 2);
    await system.startControlPlane();
    expect(await session.pid()).toBe(child);
    await expectHonestRecording(id, { call, session, kind: "outcome_unknown" });
    await system.api().eventOf(id, { kind: "outcome_unknown", tool: "slow" });
    await session.close();
    await expectRecovered();
    expect(await system.api().verify(id)).toMatchObject({ ok: true, final: true });
    expect(call.times()).toBe(1);
  });

  test("ends the session and its process when it stays away for longer than an agent may act alone", async () => {
    const session = await system.open("script");
    const id = await system.newestRecording("script");
    const call = await beginCall(session, 60_000);
    await system.controlPlane.kill();
    await eventually(async () => (await system.children()).length === 0, {
      timeoutMs: PERMISSION_MS + 5_000,
    });
    await system.startControlPlane();
    await system.agentIsConnected();
    await expectNoSuchSession(session);
    await expectHonestRecording(id, { call, session, kind: "outcome_unknown" });
    await expectRecovered();
    expect(call.times()).toBe(1);
  });

  test("together with the agent leaves no child and no open session", async () => {
    const session = await system.open("script");
    const id = await system.newestRecording("script");
    const call = await beginCall(session, 60_000);
    await Promise.all([system.controlPlane.kill(), system.agent.kill()]);
    await eventually(async () => (await system.children()).length === 0);
    await system.startControlPlane();
    await system.startAgent();
    await expectNoSuchSession(session);
    await expectHonestRecording(id, { call, session, kind: "outcome_unknown" });
    await expectRecovered();
    expect(call.times()).toBe(1);
  });
});

describe("kill -9 of Postgres in the middle of a call", () => {
  test("withholds what cannot be recorded, refuses what comes meanwhile, and goes on by itself", async () => {
    const session = await system.open("script");
    const child = await session.pid();
    const id = await system.newestRecording("script");
    const call = await beginCall(session, 2_000);
    await system.killPostgres();

    const meanwhile = await session.post(toolsList(901));
    expect(meanwhile.status).toBe(503);
    expect(meanwhile.text).toMatch(/could not be recorded, so it was not sent; try again in a moment/);
    const { answer } = await call.outcome;
    expect(answer?.error?.code).toBe(UNRECORDED);
    expect(answer?.error?.message).toMatch(/ran, but its result could not be recorded and is withheld/);
    expect((await fetch(`${system.publicUrl}/healthz`)).status).toBe(503);

    await system.startPostgresAgain();
    await system.isReady();
    await expectHonestRecording(id, { call, session, kind: "outcome_unknown" });
    expect(await session.pid()).toBe(child);
    await session.close();
    await expectRecovered();
    expect(call.times()).toBe(1);
    expect(await system.api().verify(id)).toMatchObject({ ok: true, final: true });
  });

  test("is not even noticed by a call that outlasts the outage", async () => {
    const session = await system.open("script");
    const id = await system.newestRecording("script");
    const call = await beginCall(session, 5_000);
    await system.killPostgres();
    await system.startPostgresAgain();
    expect((await call.outcome).answer?.result).toMatchObject({ structuredContent: { count: 1 } });
    await expectHonestRecording(id, { call, session, kind: "response" });
    await session.close();
    await expectRecovered();
  });
});

describe("the end of a target's process in the middle of a call", () => {
  test("is told to its caller alone, who can initialize again", async () => {
    const [session, other] = [await system.open("script"), await system.open("script")];
    const id = (await system.api().recordings("script"))[1]?.id ?? "";
    const [child, unharmed] = [await session.pid(), await other.pid()];
    const call = await beginCall(session, 60_000);
    process.kill(child, "SIGKILL");
    const { answer } = await call.outcome;
    expect(answer?.error?.code).toBe(UNKNOWN);
    await expectHonestRecording(id, { call, session, kind: "outcome_unknown" });
    await expectNoSuchSession(session);
    expect(await other.pid()).toBe(unharmed);
    await other.close();
    await expectRecovered();
  });

  test("takes along what the target has started", async () => {
    const session = await system.open("script");
    await session.demand("spawnChild");
    expect((await system.children()).length).toBe(2);
    process.kill(await session.pid(), "SIGKILL");
    await eventually(async () => (await system.children()).length === 0);
  });
});

describe("a restart of the agent", () => {
  test("ends the sessions it had: their clients get 404 and initialize again", async () => {
    const session = await system.open("script");
    const id = await system.newestRecording("script");
    await session.demand("echo", { before: "the restart" });
    await system.agent.stop();
    expect(await system.children()).toEqual([]);
    await system.startAgent();
    await expectNoSuchSession(session);
    await expectRecovered();
    expect(await system.api().verify(id)).toMatchObject({ ok: true, final: true });
  });
});
