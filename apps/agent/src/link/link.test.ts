import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { eventually, freePort, ping, SCRIPTABLE_SERVER_PATH, toolCall } from "@drawbridge/testing";
import { status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { fetchServerAuthority } from "../enrolment/server-authority.js";
import { stdioTarget, stdioTargetWith, testConfig } from "../fakes/agent-under-test.js";
import { type Bench, cleanUpAfterEach, onTestEnd, startBench } from "../fakes/agent-bench.js";
import { FakeControlPlane, type FakeSession } from "../fakes/fake-control-plane.js";
import { isAlive } from "../fakes/process-state.js";
import { waitFor } from "../fakes/wait-for.js";

cleanUpAfterEach();

describe("the control stream", () => {
  test("says hello with the agent's version, features and isolation, then pings", async () => {
    const { controlPlane } = await startBench();
    const connection = await controlPlane.connection();
    expect(connection.hello).toEqual({
      agentVersion: expect.stringMatching(/^\d+\.\d+\.\d+$/) as string,
      features: expect.arrayContaining(["stdio", "streamable-http"]) as string[],
      isolation: 1,
      keptSessions: [],
    });
    await eventually(() => connection.pings >= 3);
  });

  test("is dialled again quickly when it breaks", async () => {
    const { controlPlane } = await startBench();
    (await controlPlane.connection()).drop();
    const again = await waitFor(
      () => (controlPlane.connections[1]?.isUp ? controlPlane.connections[1] : undefined),
      2_000,
    );
    expect(again.hello?.keptSessions).toEqual([]);
  });

  test("is not fought over when another process has taken it", async () => {
    const { controlPlane, agent } = await startBench();
    (await controlPlane.connection()).supersede();
    await eventually(() => agent.logs.some((line) => line.includes("is the state directory used twice?")));
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(controlPlane.connections).toHaveLength(1);
  });

  test("is tried slowly when the certificate is refused, and the log says what to do", async () => {
    const { controlPlane, agent } = await startBench();
    const connection = await controlPlane.connection();
    controlPlane.refuseConnect = status.PERMISSION_DENIED;
    connection.drop();
    await eventually(() => agent.logs.some((line) => line.includes("join again with a new token")));
    controlPlane.refuseConnect = undefined;
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(controlPlane.connections).toHaveLength(1);
  });

  test("moves to a new connection when the replica drains, sessions and all", async () => {
    const { controlPlane, openInitialized } = await startBench();
    const session = await openInitialized(stdioTarget());
    const pid = await pidOf(session, 2);
    (await controlPlane.connection()).send({ $case: "drain", value: {} });
    await waitFor(() => session.attaches[1]);
    expect(session.attaches[1]).toMatchObject({ resumed: true, epoch: 2 });
    expect(await pidOf(session, 3)).toBe(pid);
  });

  test("logs nothing of what it carries", async () => {
    const { openInitialized, agent } = await startBench();
    const session = await openInitialized(stdioTarget());
    await session.call(2, toolCall(2, "echo", { text: "payload-marker" }));
    await session.call(3, toolCall(3, "secrets"));
    expect(agent.logs.join("")).not.toMatch(/payload-marker|4111|PRIVATE KEY|drawbridge-join/);
  });
});

describe("a control plane that accepts and says nothing", () => {
  test("holds up neither an agent that connects nor one that joins for longer than five seconds", async () => {
    const { controlPlane, agent } = await startBench();
    const address = controlPlane.address;
    await controlPlane.stop();
    const silent = createServer((socket) => socket.on("error", () => undefined));
    silent.listen(address.port, address.host);
    await once(silent, "listening");
    onTestEnd(() => void silent.close());
    const joining = fetchServerAuthority(address, "0".repeat(64));
    await expect(joining).rejects.toThrow("did not finish a TLS handshake within 5 seconds");
    const gaveUp = () =>
      agent.logs.some((line) => line.includes("did not welcome the agent within 5 seconds"));
    await eventually(gaveUp, { timeoutMs: 8_000 });
  });
});

describe("the permission to operate", () => {
  test("ends every session and child when it lapses, and says so at the next connection", async () => {
    const { controlPlane, openInitialized } = await startBench(testConfig(), {
      permissionMs: 600,
      pingIntervalMs: 50,
    });
    const session = await openInitialized(stdioTarget());
    const child = await pidOf(session, 2);
    controlPlane.answersPings = false;
    const silentSince = performance.now();
    await eventually(() => !isAlive(child), { timeoutMs: 5_000 });
    expect(performance.now() - silentSince).toBeGreaterThan(400);
    controlPlane.answersPings = true;
    const report = await waitFor(() => controlPlane.connections.flatMap((each) => each.endedSessions)[0]);
    expect(report).toEqual({ sessionId: session.id, reason: "the agent lost touch with the control plane" });
  });

  test("lapses without a connection, too", async () => {
    const { controlPlane, openInitialized } = await startBench(testConfig(), {
      permissionMs: 700,
      pingIntervalMs: 50,
    });
    const session = await openInitialized(stdioTarget());
    const child = await pidOf(session, 2);
    await controlPlane.stop();
    expect(isAlive(child)).toBe(true);
    await eventually(() => !isAlive(child), { timeoutMs: 5_000 });
  });

  test("is renewed by pongs, so that a session outlives it many times", async () => {
    const { openInitialized } = await startBench(testConfig(), { permissionMs: 300, pingIntervalMs: 50 });
    const session = await openInitialized(stdioTarget());
    const answer = await session.call(2, toolCall(2, "slow", { ms: 1_200 }));
    expect(answer.result).toMatchObject({ content: [{ text: "slept 1200 ms" }] });
  });
});

describe("a session whose stream breaks", () => {
  test("is resumed with the same target, and the call in flight comes back once", async () => {
    const { controlPlane, counter, session } = await startCounting();
    session.send(2, toolCall(2, "count", { ms: 600 }));
    await eventually(() => counter() === 1);
    (await controlPlane.connection()).drop();
    session.drop();
    await waitFor(() => session.attaches[1]);
    expect(session.attaches[1]?.resumed).toBe(true);
    const resumed = await controlPlane.connection();
    expect(resumed.hello?.keptSessions).toEqual([session.id]);
    // The control plane cannot know whether the request arrived, and sends it again.
    session.send(2, toolCall(2, "count", { ms: 600 }));
    expect(await session.response(2)).toContain('"count":1');
    await session.call(3, ping(3));
    expect(counter()).toBe(1);
    expect(session.finals(2)).toHaveLength(1);
  });

  test("is dialled again on the same connection when only the stream broke", async () => {
    const { controlPlane, openInitialized } = await startBench();
    const session = await openInitialized(stdioTarget());
    const pid = await pidOf(session, 2);
    session.drop();
    await waitFor(() => session.attaches[1]);
    expect(session.attaches[1]).toMatchObject({ resumed: true, epoch: 1 });
    expect(controlPlane.connections).toHaveLength(1);
    expect(await pidOf(session, 3)).toBe(pid);
  });

  test("keeps what the target said meanwhile", async () => {
    const { controlPlane, openInitialized } = await startBench();
    const session = await openInitialized(stdioTarget());
    session.send(2, toolCall(2, "slow", { ms: 300 }));
    await session.call(3, ping(3));
    controlPlane.refuseAttach = status.UNAVAILABLE;
    session.drop();
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(session.finals(2)).toEqual([]);
    controlPlane.refuseAttach = undefined;
    expect(await session.response(2)).toContain("slept 300 ms");
  });

  test("says again what may have been lost with the stream, and only results", async () => {
    const { openInitialized } = await startBench();
    const session = await openInitialized(stdioTarget());
    await session.call(2, toolCall(2, "notify"));
    await waitFor(() => session.messages(0)[0]);
    session.drop();
    await eventually(() => session.finals(2).length === 2);
    expect(session.messages(0)).toHaveLength(1);
  });

  test("ends with its target when the control plane no longer knows it", async () => {
    const { controlPlane, openInitialized } = await startBench();
    const session = await openInitialized(stdioTarget());
    const child = await pidOf(session, 2);
    controlPlane.refuseAttach = status.NOT_FOUND;
    session.drop();
    await eventually(() => !isAlive(child));
    expect(session.attaches).toHaveLength(1);
  });

  test("ends when the control plane closes it while it is away", async () => {
    const { controlPlane, openInitialized } = await startBench();
    const session = await openInitialized(stdioTarget());
    const child = await pidOf(session, 2);
    controlPlane.refuseAttach = status.UNAVAILABLE;
    session.drop();
    (await controlPlane.connection()).send({
      $case: "closeSession",
      value: { sessionId: session.id, reason: "revoked" },
    });
    await eventually(() => !isAlive(child));
    expect(session.attaches).toHaveLength(1);
  });

  test("is resumed by a control plane that restarted", async () => {
    const port = await freePort();
    const bench = await startBench(testConfig(), { port, permissionMs: 10_000 });
    const session = await bench.openInitialized(stdioTarget());
    const pid = await pidOf(session, 2);
    await bench.controlPlane.stop();
    const restarted = await FakeControlPlane.start({ authority: bench.controlPlane.authority, port });
    onTestEnd(() => restarted.stop());
    restarted.knowAgentsOf(bench.controlPlane);
    restarted.sessions.set(session.id, session);
    await waitFor(() => session.attaches[1]);
    expect(await pidOf(session, 3)).toBe(pid);
  });
});

describe("the certificate", () => {
  test("is renewed at half of its life, and sessions move to a connection that proves the new one", async () => {
    const { controlPlane, openInitialized, agent } = await startBench(testConfig(), {
      certificateLifeMs: 6_000,
    });
    const first = await controlPlane.connection();
    const before = await agent.state.load();
    const session = await openInitialized(stdioTarget());
    const pid = await pidOf(session, 2);
    session.send(3, toolCall(3, "slow", { ms: 4_500 }));
    const second = await waitFor(() => controlPlane.connections[1], 8_000);
    expect(controlPlane.renewals).toBeGreaterThanOrEqual(1);
    expect(second.serialNumber).not.toBe(first.serialNumber);
    await session.response(3);
    expect(await pidOf(session, 4)).toBe(pid);
    const after = await agent.state.load();
    expect(after?.privateKey).not.toBe(before?.privateKey);
    expect(after?.agentId).toBe(before?.agentId);
    expect(agent.logs.join("")).not.toContain("used twice");
  });
});

async function startCounting(): Promise<Bench & { session: FakeSession; counter: () => number }> {
  const directory = await mkdtemp(path.join(tmpdir(), "drawbridge-count-"));
  onTestEnd(() => rm(directory, { recursive: true }));
  const file = path.join(directory, "count");
  const bench = await startBench();
  const session = await bench.openInitialized(
    stdioTargetWith({ arguments: [SCRIPTABLE_SERVER_PATH], environment: { COUNTER_FILE: file } }),
  );
  return { ...bench, session, counter: () => readFileSync(file, { encoding: "utf8", flag: "a+" }).length };
}

async function pidOf(session: FakeSession, exchange: number): Promise<number> {
  const { result } = await session.call(exchange, toolCall(exchange, "pid"));
  return (result as { structuredContent: { pid: number } }).structuredContent.pid;
}
