import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { ExchangeFailure } from "@drawbridge/protocol";
import { toolCall, toolsList } from "@drawbridge/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { answerPolitely, politelyAt, type Script } from "../fakes/fake-agent-links.js";
import { callUnderWay } from "../fakes/call-under-way.js";
import { GatewayUnderTest, PATIENT } from "../fakes/gateway-under-test.js";
import { modernCall, ModernClient, type ModernMessage, modernRequest } from "../fakes/modern-client.js";
import { ENGINEERS_READ, withRule } from "../fakes/policies.js";
import { StreamClients } from "../fakes/stream-client.js";

const CHUNK = 256 * 1024;
const MIB = 1024 * 1024;

let gateway: GatewayUnderTest;
let streams: StreamClients;
let transfers = 0;
beforeAll(async () => {
  gateway = await GatewayUnderTest.start();
  streams = new StreamClients(gateway);
});
afterAll(() => gateway.stop());
beforeEach(() => gateway.reset());
afterEach(() => streams.leave());

const at2025June = politelyAt("2025-06-18");

/** A call whose answer comes in pieces. */
async function largeCall(script: Script = answerPolitely, body: object = toolCall(7, "read", {})) {
  gateway.links.script = script;
  const session = await gateway.openSession("shop");
  const call = await callUnderWay(gateway, () => streams.open({ session, body }));
  const { exchange, listener } = call;
  transfers += 1;
  const transfer = transfers;
  const say = (payload: Uint8Array, isLast = false) =>
    listener.onChunk({
      transfer,
      payload: Buffer.from(payload),
      aborted: false,
      ...(isLast ? { end: { exchange, masked: { email: 2 } } } : {}),
    });
  const abort = () => listener.onChunk({ transfer, payload: Buffer.alloc(0), aborted: true });
  return { ...call, session, say, abort };
}

/** A response in pieces, made while it is sent: text that does not compress. */
function* response(bytes: number, { id = 7, lines = false } = {}): Generator<Buffer> {
  yield Buffer.from(
    `{"jsonrpc":"2.0",${lines ? "\r\n" : ""}"id":${id},"result":{"n":1.0,"text":[${lines ? "\n" : ""}"`,
  );
  for (let sent = 0, seed = 1; sent < bytes; sent += CHUNK) {
    const noise = Buffer.alloc(CHUNK / 2);
    for (let at = 0; at < noise.length; at += 4)
      noise.writeUInt32LE((seed = (seed * 1_664_525 + 1_013_904_223) >>> 0), at);
    yield Buffer.from(noise.toString("hex"), "latin1");
  }
  yield Buffer.from(`"]}}`);
}

/** What the process holds, without what only waits to be collected: the client and the target are in it as well. */
class HeldMemory {
  private before = 0;
  private most = 0;
  private looks = 0;
  private readonly collect: () => void;

  constructor() {
    setFlagsFromString("--expose-gc");
    this.collect = runInNewContext("gc") as () => void;
  }

  get growth(): number {
    return this.most - this.before;
  }

  async start(): Promise<void> {
    this.before = await this.held();
    this.most = this.before;
  }

  /** Collecting takes a while: only now and then. */
  async look(): Promise<void> {
    this.looks += 1;
    if (this.looks % 250 === 0) this.most = Math.max(this.most, await this.held());
  }

  private async held(): Promise<number> {
    this.collect();
    // Buffers are freed beside the collection.
    await sleep(20);
    this.collect();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  }
}

/** Reads an answer at the pace of `next` and keeps its digest only. */
async function digestOf(
  answer: Response,
  next: () => Promise<void>,
): Promise<{ bytes: number; digest: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of answer.body ?? []) {
    hash.update(chunk);
    bytes += chunk.length;
    await next();
  }
  return { bytes, digest: hash.digest("hex") };
}

async function post(session: string, body: object): Promise<Response> {
  return fetch(`${gateway.config.publicUrl}/mcp/shop`, {
    method: "POST",
    headers: {
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      authorization: `Bearer ${await gateway.mcpToken("alice")}`,
      "mcp-session-id": session,
    },
    body: JSON.stringify(body),
  });
}

const answersOf = async (sessionId: string) => {
  const { body } = await gateway.api("GET", `recordings/${sessionId}/events?limit=100`);
  const events = body["items"] as { kind: string; exchange: number; attributes: Record<string, unknown> }[];
  return events.filter(({ kind, exchange }) => kind === "response" && exchange > 1);
};

describe("a large response", () => {
  test("comes as JSON of its length, byte for byte, and only when all of it is recorded", async () => {
    const { sending, say, sessionId } = await largeCall(at2025June);
    const parts = [...response(5 * MIB, { lines: true })];
    let isAnswered = false;
    void sending.then(() => (isAnswered = true));
    for (const part of parts.slice(0, -1)) await say(part);
    await sleep(100);
    expect(isAnswered).toBe(false);
    await say(parts.at(-1)!, true);
    const client = await sending;
    const whole = Buffer.concat(parts).toString();
    expect(client.response.headers.get("content-type")).toBe("application/json");
    expect(client.response.headers.get("content-length")).toBe(String(whole.length));
    await expect.poll(() => client.isOver, PATIENT).toBe(true);
    expect(client.text === whole).toBe(true);
    const [answer] = await answersOf(sessionId);
    expect(answer?.attributes).toMatchObject({
      masked: { email: 2 },
      stored: { bytes: whole.length, parts: parts.length },
    });
  });

  test("comes as one event at 2025-11-25, and again to a client that comes back, after a restart as well", async () => {
    const { sending, say, session } = await largeCall();
    const parts = [...response(5 * MIB, { lines: true })];
    for (const part of parts) await say(part, part === parts.at(-1));
    const client = await sending;
    await expect.poll(() => client.isOver, PATIENT).toBe(true);
    const expected = Buffer.concat(parts).toString().replaceAll("\r\n", "\n");
    expect(client.messages.length).toBe(1);
    expect(client.messages[0] === expected).toBe(true);
    expect(client.lastEventId).toMatch(/^2-[1-9]/);
    for (const isRestarted of [false, true]) {
      if (isRestarted) {
        await gateway.stopControlPlane();
        await gateway.startControlPlane();
      }
      const again = await streams.open({ session, lastEventId: "2-0" });
      await expect.poll(() => again.isOver, PATIENT).toBe(true);
      expect(again.messages[0] === expected).toBe(true);
      expect(again.lastEventId).toBe(client.lastEventId);
    }
  });

  test(
    "of 100 MB passes in bounded memory, also to a client that reads slowly",
    { timeout: 180_000 },
    async () => {
      const memory = new HeldMemory();
      for (const [round, size, pause] of [
        [0, 100 * MIB, 0],
        [1, 40 * MIB, 20],
      ] as const) {
        const { say, session, exchange } = await largeCall(at2025June, toolCall(6, "read", {}));
        const large = await callUnderWay(gateway, () => post(session, toolCall(7, "read", {})));
        expect(large.exchange).not.toBe(exchange);
        const hash = createHash("sha256");
        let bytes = 0;
        await memory.start();
        const { listener } = large;
        const transfer = 10_000 + round;
        for (const part of response(size)) {
          hash.update(part);
          bytes += part.length;
          await listener.onChunk({ transfer, payload: part, aborted: false });
          await memory.look();
        }
        await listener.onChunk({
          transfer,
          payload: Buffer.alloc(0),
          aborted: false,
          end: { exchange: large.exchange, masked: {} },
        });
        const read = await digestOf(await large.sending, async () => {
          await memory.look();
          if (Math.random() < 0.01) await sleep(pause);
        });
        expect(read).toEqual({ bytes, digest: hash.digest("hex") });
        expect(memory.growth / MIB).toBeLessThan(30);
        await say(Buffer.from(`{"jsonrpc":"2.0","id":6,"result":{}}`), true);
      }
    },
  );

  test.each([
    ["has a key twice", [`{"jsonrpc":"2.0","id":7,"result":{"a":1,`, `"a":2}}`], -31010],
    ["ends too early", [`{"jsonrpc":"2.0","id":7,"result":{`], -31010],
    ["is not UTF-8", [`{"jsonrpc":"2.0","id":7,"result":{"a":"`, Buffer.from([0xff, 0xfe]), `"}}`], -31010],
    ["answers another request", [`{"jsonrpc":"2.0","id":8,`, `"result":{}}`], -31010],
    ["is no response", [`{"jsonrpc":"2.0","method":"notifications/message"}`], -31010],
    ["asks the client for something", [`{"jsonrpc":"2.0","id":7,"result":{"inputRequests":{}}}`], -31009],
    [
      "says what only Drawbridge may say",
      [`{"jsonrpc":"2.0","id":7,"result":{"_meta":{"io.drawbridge/`, `approval":{}}}}`],
      -31009,
    ],
  ])("that %s is withheld", async (_what, parts, code) => {
    const { sending, say, sessionId } = await largeCall(at2025June);
    for (const [index, part] of parts.entries())
      await say(Buffer.from(part as string), index === parts.length - 1);
    const client = await sending;
    await expect.poll(() => client.isOver, PATIENT).toBe(true);
    expect((JSON.parse(client.text) as { error: { code: number } }).error.code).toBe(code);
    expect((await answersOf(sessionId)).map(({ attributes }) => attributes["failure"])).toEqual([code]);
  });

  test("to a request whose answer has to be filtered is withheld", async () => {
    const { sending, say } = await largeCall(at2025June, toolsList(7));
    await say(Buffer.from(`{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"destroy"}]}}`), true);
    const client = await sending;
    await expect.poll(() => client.isOver, PATIENT).toBe(true);
    expect(JSON.parse(client.text)).toMatchObject({ error: { code: -31009 } });
    expect(client.text).not.toContain("destroy");
  });

  test("that breaks off shows its caller the error alone", async () => {
    const { sending, say, abort, listener, exchange } = await largeCall();
    for (const part of [...response(3 * MIB)].slice(0, -1)) await say(part);
    await abort();
    const failure = ExchangeFailure.RESULT_CUT_OFF;
    await listener.onExchangeFailed({
      exchange,
      failure,
      message: "the connection broke",
      supportedVersions: [],
    });
    const client = await sending;
    await expect.poll(() => client.isOver, PATIENT).toBe(true);
    expect(client.messages).toHaveLength(1);
    expect(client.messages[0]).toMatch(/"error"/);
    expect(client.text.length).toBeLessThan(1_000);
  });

  test("is withheld when the caller's access ended while it came", async () => {
    const { sending, say } = await largeCall(at2025June);
    const parts = [...response(MIB)];
    for (const part of parts.slice(0, -1)) await say(part);
    await gateway.applyPolicy(ENGINEERS_READ.replace("tools: [read]", "tools: [other]"));
    await say(parts.at(-1)!, true);
    const client = await sending;
    await expect.poll(() => client.isOver, PATIENT).toBe(true);
    await gateway.applyPolicy(ENGINEERS_READ);
    expect(JSON.parse(client.text)).toMatchObject({ error: { code: -31003 } });
  });

  test("stops with its session, in the middle of its delivery", async () => {
    const { say, session } = await largeCall(at2025June, toolCall(6, "read", {}));
    const large = await callUnderWay(gateway, () => post(session, toolCall(7, "read", {})));
    const { exchange, listener, sessionId } = large;
    for (const payload of response(30 * MIB))
      await listener.onChunk({ transfer: 20_000, payload, aborted: false });
    const end = { exchange, masked: {} };
    await listener.onChunk({ transfer: 20_000, payload: Buffer.alloc(0), aborted: false, end });
    const reader = (await large.sending).body!.getReader();
    await reader.read();
    expect((await gateway.api("DELETE", `sessions/${sessionId}`)).status).toBe(204);
    const rest = async () => {
      for (;;) if ((await reader.read()).done) return;
    };
    await expect(rest()).rejects.toThrow(/terminated|closed|aborted/i);
    await say(Buffer.from("{}"), true);
  });

  test("that its client leaves in the middle holds nothing afterwards", async () => {
    const { session } = await largeCall(at2025June, toolCall(6, "read", {}));
    const { sending, exchange, listener } = await callUnderWay(gateway, () =>
      streams.open({ session, body: toolCall(7, "read", {}) }),
    );
    for (const payload of response(20 * MIB))
      await listener.onChunk({ transfer: 30_000, payload, aborted: false });
    const end = { exchange, masked: {} };
    await listener.onChunk({ transfer: 30_000, payload: Buffer.alloc(0), aborted: false, end });
    (await sending).leave();
    const busy = async () =>
      gateway.query(
        "select 1 from pg_stat_activity where state <> 'idle' and query like '%kind = 12%' and pid <> pg_backend_pid()",
        [],
      );
    await expect.poll(busy, PATIENT).toEqual([]);
    gateway.links.script = answerPolitely;
    expect((await gateway.post("shop", toolCall(7, "read", {}), { session })).json.result).toBeDefined();
  });
});

describe("a large response of 2026-07-28", () => {
  const padding = "x".repeat(CHUNK);
  const FILES = `{ name: files, methods: [resources/read, tasks/get], effect: allow }`;
  async function largeResult(message: ModernMessage, result: string) {
    await gateway.applyPolicy(withRule(ENGINEERS_READ, FILES));
    const alice = new ModernClient(gateway, "shop");
    const { sending, exchange, listener } = await callUnderWay(gateway, () => alice.post(message));
    transfers += 1;
    const pieces = [`{"jsonrpc":"2.0","id":1,"result":{"pad":"${padding}",`, `${result.slice(1)}}`];
    for (const [at, piece] of pieces.entries()) {
      const end = at === 1 ? { end: { exchange, masked: {} } } : {};
      await listener.onChunk({ transfer: transfers, payload: Buffer.from(piece), aborted: false, ...end });
    }
    return { alice, answer: await sending };
  }
  const reading = modernRequest(1, "resources/read", { uri: "file:///a" });

  test.each([
    ["may be kept by others", '{"cacheScope":"public","ttlMs":0}', -31009],
    ["may be kept for long", '{"cacheScope":"private","ttlMs":3600000}', -31009],
    ["may be kept by its reader for a moment", '{"cacheScope":"private","ttlMs":1000}', undefined],
    ["says nothing of that", '{"contents":[]}', undefined],
  ])("that %s is given out only as it is", async (_what, result, code) => {
    const { answer } = await largeResult(reading, result);
    expect(answer.json.error?.code).toBe(code);
    expect(answer.text.includes(padding)).toBe(code === undefined);
  });

  test("that says a task was made makes it the caller's", async () => {
    const { alice, answer } = await largeResult(
      modernCall(1, "read"),
      '{"resultType":"task","taskId":"huge"}',
    );
    expect(answer.json.result).toMatchObject({ taskId: "huge" });
    gateway.links.script = answerPolitely;
    const getting = modernRequest(2, "tasks/get", { taskId: "huge" });
    expect((await alice.post(getting)).json.result).toBeDefined();
    await gateway.applyPolicy(withRule(ENGINEERS_READ, FILES));
  });
});
