import { once } from "node:events";
import { request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { EVENTS_PROTOCOL, EventMessage } from "@drawbridge/contracts";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { EventFeed, EventHistory, EventLog, type NewEvent } from "../events/index.js";
import { startTestApi, type TestApi } from "../fakes/index.js";
import { startTestPlatform, type TestPlatform } from "../platform/fakes/test-platform.js";
import { createHttpServer } from "../platform/http-server.js";
import { EventStreamsEndpoint, EventStreamsModule } from "./index.js";
import { OpenEventStreams } from "./open-event-streams.js";

let platform: TestPlatform;
let api: TestApi;
let server: Server;
let address: string;
const clients: Listener[] = [];

async function startApi(): Promise<void> {
  api = await startTestApi(platform, { imports: [EventStreamsModule] });
  api.tokens.set("alice", { groups: ["dba"] });
  api.tokens.set("bob", {});
  api.tokens.add("olga", "operator");
  const data = { handle: () => undefined };
  server = createHttpServer(data, api.app.getHttpAdapter().getInstance(), api.app.get(EventStreamsEndpoint));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  address = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/events`;
}

async function stopApi(): Promise<void> {
  await api.stop();
  server.closeAllConnections();
  server.close();
}

beforeAll(async () => {
  platform = await startTestPlatform({ DRAWBRIDGE_AGENT_LISTEN: "127.0.0.1:0" });
  await startApi();
});
beforeEach(async () => {
  await platform.admin.query("truncate live_event; delete from lock");
});
afterEach(() => {
  for (const client of clients.splice(0)) client.socket.terminate();
});
afterAll(async () => {
  await stopApi();
  await platform.stop();
});

class Listener {
  readonly heard: EventMessage[] = [];
  readonly closed: Promise<number>;

  constructor(readonly socket: WebSocket) {
    clients.push(this);
    socket.on("message", (data) => {
      this.heard.push(EventMessage.parse(JSON.parse((data as Buffer).toString("utf8"))));
    });
    socket.on("error", () => undefined);
    this.closed = once(socket, "close").then(([code]) => code as number);
  }

  get subjects(): string[] {
    return this.heard.flatMap((message) => (message.type === "event" ? [message.subject] : []));
  }

  get lastCursor(): string {
    const last = this.heard.at(-1);
    if (!last) throw new Error("nothing was heard");
    return last.cursor;
  }

  async hears(type: EventMessage["type"], subject?: string): Promise<void> {
    const deadline = Date.now() + 8_000;
    while (!this.heard.some((message) => message.type === type && hasSubject(message, subject))) {
      if (Date.now() > deadline) throw new Error(`it has not heard ${type} ${subject ?? ""}`);
      await wait(10);
    }
  }
}

const hasSubject = (message: EventMessage, subject: string | undefined) =>
  subject === undefined || (message.type === "event" && message.subject === subject);

function connect(as: string, query = "", options: { origin?: string } = {}): Listener {
  const headers = { authorization: `Bearer ${as}` };
  return new Listener(new WebSocket(address + query, EVENTS_PROTOCOL, { headers, ...options }));
}

async function listen(as: string, query = ""): Promise<Listener> {
  const listener = connect(as, query);
  await listener.hears("ready");
  return listener;
}

/** How a connection is refused: status and code. */
function refusal(to: string, protocols: string[], options: { headers?: object; origin?: string } = {}) {
  const socket = new WebSocket(to, protocols, { ...options } as never);
  return new Promise<string>((resolve, reject) => {
    socket.on("open", () => reject(new Error("it was accepted")));
    socket.on("error", () => undefined);
    socket.on("unexpected-response", (_request, response) => {
      let body = "";
      response.on("data", (part: Buffer) => (body += part.toString("utf8")));
      response.on("end", () => {
        resolve(`${response.statusCode} ${(JSON.parse(body) as { code: string }).code}`);
      });
    });
  });
}

async function happens(subject: string, event: Partial<NewEvent> = {}): Promise<void> {
  await api.app.get(EventLog).append(undefined, {
    kind: "approval.requested",
    subject,
    data: {},
    audience: { permission: "approval:read_all" },
    ...event,
  });
}

const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

describe("who listens", () => {
  test("hears what happens from then on, in the order in which it was committed", async () => {
    await happens("before");
    const olga = await listen("olga");
    for (const subject of ["one", "two", "three"]) await happens(subject);
    await olga.hears("event", "three");
    expect(olga.subjects).toEqual(["one", "two", "three"]);
    expect(olga.heard[0]?.type).toBe("ready");
  });

  test("comes back with a cursor and hears first what was missed, each event once", async () => {
    const first = await listen("olga");
    await happens("heard");
    await first.hears("event", "heard");
    first.socket.close();
    await first.closed;
    for (let n = 0; n < 250; n++) await happens(`missed-${n}`);
    const again = await listen("olga", `?after=${first.lastCursor}`);
    await happens("live");
    await again.hears("event", "live");
    const missed = Array.from({ length: 250 }, (_, n) => `missed-${n}`);
    expect(again.subjects).toEqual([...missed, "live"]);
    expect(again.heard.findIndex(({ type }) => type === "ready")).toBe(250);
  });

  test("may come back with the cursor of any message, and never misses or repeats one", async () => {
    const olga = await listen("olga");
    for (let n = 0; n < 10; n++) await happens(String(n));
    await olga.hears("event", "9");
    for (const [index, { cursor }] of olga.heard.entries()) {
      const again = await listen("olga", `?after=${cursor}`);
      expect([...olga.subjects.slice(0, index), ...again.subjects]).toEqual(olga.subjects);
    }
  });

  test("hears all of it once where others write at the same time", async () => {
    const early = await listen("olga");
    const writing = Promise.all(Array.from({ length: 120 }, (_, n) => happens(`e${n}`)));
    const joining = Array.from({ length: 6 }, async (_, n) => {
      await wait(n * 10);
      return listen("olga", `?after=${early.heard[0]?.cursor ?? ""}`);
    });
    const listeners = [early, ...(await Promise.all(joining))];
    await writing;
    await happens("last");
    for (const listener of listeners) {
      await listener.hears("event", "last");
      expect(listener.subjects).toEqual(early.subjects);
    }
    expect(new Set(early.subjects).size).toBe(121);
    expect(early.subjects).toHaveLength(121);
  });

  test("hears of the kinds that were asked for only", async () => {
    const olga = await listen("olga", "?kinds=lock.*,approval.denied");
    await happens("requested");
    await happens("denied", { kind: "approval.denied" });
    await happens("locked", { kind: "lock.set" });
    await olga.hears("event", "locked");
    expect(olga.subjects).toEqual(["denied", "locked"]);
  });

  test("is told of the gap when the cursor is older than what is kept", async () => {
    await happens("kept");
    const old = Buffer.from(`1.1.${Date.now() - 8 * 86_400_000}`);
    const olga = await listen("olga", `?after=${old.toString("base64url")}`);
    expect(olga.heard.map(({ type }) => type)).toEqual(["gap", "event", "ready"]);
  });

  test("is told of the gap when the cursor is of another database", async () => {
    await happens("kept");
    const ahead = Buffer.from(`999999999999.1.${Date.now()}`).toString("base64url");
    const olga = await listen("olga", `?after=${ahead}`);
    expect(olga.heard.map(({ type }) => type)).toEqual(["gap", "event", "ready"]);
    await happens("live");
    await olga.hears("event", "live");
  });
});

describe("an event is told only to", () => {
  test("whom it names, the groups it names, and those with its permission", async () => {
    const [alice, bob, olga] = await Promise.all([listen("alice"), listen("bob"), listen("olga")]);
    await happens("for-bob", { audience: { principals: ["bob"], permission: "notification:write" } });
    await happens("for-dba", { audience: { groups: ["dba"], permission: "notification:write" } });
    await happens("for-operators", { audience: { permission: "lock:read" } });
    await happens("for-nobody-here", {
      audience: { principals: ["carol"], groups: ["bob"], permission: "notification:write" },
    });
    await happens("for-all", { audience: { principals: ["alice", "bob"], permission: "lock:read" } });
    await Promise.all([alice, bob, olga].map((listener) => listener.hears("event", "for-all")));
    expect(alice.subjects).toEqual(["for-dba", "for-all"]);
    expect(bob.subjects).toEqual(["for-bob", "for-all"]);
    expect(olga.subjects).toEqual(["for-operators", "for-all"]);
  });

  test("them also where it was missed", async () => {
    const cursor = (await listen("bob")).lastCursor;
    await happens("for-dba", { audience: { groups: ["dba"], permission: "lock:read" } });
    await happens("for-bob", { audience: { principals: ["bob"], permission: "lock:read" } });
    expect((await listen("bob", `?after=${cursor}`)).subjects).toEqual(["for-bob"]);
  });
});

describe("a connection is refused", () => {
  const headers = { authorization: "Bearer olga" };

  test("without a token, with one that is not valid, and with one in the address", async () => {
    expect(await refusal(address, [EVENTS_PROTOCOL])).toBe("401 not_signed_in");
    expect(await refusal(address, [EVENTS_PROTOCOL, "bearer.nobody"])).toBe("401 not_signed_in");
    expect(await refusal(`${address}?access_token=olga`, [EVENTS_PROTOCOL])).toBe("401 not_signed_in");
    expect(await refusal(`${address}?access_token=olga`, [EVENTS_PROTOCOL], { headers })).toBe(
      "400 invalid_request",
    );
  });

  test("without the subprotocol", async () => {
    expect(await refusal(address, ["chat"], { headers })).toBe("400 invalid_request");
  });

  test("with two tokens", async () => {
    const protocols = [EVENTS_PROTOCOL, "bearer.bob"];
    expect(await refusal(address, protocols, { headers })).toBe("400 invalid_request");
  });

  test("to pages of other origins", async () => {
    const options = { headers, origin: "https://evil.example" };
    expect(await refusal(address, [EVENTS_PROTOCOL], options)).toBe("403 not_permitted");
  });

  test("at every other address", async () => {
    for (const path of ["/api/v1/targets", "/mcp/shop", "//"]) {
      const other = address.replace("/api/v1/events", path);
      expect(await refusal(other, [EVENTS_PROTOCOL], { headers })).toBe("404 not_found");
    }
  });

  test.each(["?after=nonsense", "?after=MQ", "?kinds=nothing.*", "?kinds=", "?limit=3"])(
    "with %s",
    async (query) => {
      expect(await refusal(address + query, [EVENTS_PROTOCOL], { headers })).toMatch(/^400 invalid_/);
    },
  );

  test("to whoever is locked", async () => {
    await lock("bob");
    expect(await refusal(address, [EVENTS_PROTOCOL, "bearer.bob"])).toBe("403 locked");
  });

  test("to whoever has twenty of them, until one is closed", async () => {
    const open = await Promise.all(Array.from({ length: 20 }, () => listen("bob")));
    const another = () => refusal(address, [EVENTS_PROTOCOL, "bearer.bob"]);
    expect(await another()).toBe("429 too_many_event_streams");
    await listen("olga");
    open[0]?.socket.close();
    await open[0]?.closed;
    await wait(50);
    await listen("bob");
  });
});

test("a browser gives its token as a second subprotocol, which is not the one that is chosen", async () => {
  const listener = new Listener(
    new WebSocket(address, [EVENTS_PROTOCOL, "bearer.olga"], { origin: platform.config.publicUrl }),
  );
  await listener.hears("ready");
  expect(listener.socket.protocol).toBe(EVENTS_PROTOCOL);
});

test("an offer of another protocol is left alone, and the request is answered", async () => {
  const url = address.replace("ws:", "http:").replace("/events", "/whoami");
  const headers = { authorization: "Bearer olga", connection: "Upgrade", upgrade: "h2c" };
  const status = await new Promise((resolve, reject) => {
    const asked = request(url, { headers }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    asked
      .on("error", reject)
      .on("upgrade", () => reject(new Error("it was upgraded")))
      .end();
  });
  expect(status).toBe(200);
});

async function lock(subject: string): Promise<void> {
  await platform.admin.query(
    `insert into lock (id, kind, subject, reason, created_by) values (gen_random_uuid(), 'principal', $1, 'gone', 'root')`,
    [subject],
  );
}

describe("a connection ends", () => {
  test("with 4401 when its token expires", async () => {
    api.tokens.set("eve", { expiresAt: new Date(Date.now() + 700), roles: ["user", "operator"] });
    const eve = await listen("eve");
    expect(await eve.closed).toBe(4401);
  });

  test("with 4403 when its principal is locked, and only theirs", async () => {
    const [bob, olga] = await Promise.all([listen("bob"), listen("olga")]);
    await lock("bob");
    expect(await bob.closed).toBe(4403);
    expect(olga.socket.readyState).toBe(WebSocket.OPEN);
  });

  test("when its client does not answer pings", async () => {
    const deaf = new Listener(
      new WebSocket(address, EVENTS_PROTOCOL, { headers: { authorization: "Bearer olga" }, autoPong: false }),
    );
    await deaf.hears("ready");
    const olga = await listen("olga");
    const streams = api.app.get(OpenEventStreams);
    streams.pingAll();
    await wait(200);
    streams.pingAll();
    expect(await deaf.closed).toBe(1006);
    expect(olga.socket.readyState).toBe(WebSocket.OPEN);
  });

  test("when its client says more than a few bytes, and not when it says less", async () => {
    const olga = await listen("olga");
    olga.socket.send("x".repeat(4_096));
    await happens("still");
    await olga.hears("event", "still");
    olga.socket.send("x".repeat(4_097));
    expect(await olga.closed).toBe(1009);
  });

  test("when its client does not read, of whom little is kept, and others hear of everything meanwhile", async () => {
    const [slow, quick] = await Promise.all([listen("olga"), listen("alice")]);
    // The client's end no longer takes anything from the network.
    (slow.socket as unknown as { _socket: { pause(): void } })._socket.pause();
    const text = "x".repeat(20_000);
    const audience = { groups: ["dba"], permission: "lock:read" } as const;
    const told = Promise.all(
      Array.from({ length: 500 }, (_, n) => happens(`n${n}`, { data: { text }, audience })),
    );
    const streams = api.app.get(OpenEventStreams);
    await told;
    await expect.poll(() => quick.subjects.length, { timeout: 10_000 }).toBe(500);
    expect(new Set(quick.subjects).size).toBe(500);
    expect(unreadOf("olga")).toBeLessThan(1_200_000);
    streams.pingAll();
    await wait(200);
    streams.pingAll();
    await expect.poll(() => unreadOf("olga"), { timeout: 5_000 }).toBeUndefined();
    expect(quick.socket.readyState).toBe(WebSocket.OPEN);
  });

  test("not when its client reads late, which then hears of all of it", async () => {
    const slow = await listen("olga");
    const { _socket: connection } = slow.socket as unknown as {
      _socket: { pause(): void; resume(): void };
    };
    connection.pause();
    const text = "x".repeat(20_000);
    for (let n = 0; n < 400; n++) await happens(`n${n}`, { data: { text } });
    await wait(700);
    connection.resume();
    await happens("last");
    await slow.hears("event", "last");
    expect(slow.subjects).toEqual([...Array.from({ length: 400 }, (_, n) => `n${n}`), "last"]);
  });

  test("with 1001 when the control plane stops", async () => {
    const olga = await listen("olga");
    await stopApi();
    expect(await olga.closed).toBe(1001);
    await startApi();
  });
});

/** Bytes that the stream of somebody keeps for them. */
function unreadOf(id: string): number | undefined {
  const { streams } = api.app.get(OpenEventStreams) as unknown as {
    streams: Set<{ principal: { id: string }; socket: { bufferedAmount: number } }>;
  };
  return [...streams].find(({ principal }) => principal.id === id)?.socket.bufferedAmount;
}

test("who missed a lot is sent it no faster than they read", async () => {
  const cursor = (await listen("olga")).lastCursor;
  const text = "x".repeat(20_000);
  for (let n = 0; n < 500; n++) await happens(`n${n}`, { data: { text } });
  const slow = connect("olga", `?after=${cursor}`);
  await once(slow.socket, "open");
  const { _socket: connection } = slow.socket as unknown as { _socket: { pause(): void; resume(): void } };
  connection.pause();
  await wait(1_000);
  expect(slow.socket.readyState).toBe(WebSocket.OPEN);
  connection.resume();
  await slow.hears("ready");
  expect(slow.subjects).toHaveLength(500);
});

test("nobody listens: nothing is read", async () => {
  const olga = await listen("olga");
  olga.socket.close();
  await olga.closed;
  await wait(100);
  const history = api.app.get(EventHistory);
  let reads = 0;
  history.after = () => {
    reads += 1;
    return Promise.reject(new Error("nobody asked"));
  };
  await api.app.get(EventFeed).look();
  await wait(1_200);
  Reflect.deleteProperty(history, "after");
  expect(reads).toBe(0);
});
