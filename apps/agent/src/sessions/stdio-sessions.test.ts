import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { ExchangeFailure } from "@drawbridge/protocol";
import {
  eventually,
  initialize,
  type JsonRpcObject,
  ping,
  resultMessage,
  toolCall,
  withMeta,
} from "@drawbridge/testing";
import { describe, expect, test } from "vitest";
import { stdioTarget, stdioTargetWith, testConfig } from "../fakes/agent-under-test.js";
import { cleanUpAfterEach, onTestEnd, startBench } from "../fakes/agent-bench.js";
import type { FakeSession } from "../fakes/fake-control-plane.js";
import { waitFor } from "../fakes/wait-for.js";
import { isAlive } from "../fakes/process-state.js";

cleanUpAfterEach();

describe("a governed call over stdio", () => {
  test("reaches the target and comes back, ids and numbers untouched", async () => {
    const { openInitialized } = await startBench();
    const session = await openInitialized(stdioTarget());
    session.send(
      2,
      '{ "jsonrpc":"2.0",\n "id":1234567890123456789,\r\n"method":"tools/call","params":{"name":"echo","arguments":{"n":1.0}}}',
    );
    const response = await session.response(2);
    expect(response).toContain('"id":1234567890123456789');
    expect(response).toContain('"structuredContent":{"n":1.0}');
    expect(session.finals(2)).toHaveLength(1);
  });

  test("comes back masked, with counts of what was", async () => {
    const { openInitialized } = await startBench();
    const session = await openInitialized(stdioTarget());
    const answer = JSON.stringify(await session.call(2, toolCall(2, "secrets")));
    for (const secret of [
      "4111 1111 1111 1111",
      "eyJhbGciOiJIUzI1NiIs",
      "correct-horse",
      "ghp_0123",
      "BEGIN PRIVATE KEY",
    ]) {
      expect(answer).not.toContain(secret);
    }
    expect(answer).toContain("[REDACTED:card]");
    expect(session.finals(2)[0]?.masked["card"]).toBeGreaterThan(0);
  });

  test("carries progress and the target's own questions on the call they belong to", async () => {
    const { openInitialized } = await startBench();
    const session = await openInitialized(stdioTarget());
    session.send(2, withMeta(toolCall(2, "slow", { ms: 400 }), { progressToken: "p" }));
    session.send(3, toolCall(3, "sample"));
    const asked = await waitFor(() =>
      session.messages(3).find(({ method }) => method === "sampling/createMessage"),
    );
    session.send(0, resultMessage(String(asked.id), { role: "assistant" }));
    expect(await session.response(3)).toContain('"role":"assistant"');
    await session.response(2);
    expect(
      session.messages(2).filter(({ method }) => method === "notifications/progress").length,
    ).toBeGreaterThan(1);
    expect(session.messages(3).some(({ method }) => method === "notifications/progress")).toBe(false);
  });

  test("carries list changes on no call at all", async () => {
    const { openInitialized } = await startBench();
    const session = await openInitialized(stdioTarget());
    await session.call(2, toolCall(2, "notify"));
    const [change] = await waitFor(() => nonEmpty(session.messages(0)));
    expect(change?.method).toBe("notifications/tools/list_changed");
  });

  test("tells the target when nobody waits any more", async () => {
    const { openInitialized } = await startBench();
    const session = await openInitialized(stdioTarget());
    session.send(2, toolCall("abandoned", "slow", { ms: 60_000 }));
    session.cancel(2);
    expect(JSON.stringify(await session.call(3, toolCall(3, "cancellations")))).toContain("abandoned");
  });

  test("a late response to a call nobody waits for still comes, as its last word", async () => {
    const session = await openOwnServer(DEAF_TO_CANCELLATIONS);
    session.send(2, toolCall(2, "slow", { ms: 300 }));
    session.cancel(2);
    await session.response(2);
    expect(session.finals(2)).toHaveLength(1);
    expect(session.failureOf(2)).toBeUndefined();
  });

  test("ends as unknown when nobody waits for it and its id is used again", async () => {
    const { openInitialized } = await startBench();
    const session = await openInitialized(stdioTarget());
    session.send(2, toolCall("again", "slow", { ms: 60_000 }));
    session.cancel(2);
    session.send(3, ping("again"));
    expect(await session.failure(2)).toMatchObject({
      failure: ExchangeFailure.OUTCOME_UNKNOWN,
      message: "cancelled; the target did not answer",
    });
    await session.response(3);
  });

  test("does not overflow a timer, however long its definition lets it take", async () => {
    const { openInitialized } = await startBench();
    const forever = { exchangeTimeoutMs: 2 ** 32 - 1, idleTimeoutMs: 2 ** 31 };
    const session = await openInitialized({ ...stdioTarget(), ...forever });
    const answer = await session.call(2, toolCall(2, "slow", { ms: 600 }));
    expect(answer.result).toMatchObject({ content: [{ text: "slept 600 ms" }] });
  });

  test("is sent to the target once, however often the control plane sends it", async () => {
    const { openInitialized } = await startBench();
    const file = await counterFile();
    const session = await openInitialized(
      stdioTargetWith({ ...scriptable(), environment: { COUNTER_FILE: file } }),
    );
    session.send(2, toolCall(2, "count", { ms: 100 }));
    session.send(2, toolCall(2, "count", { ms: 100 }));
    await session.response(2);
    session.send(2, toolCall(2, "count", { ms: 100 }));
    await session.call(3, ping(3));
    expect(readFileSync(file, "utf8")).toBe("x");
    expect(session.finals(2)).toHaveLength(1);
  });

  test("ends at its time-out, and the target hears of it", async () => {
    const { openInitialized } = await startBench();
    const session = await openInitialized({ ...stdioTarget(), idleTimeoutMs: 300 });
    session.send(2, toolCall("late", "slow", { ms: 60_000 }));
    expect((await session.failure(2)).failure).toBe(ExchangeFailure.TIMED_OUT);
    expect(JSON.stringify(await session.call(3, toolCall(3, "cancellations")))).toContain("late");
  });

  test("is refused while another one with the same id is in flight", async () => {
    const { openInitialized } = await startBench();
    const session = await openInitialized(stdioTarget());
    session.send(2, toolCall("same", "slow", { ms: 300 }));
    session.send(3, ping("same"));
    expect((await session.failure(3)).failure).toBe(ExchangeFailure.NOT_SENT);
    await session.response(2);
  });
});

describe("what a stdio target does wrong", () => {
  test("a result over the limit is withheld and the session goes on", async () => {
    const { openInitialized } = await startBench(
      testConfig([], { messageBytes: 50_000, maxResultBytes: 100_000 }),
    );
    const session = await openInitialized(stdioTarget());
    session.send(2, toolCall(2, "slow", { ms: 2_000 }));
    session.send(3, toolCall(3, "big", { bytes: 200_000 }));
    expect(await session.failure(3)).toMatchObject({
      failure: ExchangeFailure.RESULT_TOO_LARGE,
      message: expect.stringContaining("100000 bytes") as string,
    });
    expect(await session.call(4, ping(4))).toEqual({ jsonrpc: "2.0", id: 4, result: {} });
    expect(session.failureOf(2)).toBeUndefined();
  });

  test("what is too large for one frame of the control plane goes in pieces, and nothing so large comes", async () => {
    const { openInitialized } = await startBench(testConfig(), { maxMessageBytes: 50_000 });
    const session = await openInitialized(stdioTarget());
    session.send(2, toolCall(2, "big", { bytes: 120_000 }));
    const { payloads, end } = await session.largeResponse(2);
    expect(payloads.map(({ length }) => length <= 50_000)).toEqual([true, true, true]);
    expect(JSON.parse(Buffer.concat(payloads).toString())).toMatchObject({ id: 2 });
    expect(end).toEqual({ exchange: 2, masked: {} });
    session.send(3, toolCall(3, "echo", { text: "x".repeat(60_000) }));
    expect((await session.failure(3)).failure).toBe(ExchangeFailure.NOT_SENT);
  });

  test("a line that is not MCP is left out and reported, too many fail the calls", async () => {
    const { openInitialized } = await startBench();
    const session = await openInitialized(stdioTarget());
    session.send(2, toolCall(2, "rubbish", { text: "token ghp_0123456789abcdefghijABCDEFGHIJ012345" }));
    await eventually(() => session.stderr.includes("a line on stdout that is not MCP was left out"));
    expect(session.failureOf(2)).toBeUndefined();
    session.send(3, toolCall(3, "rubbish"));
    session.send(4, toolCall(4, "rubbish"));
    expect((await session.failure(2)).failure).toBe(ExchangeFailure.BAD_TARGET);
    expect(JSON.stringify(session.frames)).not.toContain("ghp_");
  });

  test("an object that cannot be read in one way only fails the call it answers", async () => {
    const { openInitialized } = await startBench();
    const session = await openInitialized(stdioTarget());
    session.send(2, toolCall(2, "duplicateKey"));
    const { failure, message } = await session.failure(2);
    expect(failure).toBe(ExchangeFailure.BAD_TARGET);
    // The control plane says what a failure is before it adds this.
    expect(message).toMatch(/key/);
    expect(message).not.toContain("MCP");
  });

  test("a target that exits at once is unavailable, with its code and its last words, masked", async () => {
    const { controlPlane } = await startBench();
    const session = await controlPlane.openSession(stdioTarget("--exit-at-once=7"));
    session.send(1, initialize(1));
    expect(await session.failure(1)).toMatchObject({
      failure: ExchangeFailure.TARGET_UNAVAILABLE,
      message: expect.stringContaining("exited with code 7") as string,
    });
    expect(await session.ended()).toContain("exited with code 7");
    await eventually(() => !session.isAttached);
  });

  test("a target that dies in the middle of a call leaves its outcome unknown", async () => {
    const { openInitialized } = await startBench();
    const session = await openInitialized(stdioTarget());
    session.send(2, toolCall(2, "crash", { code: 3 }));
    expect((await session.failure(2)).failure).toBe(ExchangeFailure.OUTCOME_UNKNOWN);
    expect(await session.ended()).toContain("exited with code 3");
  });

  test("a target that closes its stdout and stays is ended, and its call's outcome is unknown", async () => {
    const session = await openOwnServer(STAYS_WITHOUT_STDOUT);
    const child = await pidFrom(session, 2, "pid");
    session.send(3, toolCall(3, "crash"));
    expect(await session.failure(3)).toMatchObject({
      failure: ExchangeFailure.OUTCOME_UNKNOWN,
      message: "the target's process closed its stdout",
    });
    expect(await session.ended()).toBe("the target's process closed its stdout");
    expect(isAlive(child)).toBe(false);
  });

  test("stderr is recorded masked, and no more of it than allowed", async () => {
    const { openInitialized } = await startBench(testConfig([], { stderrBytesPerSecond: 2_000 }));
    const session = await openInitialized(stdioTarget());
    const secret = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
    await session.call(2, toolCall(2, "stderr", { text: `refused for ${secret}` }));
    await eventually(() => session.stderr.includes("refused for"));
    expect(session.stderr).not.toContain(secret);
    await session.call(3, toolCall(3, "stderr", { text: "y".repeat(50_000) }));
    await eventually(() => session.stderr.includes("bytes of stderr were too many to record"));
    expect(session.stderr.length).toBeLessThan(20_000);
  });
});

describe("what this host does not allow", () => {
  test.each([
    ["another command", { command: "/bin/cat", arguments: [] }],
    ["a command that does not exist", { command: "no-such-command", arguments: [] }],
    ["other arguments", { arguments: ["-e", "1"] }],
    ["another directory", { ...scriptable(), workingDirectory: "/etc" }],
    ["another variable", { ...scriptable(), environment: { NODE_OPTIONS: "--import=/evil.mjs" } }],
  ])("%s is refused before anything runs", async (_name, transport) => {
    const { controlPlane } = await startBench();
    const session = await controlPlane.openSession(stdioTargetWith(transport));
    session.send(1, initialize(1));
    expect(await session.failure(1)).toMatchObject({
      failure: ExchangeFailure.NOT_ALLOWED_HERE,
      message: expect.stringContaining("the agent's configuration does not allow") as string,
    });
  });

  test("a command the configuration names and the host lacks is unavailable", async () => {
    const config = testConfig();
    const missing = { command: "/nonexistent/server", arguments: [], directories: [], environment: [] };
    const { controlPlane } = await startBench({ ...config, allow: { commands: [missing], urls: [] } });
    const session = await controlPlane.openSession(stdioTargetWith({ command: "/nonexistent/server" }));
    session.send(1, initialize(1));
    expect(await session.failure(1)).toMatchObject({
      failure: ExchangeFailure.TARGET_UNAVAILABLE,
      message: expect.stringContaining("ENOENT") as string,
    });
  });

  test("an environment too large for a process is a target that cannot be started, and the agent goes on", async () => {
    const { controlPlane, openInitialized } = await startBench();
    const environment = { SOME_NAME: "x".repeat(500_000) };
    const session = await controlPlane.openSession(stdioTargetWith({ ...scriptable(), environment }));
    session.send(1, initialize(1));
    expect(await session.failure(1)).toMatchObject({
      failure: ExchangeFailure.TARGET_UNAVAILABLE,
      message: expect.stringContaining("E2BIG") as string,
    });
    await openInitialized(stdioTarget());
  });

  test("a child sees nothing of the agent's environment but the harmless part and what is declared", async () => {
    const { openInitialized } = await startBench();
    const session = await openInitialized(
      stdioTargetWith({ ...scriptable(), environment: { SOME_NAME: "value" } }),
    );
    const answer = await session.call(2, toolCall(2, "environment"));
    const { names } = (answer.result as { structuredContent: { names: string[] } }).structuredContent;
    expect(names).toContain("SOME_NAME");
    expect(names).not.toContain("AGENT_SECRET");
    expect(names.toSorted()).toEqual(["HOME", "PATH", "SOME_NAME"]);
  });

  test("sessions beyond the limit are refused", async () => {
    const { controlPlane } = await startBench(testConfig([], { sessions: 1 }));
    await controlPlane.openSession(stdioTarget(), { id: "first" });
    const connection = await controlPlane.connection();
    connection.send({ $case: "openSession", value: { sessionId: "second" } });
    const [ended] = await waitFor(() => nonEmpty(connection.endedSessions));
    expect(ended).toMatchObject({
      sessionId: "second",
      reason: expect.stringContaining("limit of 1") as string,
    });
  });
});

describe("the end of a session", () => {
  test("takes the target and all it started with it, even if they ignore being asked", async () => {
    const { openInitialized } = await startBench();
    const session = await openInitialized(stdioTarget("ignore-sigterm"));
    const child = await pidFrom(session, 2, "pid");
    const grandchild = await pidFrom(session, 3, "spawnChild");
    expect([isAlive(child), isAlive(grandchild)]).toEqual([true, true]);
    session.close();
    await eventually(() => !isAlive(child) && !isAlive(grandchild), { timeoutMs: 6_000 });
    await eventually(() => !session.isAttached);
  });

  test("is not waited for when nothing can end the target; the agent stops and says so", async () => {
    const { openInitialized, agent } = await startBench();
    const session = await openInitialized(stdioTarget("ignore-sigterm"));
    const child = await pidFrom(session, 2, "pid");
    // As signals to a process in an uninterruptible sleep.
    const kill = process.kill.bind(process);
    process.kill = (pid, signal) => (pid === -child && signal !== 0 ? true : kill(pid, signal));
    onTestEnd(() => (process.kill = kill));
    const startedAt = performance.now();
    await agent.stop();
    expect(performance.now() - startedAt).toBeLessThan(12_000);
    expect(agent.logs.join("")).toContain("cannot be killed");
    process.kill = kill;
    // The watchdog, which ends with the agent, has sent its own.
    await eventually(() => !isAlive(child));
  }, 20_000);

  test("takes what the target left behind when it exited by itself", async () => {
    const { openInitialized } = await startBench();
    const session = await openInitialized(stdioTarget());
    const grandchild = await pidFrom(session, 2, "spawnChild");
    expect(isAlive(grandchild)).toBe(true);
    session.send(3, toolCall(3, "crash"));
    await session.ended();
    await eventually(() => !isAlive(grandchild));
  });

  test("comes with the agent's, and every open call is told", async () => {
    const { openInitialized, agent } = await startBench();
    const session = await openInitialized(stdioTarget());
    const child = await pidFrom(session, 2, "pid");
    session.send(3, toolCall(3, "slow", { ms: 60_000 }));
    await session.call(4, ping(4));
    await agent.stop();
    expect(isAlive(child)).toBe(false);
    expect((await session.failure(3)).failure).toBe(ExchangeFailure.OUTCOME_UNKNOWN);
    expect(await session.ended()).toBe("the agent is being stopped");
  });
});

describe("back-pressure", () => {
  test("a control plane that does not read stops the target, and gets everything once it reads", async () => {
    const { openInitialized } = await startBench(testConfig([], { bufferedBytes: 100_000 }));
    const session = await openInitialized(stdioTarget());
    session.stopReading();
    const before = process.memoryUsage().rss;
    const calls = Array.from({ length: 60 }, (_, index) => index + 2);
    for (const exchange of calls) session.send(exchange, toolCall(exchange, "big", { bytes: 900_000 }));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(session.finals(61)).toHaveLength(0);
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * 1024 * 1024);
    session.read();
    for (const exchange of calls)
      expect((await session.response(exchange, 20_000)).length).toBeGreaterThan(900_000);
  });
});

function scriptable(): { arguments: string[] } {
  const { transport } = stdioTarget();
  return { arguments: transport?.$case === "stdio" ? transport.value.arguments : [] };
}

async function pidFrom(session: FakeSession, exchange: number, tool: string): Promise<number> {
  const answer: JsonRpcObject = await session.call(exchange, toolCall(exchange, tool));
  return (answer.result as { structuredContent: { pid: number } }).structuredContent.pid;
}

/** Answers every request with its process id after `ms`, whoever cancels it. */
const DEAF_TO_CANCELLATIONS = `
  import { createInterface } from "node:readline";
  import { writeSync } from "node:fs";
  createInterface({ input: process.stdin }).on("line", (line) => {
    const { id, params } = JSON.parse(line);
    if (id === undefined) return;
    const result = { structuredContent: { pid: process.pid } };
    const answer = () => writeSync(1, JSON.stringify({ jsonrpc: "2.0", id, result }) + "\\n");
    if (params?.name !== "crash") setTimeout(answer, params?.arguments?.ms ?? 0);
  });
`;

/** The same, but told to crash it closes its stdout and stays. */
const STAYS_WITHOUT_STDOUT = `
  ${DEAF_TO_CANCELLATIONS}
  import { closeSync } from "node:fs";
  setInterval(() => undefined, 60_000);
  createInterface({ input: process.stdin }).on("line", (line) => {
    if (line.includes('"crash"')) closeSync(1);
  });
`;

/** A session with a server of one's own, for what no well-behaved server does. */
async function openOwnServer(source: string): Promise<FakeSession> {
  const directory = await mkdtemp(path.join(tmpdir(), "drawbridge-server-"));
  onTestEnd(() => rm(directory, { recursive: true }));
  const script = path.join(directory, "server.mjs");
  await writeFile(script, source);
  const rule = { command: process.execPath, arguments: [script], directories: [], environment: [] };
  const config = { ...testConfig(), allow: { commands: [rule], urls: [] } };
  const { openInitialized } = await startBench(config);
  return openInitialized(stdioTargetWith({ arguments: [script] }));
}

async function counterFile(): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), "drawbridge-count-"));
  onTestEnd(() => rm(directory, { recursive: true }));
  return path.join(directory, "count");
}

function nonEmpty<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length > 0 ? list : undefined;
}
