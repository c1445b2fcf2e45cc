import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import {
  ConnectRequest,
  ExchangeFailure,
  Isolation,
  SessionRequest,
  type TargetDefinition,
} from "@drawbridge/protocol";
import { fuzz, mutatedBytes, mutatedMessage, type Random, TARGET_MESSAGES } from "@drawbridge/testing";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { startTestPlatform, type TestPlatform } from "../platform/fakes/test-platform.js";
import { EnrolmentService } from "./enrolment.service.js";
import { FakeAgent, type FakeConnection, makeRequest } from "./fakes/fake-agent.js";
import { type RawStream, rawStream } from "./fakes/raw-stream.js";
import { FakeListener } from "./fakes/fake-listener.js";
import { startTestAgents, type TestAgents } from "./fakes/test-agents.js";
import { DEFAULT_TIMINGS } from "./link-timings.js";
import type { SessionLink } from "./session-link.js";

const WAIT_MS = 8_000;
const EXCHANGES = [1, 2, 3, 4];
/** Answered by the test in the right way after all the wrong ones. */
const LAST_EXCHANGE = 5;
const NEIGHBOUR_EVERY = 20;
const definition: TargetDefinition = {
  name: "shop",
  transport: undefined,
  exchangeTimeoutMs: 0,
  idleTimeoutMs: 0,
};

let platform: TestPlatform;
let agents: TestAgents;
let hostile: FakeConnection;
/** Has no sessions; only its control streams are bad. */
let restless: FakeAgent;
let neighbour: {
  sessionId: string;
  link: SessionLink;
  listener: FakeListener;
  answer: (exchange: number) => Promise<void>;
};
const joined: FakeAgent[] = [];

beforeAll(async () => {
  platform = await startTestPlatform();
  agents = await startTestAgents(platform, { ...DEFAULT_TIMINGS, handover: 100, firstFrame: 1_000 });
  hostile = (await (await join("hostile")).connect()).pingEvery(1_000);
  restless = await join("restless");
  neighbour = await startNeighbour();
});
afterAll(async () => {
  hostile?.cut();
  for (const agent of joined) agent.close();
  await agents.stop();
  await platform.stop();
});

async function join(group: string): Promise<FakeAgent> {
  const { privateKey, request } = await makeRequest();
  const fields = {
    token: await agents.token(group),
    certificateSigningRequest: request,
    sealingPublicKey: Buffer.alloc(32, 1),
    agentVersion: "0.1.0",
  };
  const response = await agents.app.get(EnrolmentService).join(fields, `10.4.0.${joined.length + 1}`);
  const agent = new FakeAgent(agents.address, { ...response, privateKey });
  joined.push(agent);
  return agent;
}

async function startNeighbour(): Promise<typeof neighbour> {
  const connection = (await (await join("neighbour")).connect()).pingEvery(1_000);
  const listener = new FakeListener();
  const opening = {
    sessionId: randomUUID(),
    group: "neighbour",
    definition,
    era: "legacy",
    listener,
  } as const;
  const [link, stream] = await Promise.all([agents.links.open(opening), connection.serveNext()]);
  const answer = async (exchange: number): Promise<void> => {
    assert.equal((await stream.next("message")).exchange, exchange);
    const payload = Buffer.from(`answer ${exchange}`);
    stream.send({ $case: "message", value: { exchange, payload, masked: {}, final: true } });
  };
  return { sessionId: opening.sessionId, link, listener, answer };
}

// ── frames ───────────────────────────────────────────────────────────────────────────────────────────────────────────

type Frame = NonNullable<SessionRequest["frame"]>;

const HUGE = [2 ** 32 - 1, 2 ** 53 - 1, 2 ** 31];
const exchangeNumber = (random: Random): number => (random.oneIn(8) ? random.pick(HUGE) : random.below(7));
const transferNumber = (random: Random): number =>
  random.oneIn(16) ? random.pick([2 ** 32 - 1, 2 ** 31]) : random.below(40);
const text = (random: Random): string => (random.oneIn(8) ? "x".repeat(random.below(5_000)) : "why");
const counts = (random: Random): Record<string, number> =>
  random.oneIn(4) ? { card: 2 ** 32 - 1, __proto__x: 1, constructor: 2 } : {};

const FRAMES: readonly ((random: Random) => Frame)[] = [
  (random) => ({
    $case: "message",
    value: {
      exchange: exchangeNumber(random),
      payload: mutatedMessage(random, TARGET_MESSAGES),
      masked: counts(random),
      final: random.oneIn(2),
    },
  }),
  (random) => ({
    $case: "messageChunk",
    value: {
      transfer: transferNumber(random),
      payload: random.oneIn(8) ? Buffer.alloc(0) : mutatedMessage(random, TARGET_MESSAGES),
      end: random.oneIn(3) ? { exchange: exchangeNumber(random), masked: counts(random) } : undefined,
      aborted: random.oneIn(8),
    },
  }),
  (random) => ({
    $case: "exchangeFailed",
    value: {
      exchange: exchangeNumber(random),
      failure: random.pick([...FAILURES, 99 as ExchangeFailure]),
      message: text(random),
      supportedVersions: Array.from({ length: random.below(40) }, () => text(random)),
    },
  }),
  (random) => ({ $case: "targetVersions", value: { versions: ["2025-11-25", text(random)] } }),
  (random) => ({ $case: "stderr", value: { text: Buffer.from(text(random)) } }),
];
const FAILURES = Object.values(ExchangeFailure).filter((value) => typeof value === "number");
/** After which a session is over. */
const ENDINGS: readonly ((random: Random) => Frame)[] = [
  (random) => ({ $case: "targetEnded", value: { reason: text(random) } }),
  () => ({ $case: "attach", value: { sessionId: "again", epoch: 1, resumed: true } }),
];
const CONTROL: readonly ((random: Random) => NonNullable<ConnectRequest["frame"]>)[] = [
  (random) => ({
    $case: "hello",
    value: {
      agentVersion: text(random),
      features: ["stdio", text(random)],
      isolation: random.pick([Isolation.NONE, 77 as Isolation]),
      keptSessions: Array.from({ length: random.below(4) }, () => text(random)),
    },
  }),
  (random) => ({ $case: "ping", value: { sequence: transferNumber(random) } }),
  (random) => ({ $case: "sessionEnded", value: { sessionId: text(random), reason: text(random) } }),
  (random) => ({
    $case: "targetHealth",
    value: { target: text(random), failures: 3, retryAfterMs: 2 ** 32 - 1, reason: text(random) },
  }),
];

/** Frames with their lengths before them; the first byte says on which kind of stream they go. */
function generate(random: Random): Uint8Array {
  const isControl = random.oneIn(8);
  const frames = Array.from({ length: 1 + random.below(12) }, (_, index) => {
    const bytes = isControl ? controlFrame(random, index) : sessionFrame(random);
    return random.oneIn(12) ? mutatedBytes(bytes, random) : Buffer.from(bytes);
  });
  const parts = frames.flatMap((frame) => [Buffer.of(frame.length >> 8, frame.length & 0xff), frame]);
  return Buffer.concat([Buffer.of(isControl ? 1 : 0), ...parts]);
}

function sessionFrame(random: Random): Uint8Array {
  const frame = random.oneIn(40) ? random.pick(ENDINGS)(random) : random.pick(FRAMES)(random);
  return SessionRequest.encode({ frame }).finish();
}

function controlFrame(random: Random, index: number): Uint8Array {
  const make = index === 0 && !random.oneIn(4) ? CONTROL[0] : random.pick(CONTROL);
  return ConnectRequest.encode({ frame: make?.(random) }).finish();
}

function framesIn(bytes: Uint8Array): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 1; at + 2 <= bytes.length;) {
    const length = ((bytes[at] ?? 0) << 8) + (bytes[at + 1] ?? 0);
    frames.push(Buffer.from(bytes.subarray(at + 2, at + 2 + length)));
    at += 2 + length;
  }
  return frames;
}

async function inTime(what: string, happening: Promise<unknown>): Promise<void> {
  const done = new AbortController();
  const late = sleep(WAIT_MS, "late", { signal: done.signal }).catch(() => undefined);
  try {
    if ((await Promise.race([happening, late])) === "late") throw new Error(`${what} did not happen`);
  } finally {
    done.abort();
  }
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + WAIT_MS;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`${what} did not happen`);
    await sleep(1);
  }
}

// ── what must hold ───────────────────────────────────────────────────────────────────────────────────────────────────

/** A session whose agent says all this: it ends cleanly, each call at most once, and nothing is heard that was not said. */
async function checkSession(frames: readonly Buffer[]): Promise<void> {
  const sessionId = randomUUID();
  const listener = new FakeListener();
  const opening = agents.links.open({ sessionId, group: "hostile", definition, era: "legacy", listener });
  const stream = rawStream(hostile.client, "session");
  const attach = { sessionId, epoch: hostile.epoch, resumed: false };
  await hostile.control.next("openSession");
  stream.call.write(SessionRequest.encode({ frame: { $case: "attach", value: attach } }).finish());
  const link = await opening;
  for (const exchange of [...EXCHANGES, LAST_EXCHANGE]) {
    await link.send({ exchange, payload: Buffer.from("call"), protocolVersion: "2025-11-25" });
  }
  for (const frame of frames) stream.call.write(frame);
  await endInOrder(stream, listener);
  link.close("done");
  stream.call.end();
  await inTime("the end of the stream", stream.status);
  await until("the end of the session", () => agents.links.sessionCount(link.agentId) === 0);
  assertHeardRightly(listener.heard, frames);
}

/** The last exchange is answered, unless what came before has ended the stream. */
async function endInOrder(stream: RawStream, listener: FakeListener): Promise<void> {
  const value = { exchange: LAST_EXCHANGE, payload: Buffer.from("last"), masked: {}, final: true };
  stream.call.write(SessionRequest.encode({ frame: { $case: "message", value } }).finish());
  const isHeard = () => endsOf(listener.heard, LAST_EXCHANGE).length > 0;
  await until("an answer or an end", () => isHeard() || stream.isOver());
}

function endsOf(heard: readonly string[], exchange: number): string[] {
  return heard.filter(
    (line) =>
      line.startsWith(`failed ${exchange} `) ||
      (line.startsWith(`message ${exchange} `) && line.endsWith(" final")) ||
      (line.startsWith("chunk ") && line.endsWith(` end ${exchange}`)),
  );
}

function assertHeardRightly(heard: readonly string[], frames: readonly Buffer[]): void {
  for (const exchange of [...EXCHANGES, LAST_EXCHANGE]) {
    assert.ok(endsOf(heard, exchange).length <= 1, `exchange ${exchange} ended twice: ${heard.join(" | ")}`);
  }
  const end = heard.findIndex((line) => line.startsWith("ended "));
  assert.ok(end === -1 || end === heard.length - 1, "something is heard after the end");
  const said = new Set(frames.flatMap(messagesIn).concat("last"));
  for (const line of heard) {
    const [, message] = /^message \d+ (.*?)(?: final)?$/s.exec(line) ?? [];
    assert.ok(message === undefined || said.has(message), `nobody said ${message}`);
  }
}

function messagesIn(bytes: Buffer): string[] {
  try {
    const { frame } = SessionRequest.decode(bytes);
    return frame?.$case === "message" ? [frame.value.payload.toString()] : [];
  } catch {
    return [];
  }
}

/** A control stream that says all this ends when it has to or when the agent ends it. */
async function checkControl(frames: readonly Buffer[]): Promise<void> {
  const client = restless.dial();
  const stream = rawStream(client, "connect");
  for (const frame of frames) stream.call.write(frame);
  stream.call.end();
  await inTime("the end of the control stream", stream.status);
  client.close();
}

/** Somebody else's session is not to be had, and goes on. */
async function checkNeighbour(frames: readonly Buffer[]): Promise<void> {
  const exchange = (neighbourCalls += 1);
  const { sessionId, link, listener, answer } = neighbour;
  const theft = rawStream(hostile.client, "session");
  const attach = { sessionId, epoch: hostile.epoch, resumed: exchange % 2 === 0 };
  theft.call.write(SessionRequest.encode({ frame: { $case: "attach", value: attach } }).finish());
  for (const frame of frames) theft.call.write(frame);
  await inTime("the end of the stolen stream", theft.status);
  await link.send({ exchange, payload: Buffer.from("call"), protocolVersion: "2025-11-25" });
  await answer(exchange);
  await listener.hears(`message ${exchange} answer ${exchange} final`);
  assert.equal(listener.heard.splice(0).length, 1, "the neighbour heard something else");
}

let neighbourCalls = 0;
let checks = 0;
async function check(bytes: Uint8Array): Promise<number> {
  const frames = framesIn(bytes);
  if (bytes[0] === 1) await checkControl(frames);
  else await checkSession(frames);
  if ((checks += 1) % NEIGHBOUR_EVERY === 0) await checkNeighbour(frames);
  return Math.max(1, frames.length);
}

test("whatever an agent says, sessions end in order and others go on", async () => {
  const fed = await fuzz(
    { name: "agent-link", share: 50, generate, check, isStateful: true },
    inject("fuzz"),
  );
  await checkNeighbour([]);
  expect(fed).toBeGreaterThan(0);
});
