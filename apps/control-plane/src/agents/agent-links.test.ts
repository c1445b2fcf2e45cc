import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Era, ExchangeFailure, type TargetDefinition } from "@drawbridge/protocol";
import { status } from "@grpc/grpc-js";
import type { Config } from "../config.js";
import { startTestPlatform, type TestPlatform } from "../platform/fakes/test-platform.js";
import { AgentsService } from "./agents.service.js";
import { EnrolmentService } from "./enrolment.service.js";
import { FakeAgent, type FakeConnection, type FakeSession, makeRequest } from "./fakes/fake-agent.js";
import { FakeListener } from "./fakes/fake-listener.js";
import { ADMIN, SHORT_TIMINGS, startTestAgents, type TestAgents } from "./fakes/test-agents.js";
import { AgentUnavailableError, type SessionLink } from "./session-link.js";
import { MAX_CHUNK_BYTES, MAX_TRANSFERS } from "./session-transfers.js";

const definition: TargetDefinition = {
  name: "shop",
  transport: {
    $case: "stdio",
    value: {
      command: "/usr/bin/shop",
      arguments: ["--stdio"],
      workingDirectory: "",
      environment: { A: "b" },
      limits: undefined,
    },
  },
  exchangeTimeoutMs: 1_000,
  idleTimeoutMs: 0,
};
const WINDOW = SHORT_TIMINGS.permission + SHORT_TIMINGS.slack;

let platform: TestPlatform;
let agents: TestAgents;
let agent: FakeAgent;
let connection: FakeConnection;
let group: string;
let joins = 0;

beforeAll(async () => {
  platform = await startTestPlatform();
  agents = await startTestAgents(platform);
});
afterAll(async () => {
  await agents.stop();
  await platform.stop();
});
beforeEach(async () => {
  group = `group-${(joins += 1)}`;
  agent = await join(group);
  connection = (await agent.connect()).pingEvery(100);
});
afterEach(() => {
  connection.cut();
  agent.close();
});

async function join(ofGroup: string): Promise<FakeAgent> {
  const { privateKey, request } = await makeRequest();
  const response = await agents.app.get(EnrolmentService).join(
    {
      token: await agents.token(ofGroup),
      certificateSigningRequest: request,
      sealingPublicKey: Buffer.alloc(32, 1),
      agentVersion: "0.1.0",
    },
    `10.3.${Math.floor(Math.random() * 250)}.${Math.floor(Math.random() * 250)}`,
  );
  return new FakeAgent(agents.address, { ...response, privateKey });
}

/** Waits for what happens soon. */
async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 800; tries++) {
    if (condition()) return;
    await sleep(10);
  }
  throw new Error("it did not happen");
}

interface Opened {
  readonly sessionId: string;
  readonly link: SessionLink;
  readonly listener: FakeListener;
  readonly stream: FakeSession;
}

async function open(): Promise<Opened> {
  const sessionId = randomUUID();
  const listener = new FakeListener();
  const [link, stream] = await Promise.all([
    agents.links.open({ sessionId, group, definition, era: "legacy", listener }),
    connection.serveNext(),
  ]);
  return { sessionId, link, listener, stream };
}

const request = (exchange: number, text = `request ${exchange}`) => ({
  exchange,
  payload: Buffer.from(text),
  protocolVersion: "2025-11-25",
});

function answer(stream: FakeSession, exchange: number, text: string, final = true): void {
  const payload = Buffer.from(text);
  stream.send({ $case: "message", value: { exchange, payload, masked: { card: 2 }, final } });
}

/** One piece of a large response, the last one of the exchange `end`. */
function piece(stream: FakeSession, transfer: number, text: string, end?: number): void {
  const last = end === undefined ? undefined : { exchange: end, masked: { card: 1 } };
  stream.send({
    $case: "messageChunk",
    value: { transfer, payload: Buffer.from(text), end: last, aborted: false },
  });
}

const abort = (stream: FakeSession, transfer: number) =>
  stream.send({
    $case: "messageChunk",
    value: { transfer, payload: Buffer.alloc(0), end: undefined, aborted: true },
  });

/** Comes back on a new connection with these sessions. */
async function reconnect(kept: readonly string[], pause = 0): Promise<void> {
  connection.cut();
  await sleep(pause);
  connection = (await agent.connect(kept)).pingEvery(100);
}

describe("the tools of a target", () => {
  const tool = (name: string, digest = Buffer.alloc(32, 7)) => ({
    name,
    digest,
    definition: Buffer.from(`{"name":"${name}"}`),
  });
  const say = (stream: FakeSession, tools: ReturnType<typeof tool>[], complete = true, failure = "") =>
    stream.send({ $case: "toolDefinitions", value: { tools, complete, failure } });

  test("are asked for, and heard before the message that comes after them", async () => {
    const { link, listener, stream } = await open();
    expect(link.checksTools).toBe(true);
    link.listTools();
    expect(await stream.next("listTools")).toEqual({});
    await link.send(request(1));
    await stream.next("message");
    say(stream, [tool("read"), tool("read"), tool("write")]);
    say(stream, [tool("later")], false);
    answer(stream, 1, "result");
    await listener.hears("message 1 result");
    expect(listener.heard).toEqual([
      "tools read read write complete",
      "tools later partial",
      "message 1 result final",
    ]);
  });

  test("hold nothing that could not be accepted or called, and nothing of a listing that failed is all", async () => {
    const { listener, stream } = await open();
    const unusable = [tool(""), tool("a\0b"), tool("x".repeat(257)), tool("short", Buffer.alloc(31))];
    say(stream, [...unusable, tool("read")]);
    say(stream, [], true, "it answered with no list");
    await listener.hears("tools it");
    expect(listener.heard).toEqual(["tools read complete", "tools it answered with no list"]);
  });

  test("go with a call as they were accepted", async () => {
    const { link, stream } = await open();
    await link.send({ ...request(1), toolDigest: new Uint8Array(32).fill(9) });
    expect((await stream.next("message")).toolDigest).toEqual(Buffer.alloc(32, 9));
  });

  test("are not asked for of an agent that knows nothing of them", async () => {
    connection.cut();
    connection = (await agent.connect([], ["stdio"])).pingEvery(100);
    const { link, stream } = await open();
    expect(link.checksTools).toBe(false);
    link.listTools();
    await link.send(request(1));
    await until(() => stream.received.length > 0);
    expect(stream.received.map(({ $case }) => $case)).toEqual(["message"]);
  });

  test("are heard at once, whatever another program of a modern session has not read yet", async () => {
    const listener = new FakeListener();
    const barrier = Promise.withResolvers<void>();
    listener.beforeMessage = ({ exchange }) => (exchange === 1 ? barrier.promise : Promise.resolve());
    const sessionId = randomUUID();
    const [link, stream] = await Promise.all([
      agents.links.open({ sessionId, group, definition, era: "modern", listener }),
      connection.serveNext(),
    ]);
    for (const exchange of [1, 2]) await link.send(request(exchange));
    await stream.next("message");
    answer(stream, 1, "slow");
    say(stream, [tool("read")]);
    answer(stream, 2, "list");
    await listener.hears("message 2 list");
    expect(listener.heard).toEqual(["tools read complete", "message 2 list final"]);
    barrier.resolve();
    await listener.hears("message 1 slow");
  });
});

describe("opening a session", () => {
  test("asks an agent of the group, says what the target is and carries messages both ways", async () => {
    const { link, listener, stream } = await open();
    expect(link.agentId).toBe(agent.id);
    await link.send(request(1));
    const message = await stream.next("message");
    expect(message).toEqual({
      exchange: 1,
      payload: Buffer.from("request 1"),
      protocolVersion: "2025-11-25",
      parameterHeaders: {},
      toolDigest: Buffer.alloc(0),
    });
    stream.send({ $case: "stderr", value: { text: Buffer.from("warming up\n") } });
    answer(stream, 1, "progress", false);
    answer(stream, 1, "result");
    await listener.hears("message 1 result");
    expect(listener.heard).toEqual(["stderr warming up\n", "message 1 progress", "message 1 result final"]);
  });

  test("sends the definition whole", async () => {
    const sessionId = randomUUID();
    const opening = agents.links.open({
      sessionId,
      group,
      definition,
      era: "legacy",
      listener: new FakeListener(),
    });
    await connection.control.next("openSession");
    expect(await connection.attach(sessionId).next("open")).toEqual({
      target: definition,
      era: Era.LEGACY,
    });
    await opening;
  });

  test("fails at once without an agent of the group", async () => {
    const opening = agents.links.open({
      sessionId: "s",
      group: "none",
      definition,
      era: "legacy",
      listener: new FakeListener(),
    });
    await expect(opening).rejects.toThrow(AgentUnavailableError);
    expect(agents.links.isOnline("none")).toBe(false);
    expect(agents.links.isOnline(group)).toBe(true);
  });

  test("fails when the agent does not attach in time, and the agent is told to forget it", async () => {
    const sessionId = randomUUID();
    const opening = agents.links.open({
      sessionId,
      group,
      definition,
      era: "legacy",
      listener: new FakeListener(),
    });
    await expect(opening).rejects.toThrow("did not answer in time");
    expect((await connection.control.next("closeSession")).sessionId).toBe(sessionId);
    expect((await connection.attach(sessionId).ended()).code).toBe(status.NOT_FOUND);
  });

  test("fails when the agent says that it cannot", async () => {
    const sessionId = randomUUID();
    const opening = agents.links.open({
      sessionId,
      group,
      definition,
      era: "legacy",
      listener: new FakeListener(),
    });
    await connection.control.next("openSession");
    connection.control.send({ $case: "sessionEnded", value: { sessionId, reason: "at its limit" } });
    await expect(opening).rejects.toThrow("at its limit");
  });

  test("fails when the agent goes away meanwhile", async () => {
    const opening = agents.links.open({
      sessionId: randomUUID(),
      group,
      definition,
      era: "legacy",
      listener: new FakeListener(),
    });
    await connection.control.next("openSession");
    connection.cut();
    await expect(opening).rejects.toThrow(AgentUnavailableError);
  });

  test("prefers the agent with the fewest sessions", async () => {
    const other = await join(group);
    const otherConnection = (await other.connect()).pingEvery(100);
    const used: string[] = [];
    for (let count = 0; count < 4; count += 1) {
      const opening = agents.links.open({
        sessionId: randomUUID(),
        group,
        definition,
        era: "legacy",
        listener: new FakeListener(),
      });
      await Promise.race(
        [connection.serveNext(), otherConnection.serveNext()].map((serving) =>
          serving.catch(() => sleep(9_000)),
        ),
      );
      used.push((await opening).agentId);
    }
    expect(used.filter((id) => id === agent.id)).toHaveLength(2);
    otherConnection.cut();
    other.close();
  });

  test("does not let an agent attach to a session of another", async () => {
    const { sessionId } = await open();
    const thief = await join(group);
    const thiefConnection = await thief.connect();
    expect((await thiefConnection.attach(sessionId, { resumed: true }).ended()).code).toBe(status.NOT_FOUND);
    thiefConnection.control.send({ $case: "sessionEnded", value: { sessionId, reason: "mine" } });
    await sleep(100);
    expect(agents.links.sessionCount(agent.id)).toBe(1);
    thief.close();
  });
});

describe("a session that is attached", () => {
  test("tells the agent of a cancelled call", async () => {
    const { link, stream } = await open();
    await link.send(request(7));
    link.cancel(7, "the client cancelled");
    expect(await stream.next("cancelExchange")).toEqual({ exchange: 7, reason: "the client cancelled" });
  });

  test("passes on how an exchange failed, once, and knows no other failures", async () => {
    const { link, listener, stream } = await open();
    await link.send(request(1));
    await link.send(request(2));
    const failed = (exchange: number, failure: ExchangeFailure) =>
      stream.send({
        $case: "exchangeFailed",
        value: { exchange, failure, message: "why", supportedVersions: [] },
      });
    failed(1, ExchangeFailure.UNMASKABLE);
    failed(1, ExchangeFailure.UNMASKABLE);
    failed(2, ExchangeFailure.UNSPECIFIED);
    await listener.hears("failed 2");
    expect(listener.heard).toEqual([
      `failed 1 ${ExchangeFailure.UNMASKABLE} why`,
      `failed 2 ${ExchangeFailure.OUTCOME_UNKNOWN} why`,
    ]);
  });

  test("passes on what the target speaks, and nothing that no revision looks like", async () => {
    const { link, listener, stream } = await open();
    await link.send(request(1));
    const versions = ["2026-07-28", "not a\nrevision", "x".repeat(33), "2025-11-25"];
    stream.send({ $case: "targetVersions", value: { versions } });
    const failure = ExchangeFailure.ERA_NOT_SPOKEN;
    stream.send({
      $case: "exchangeFailed",
      value: { exchange: 1, failure, message: "no", supportedVersions: versions },
    });
    await listener.hears("failed");
    expect(listener.heard).toEqual([
      "versions 2026-07-28 2025-11-25",
      `failed 1 ${failure} no 2026-07-28 2025-11-25`,
    ]);
  });

  test("carries the parameter headers of a request", async () => {
    const { link, stream } = await open();
    await link.send({ ...request(1), parameterHeaders: { "mcp-param-region": "eu" } });
    expect((await stream.next("message")).parameterHeaders).toEqual({ "mcp-param-region": "eu" });
  });

  test("closes: the agent is told, the listener hears nothing more, nothing can be sent", async () => {
    const { link, listener, stream, sessionId } = await open();
    link.close("the client left");
    expect(await stream.next("close")).toEqual({ reason: "the client left" });
    answer(stream, 0, "late", false);
    expect((await stream.ended()).code).toBe(status.OK);
    await expect(link.send(request(1))).rejects.toThrow(AgentUnavailableError);
    expect(listener.heard).toEqual([]);
    expect((await connection.attach(sessionId, { resumed: true }).ended()).code).toBe(status.NOT_FOUND);
  });

  test("ends with its target, after what the target said before", async () => {
    const { listener, stream } = await open();
    listener.beforeMessage = () => sleep(100);
    answer(stream, 0, "last words", false);
    stream.send({ $case: "targetEnded", value: { reason: "exit code 3" } });
    await listener.hears("ended");
    expect(listener.heard).toEqual(["message 0 last words", "ended exit code 3"]);
  });

  test("ends when the listener fails, and the agent stops the target", async () => {
    const { listener, stream } = await open();
    listener.beforeMessage = () => Promise.reject(new Error("the recording is down"));
    answer(stream, 0, "x", false);
    answer(stream, 0, "y", false);
    await stream.next("close");
    await listener.hears("ended");
    expect(listener.heard).toHaveLength(1);
  });

  test("is not read while the listener is busy", async () => {
    const { listener, stream } = await open();
    const barrier = Promise.withResolvers<void>();
    listener.beforeMessage = () => barrier.promise;
    const megabyte = Buffer.alloc(1024 * 1024, 97);
    let accepted = 0;
    for (let count = 0; count < 40; count += 1) {
      stream.call.write(
        { frame: { $case: "message", value: { exchange: 0, payload: megabyte, masked: {}, final: false } } },
        () => (accepted += 1),
      );
    }
    await sleep(600);
    expect(accepted).toBeLessThan(20);
    barrier.resolve();
    while (listener.heard.length < 40) await sleep(10);
    expect(accepted).toBe(40);
  });

  test("makes a sender wait while the agent does not read", async () => {
    const { link, stream } = await open();
    stream.call.pause();
    let sent = 0;
    const sending: Promise<void>[] = [];
    for (let exchange = 1; exchange <= 40; exchange += 1) {
      sending.push(
        link
          .send({ ...request(exchange), payload: Buffer.alloc(1024 * 1024, 97) })
          .then(() => void (sent += 1)),
      );
    }
    await sleep(600);
    expect(sent).toBeLessThan(30);
    stream.call.resume();
    await Promise.all(sending);
    expect(sent).toBe(40);
  });

  test("bounds what may wait", async () => {
    const { link, stream } = await open();
    stream.call.pause();
    const sending = Array.from({ length: 400 }, (_, index) =>
      link
        .send({ ...request(index + 1), payload: Buffer.alloc(256 * 1024) })
        .catch((error: unknown) => error),
    );
    expect(await sending.at(-1)).toBeInstanceOf(AgentUnavailableError);
    link.close("enough");
    await Promise.all(sending);
  });

  test("refuses what the link cannot carry, and an exchange that is in use", async () => {
    const { link } = await open();
    const tooLarge = { ...request(1), payload: Buffer.alloc(platform.config.maxMessageBytes + 1) };
    await expect(link.send(tooLarge)).rejects.toThrow(AgentUnavailableError);
    await link.send(request(2));
    await expect(link.send(request(2))).rejects.toThrow("used twice");
  });
});

describe("a session whose agent goes away", () => {
  test("goes on when the agent comes back with it; a request that was lost arrives, a result that was repeated is heard once", async () => {
    const { link, listener, stream, sessionId } = await open();
    await link.send(request(1));
    await stream.next("message");
    answer(stream, 1, "first");
    await listener.hears("message 1 first");
    await link.send(request(2));
    await stream.next("message");
    connection.cut();
    const third = link.send(request(3));
    await reconnect([sessionId], 100);
    const resumed = connection.attach(sessionId, { resumed: true });
    await resumed.next("open");
    answer(resumed, 1, "first");
    // Whether request 2 arrived nobody knows: it comes again, and the agent knows it by its exchange.
    expect((await resumed.next("message")).exchange).toBe(2);
    expect((await resumed.next("message")).exchange).toBe(3);
    await third;
    answer(resumed, 2, "second");
    answer(resumed, 3, "third");
    await listener.hears("message 3");
    expect(listener.heard).toEqual([
      "message 1 first final",
      "message 2 second final",
      "message 3 third final",
    ]);
  });

  test("goes on over a new stream of the same connection, old frames first", async () => {
    const { listener, stream, sessionId } = await open();
    const young = connection.attach(sessionId, { resumed: true });
    answer(young, 0, "on the new stream", false);
    await young.next("open");
    answer(stream, 0, "on the old stream", false);
    stream.call.end();
    await listener.hears("message 0 on the new stream");
    expect(listener.heard).toEqual(["message 0 on the old stream", "message 0 on the new stream"]);
  });

  test("keeps its stream while a newer connection of the agent takes over", async () => {
    const { link, listener, stream, sessionId } = await open();
    const old = connection;
    connection = (await agent.connect([sessionId])).pingEvery(100);
    expect((await old.control.ended()).code).toBe(status.ABORTED);
    await link.send(request(1));
    await stream.next("message");
    const young = connection.attach(sessionId, { resumed: true });
    await young.next("open");
    stream.call.end();
    answer(young, 1, "done");
    await listener.hears("message 1 done");
  });

  test("ends when the agent is not back in time; who waits is told that nothing was sent", async () => {
    const { link, listener } = await open();
    connection.cut();
    await sleep(50);
    const startedAt = performance.now();
    await expect(link.send(request(1))).rejects.toThrow(AgentUnavailableError);
    expect(performance.now() - startedAt).toBeGreaterThan(WINDOW - 500);
    expect(await listener.hears("ended")).toContain("agent is lost");
  });

  test("ends at once when the agent comes back without it", async () => {
    const { listener } = await open();
    const startedAt = performance.now();
    await reconnect([]);
    expect(await listener.hears("ended")).toContain("came back without");
    expect(performance.now() - startedAt).toBeLessThan(WINDOW);
  });

  test("ends when the agent attaches it afresh", async () => {
    const { link, listener, sessionId } = await open();
    await link.send(request(1));
    const afresh = connection.attach(sessionId, { resumed: false });
    expect((await afresh.ended()).code).toBe(status.NOT_FOUND);
    expect(await listener.hears("ended")).toContain("is gone");
  });

  test("ends when the agent reports that it did", async () => {
    const { listener, sessionId } = await open();
    connection.control.send({ $case: "sessionEnded", value: { sessionId, reason: "child died" } });
    expect(await listener.hears("ended")).toBe("ended child died");
  });

  test("ends when the agent is removed, and its connection goes whatever the agent does", async () => {
    const { link, listener, stream } = await open();
    await agents.app.get(AgentsService).remove(ADMIN, agent.id);
    expect(await listener.hears("ended")).toContain("removed");
    await expect(link.send(request(1))).rejects.toThrow(AgentUnavailableError);
    await stream.ended();
    expect(agents.links.isOnline(group)).toBe(false);
  });

  test("tells the agent when it is back that a session was closed meanwhile", async () => {
    const { link, sessionId } = await open();
    connection.cut();
    await sleep(50);
    link.close("the client left");
    await reconnect([sessionId]);
    expect((await connection.control.next("closeSession")).sessionId).toBe(sessionId);
    expect((await connection.attach(sessionId, { resumed: true }).ended()).code).toBe(status.NOT_FOUND);
  });

  test("takes back a call that was cancelled before it was sent", async () => {
    const { link, sessionId } = await open();
    connection.cut();
    await sleep(50);
    const sending = link.send(request(1));
    link.cancel(1, "the client cancelled");
    await expect(sending).rejects.toThrow(AgentUnavailableError);
    const second = link.send(request(2));
    await reconnect([sessionId]);
    const resumed = connection.attach(sessionId, { resumed: true });
    expect((await resumed.next("message")).exchange).toBe(2);
    await second;
  });
});

describe("a large response", () => {
  test("comes piece by piece among other messages, and its last piece ends the exchange", async () => {
    const { link, listener, stream } = await open();
    await link.send(request(1));
    await link.send(request(2));
    const masked: unknown[] = [];
    listener.beforeChunk = async ({ end }) => void masked.push(end?.masked);
    piece(stream, 7, "{");
    piece(stream, 8, "[");
    answer(stream, 0, "between", false);
    piece(stream, 7, "}", 1);
    piece(stream, 8, "]", 2);
    answer(stream, 1, "again");
    answer(stream, 0, "last", false);
    await listener.hears("message 0 last");
    expect(listener.heard).toEqual([
      "chunk 7 {",
      "chunk 8 [",
      "message 0 between",
      "chunk 7 } end 1",
      "chunk 8 ] end 2",
      "message 0 last",
    ]);
    expect(masked).toEqual([undefined, undefined, { card: 1 }, { card: 1 }]);
  });

  test("is read no further than its listener does", async () => {
    const { link, listener, stream } = await open();
    await link.send(request(1));
    const { promise, resolve } = Promise.withResolvers<void>();
    let begun = 0;
    listener.beforeChunk = () => {
      begun += 1;
      return promise;
    };
    const mib = "x".repeat(MAX_CHUNK_BYTES);
    let taken = 0;
    for (let count = 1; count <= 40; count += 1) {
      const value = { transfer: 1, payload: Buffer.from(mib), end: undefined, aborted: false };
      stream.call.write({ frame: { $case: "messageChunk", value } }, () => (taken += 1));
    }
    await sleep(500);
    expect(begun).toBe(1);
    expect(taken).toBeLessThan(20);
    resolve();
    piece(stream, 1, "", 1);
    await listener.hears("chunk 1  end 1");
    expect(taken).toBe(40);
  });

  test("of an exchange that is over or was never sent is aborted", async () => {
    const { link, listener, stream } = await open();
    await link.send(request(1));
    await link.send(request(2));
    answer(stream, 1, "done");
    piece(stream, 1, "a");
    piece(stream, 1, "b", 1);
    piece(stream, 2, "nobody has heard of it", 99);
    piece(stream, 3, "nor of this", 0);
    answer(stream, 0, "last", false);
    await listener.hears("message 0 last");
    expect(listener.heard).toEqual([
      "message 1 done final",
      "chunk 1 a",
      "chunk 1  aborted",
      "message 0 last",
    ]);
  });

  test("is not taken while no request is under way that it could answer", async () => {
    const { link, listener, stream } = await open();
    piece(stream, 1, "a");
    answer(stream, 0, "first", false);
    await listener.hears("message 0 first");
    await link.send(request(1));
    answer(stream, 1, "done");
    piece(stream, 2, "a");
    answer(stream, 0, "last", false);
    await listener.hears("message 0 last");
    expect(listener.heard).toEqual(["message 0 first", "message 1 done final", "message 0 last"]);
  });

  test("that the agent aborts says so once", async () => {
    const { link, listener, stream } = await open();
    await link.send(request(1));
    piece(stream, 1, "a");
    abort(stream, 1);
    abort(stream, 1);
    abort(stream, 2);
    answer(stream, 0, "last", false);
    await listener.hears("message 0 last");
    expect(listener.heard).toEqual(["chunk 1 a", "chunk 1  aborted", "message 0 last"]);
  });

  test("with a piece that is too large is withheld, whatever comes of it later", async () => {
    const { link, listener, stream } = await open();
    await link.send(request(1));
    piece(stream, 1, "a");
    piece(stream, 1, "x".repeat(MAX_CHUNK_BYTES + 1));
    piece(stream, 1, "c");
    piece(stream, 1, "d", 1);
    await listener.hears("failed 1");
    expect(listener.heard).toEqual([
      "chunk 1 a",
      "chunk 1  aborted",
      expect.stringContaining(`failed 1 ${ExchangeFailure.RESULT_TOO_LARGE}`),
    ]);
  });

  test("is withheld while too many are under way", async () => {
    const { link, listener, stream } = await open();
    await link.send(request(1));
    await link.send(request(2));
    for (let transfer = 1; transfer <= MAX_TRANSFERS; transfer += 1) piece(stream, transfer, "a");
    piece(stream, 50, "a");
    abort(stream, 3);
    piece(stream, 50, "b", 1);
    piece(stream, 51, "c", 2);
    await listener.hears("chunk 51");
    expect(listener.heard.slice(MAX_TRANSFERS)).toEqual([
      "chunk 3  aborted",
      expect.stringContaining(`failed 1 ${ExchangeFailure.RESULT_TOO_LARGE}`),
      "chunk 51 c end 2",
    ]);
  });

  test("does not go on after its stream was lost: the rest is not taken for a beginning", async () => {
    const { link, listener, stream, sessionId } = await open();
    await link.send(request(1));
    await link.send(request(2));
    piece(stream, 1, "a");
    await listener.hears("chunk 1 a");
    await reconnect([sessionId]);
    const resumed = connection.attach(sessionId, { resumed: true });
    await resumed.next("open");
    piece(resumed, 1, "b");
    piece(resumed, 1, "c", 1);
    piece(resumed, 2, "another", 2);
    await listener.hears("chunk 2");
    expect(listener.heard).toEqual([
      "chunk 1 a",
      "chunk 1  aborted",
      expect.stringContaining(`failed 1 ${ExchangeFailure.RESULT_CUT_OFF}`),
      "chunk 2 another end 2",
    ]);
  });

  test("is complete when its last piece was read before a newer stream took over", async () => {
    const { link, listener, stream, sessionId } = await open();
    await link.send(request(1));
    piece(stream, 1, "a");
    await listener.hears("chunk 1");
    connection.attach(sessionId, { resumed: true });
    piece(stream, 1, "b", 1);
    stream.call.end();
    await listener.hears("chunk 1 b end 1");
    expect(listener.heard).toEqual(["chunk 1 a", "chunk 1 b end 1"]);
  });
});

describe("a target that fails", () => {
  const health = (on: FakeConnection, failures: number, reason = "it ended with code 1", target = "shop") =>
    on.control.send({
      $case: "targetHealth",
      value: { target, failures, reason, retryAfterMs: 60_000 },
    });
  const failing = async (failures: number | undefined) => {
    await until(() => agents.links.failing("shop")?.failures === failures);
    return agents.links.failing("shop");
  };

  test("is known with its reason until it works again", async () => {
    health(connection, 3);
    const soon = Date.now() + 60_000;
    const known = await failing(3);
    expect(known?.reason).toBe("it ended with code 1");
    expect(Math.abs(known!.retryAt.getTime() - soon)).toBeLessThan(10_000);
    expect(agents.links.failing("other")).toBeUndefined();
    health(connection, 0);
    expect(await failing(undefined)).toBeUndefined();
  });

  test("is as bad as where it fails most, and forgotten with its agent", async () => {
    const other = await join(group);
    const otherConnection = (await other.connect()).pingEvery(100);
    health(connection, 2, "here");
    health(otherConnection, 5, "there");
    expect((await failing(5))?.reason).toBe("there");
    otherConnection.cut();
    expect((await failing(2))?.reason).toBe("here");
    other.close();
    await reconnect([]);
    expect(await failing(undefined)).toBeUndefined();
  });

  test("takes no memory without end", async () => {
    for (let count = 0; count < 1_100; count += 1) health(connection, 1, "r".repeat(5_000), `t${count}`);
    health(connection, 4);
    health(connection, 0, "", "t0");
    health(connection, 1);
    expect((await failing(1))?.failures).toBe(1);
    expect(agents.links.failing("t1")?.reason).toHaveLength(1_000);
    expect(agents.links.failing("t1050")).toBeUndefined();
  });
});

describe("a control plane that was started again", () => {
  /** Another replica on the same database, to which the agent moves. */
  async function restart(kept: readonly string[], settings: Partial<Config> = {}): Promise<TestAgents> {
    connection.cut();
    const again = await startTestAgents(platform, SHORT_TIMINGS, settings);
    agent = agent.with({ address: again.address });
    if (kept.length > 0) connection = (await agent.connect(kept)).pingEvery(100);
    return again;
  }

  test("takes up a session that its agent still holds, and hears what was said meanwhile", async () => {
    const { sessionId } = await open();
    const again = await restart([sessionId]);
    const waiting = connection.attach(sessionId, { resumed: true });
    await waiting.next("open");
    answer(waiting, 0, "meanwhile", false);
    await sleep(100);
    const listener = new FakeListener();
    const link = await again.links.open({
      sessionId,
      group,
      agentId: agent.id,
      definition,
      era: "legacy",
      listener,
    });
    await listener.hears("message 0 meanwhile");
    await link.send(request(9));
    expect((await waiting.next("message")).exchange).toBe(9);
    await again.stop();
  });

  test("waits for the agent to come back", async () => {
    const { sessionId } = await open();
    const again = await restart([]);
    const listener = new FakeListener();
    const opening = again.links.open({
      sessionId,
      group,
      agentId: agent.id,
      definition,
      era: "legacy",
      listener,
    });
    await sleep(200);
    connection = (await agent.connect([sessionId])).pingEvery(100);
    await connection.control.next("openSession");
    connection.attach(sessionId, { resumed: true });
    expect((await opening).agentId).toBe(agent.id);
    await again.stop();
  });

  test("lets a session go that nobody takes up for as long as a session may idle", async () => {
    const { sessionId } = await open();
    const again = await restart([sessionId], { sessionIdleMs: 200 });
    const waiting = connection.attach(sessionId, { resumed: true });
    await waiting.next("open");
    expect((await waiting.ended()).code).toBe(status.NOT_FOUND);
    expect(again.links.sessionCount(agent.id)).toBe(0);
    await again.stop();
  });

  test("says that the target is gone when the agent no longer holds it", async () => {
    const { sessionId } = await open();
    const again = await restart([randomUUID()]);
    const opening = again.links.open({
      sessionId,
      group,
      agentId: agent.id,
      definition,
      era: "legacy",
      listener: new FakeListener(),
    });
    await expect(opening).rejects.toThrow("the target of this session is gone");
    await again.stop();
  });

  test("says so too when the agent attaches it afresh", async () => {
    const { sessionId } = await open();
    const again = await restart([sessionId]);
    const opening = again.links.open({
      sessionId,
      group,
      agentId: agent.id,
      definition,
      era: "legacy",
      listener: new FakeListener(),
    });
    await connection.control.next("openSession");
    connection.attach(sessionId, { resumed: false });
    await expect(opening).rejects.toThrow("the target of this session is gone");
    await again.stop();
  });

  test("gives up an agent that does not come back", async () => {
    const { sessionId } = await open();
    const again = await restart([]);
    const opening = again.links.open({
      sessionId,
      group,
      agentId: agent.id,
      definition,
      era: "legacy",
      listener: new FakeListener(),
    });
    await expect(opening).rejects.toThrow(AgentUnavailableError);
    await again.stop();
  });
});

test("a control plane that stops drains its agents and leaves their sessions to them", async () => {
  const stopping = await startTestAgents(platform);
  const mine = (await agent.with({ address: stopping.address }).connect()).pingEvery(100);
  const listener = new FakeListener();
  const [, stream] = await Promise.all([
    stopping.links.open({ sessionId: randomUUID(), group, definition, era: "legacy", listener }),
    mine.serveNext(),
  ]);
  const stopped = stopping.stop();
  await mine.control.next("drain");
  expect((await mine.control.ended()).code).toBe(status.UNAVAILABLE);
  expect((await stream.ended()).code).toBe(status.UNAVAILABLE);
  await stopped;
  expect(listener.heard).toEqual([]);
});
