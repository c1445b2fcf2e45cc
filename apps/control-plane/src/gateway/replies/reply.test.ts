import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, describe, expect, test, vi } from "vitest";
import { EventStream } from "./event-stream.js";
import { Reply } from "./reply.js";
import { UnreadAnswers } from "./unread-answers.js";

const MIB = 1024 * 1024;
const KEEP_ALIVE_MS = 15_000;
const STALLED_MS = 60_000;
const unread = () => new UnreadAnswers({ maxHeldBytes: 512 * MIB });
const cleanUp: (() => void)[] = [];

afterEach(() => {
  vi.useRealTimers();
  for (const step of cleanUp.splice(0)) step();
});

/** One request of a client that reads nothing of its answer. */
async function stalledClient(): Promise<{ response: ServerResponse; socket: Socket }> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  socket.on("error", () => undefined);
  cleanUp.push(() => {
    socket.destroy();
    server.close();
  });
  socket.pause();
  socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const [, response] = (await once(server, "request")) as [unknown, ServerResponse];
  return { response, socket };
}

/** Writes until the kernel takes no more and a little waits in the process. */
async function fill(stream: EventStream, response: ServerResponse): Promise<void> {
  for (let idle = 0; idle < 50;) {
    if (response.writableLength === 0) {
      await stream.send(Buffer.alloc(1_000, "x"));
      idle = 0;
    } else idle += 1;
    await turn();
  }
}

describe("an event stream whose client does not read", () => {
  test("writes nothing after its end, which would end the process", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    const { response } = await stalledClient();
    const errors: unknown[] = [];
    response.on("error", (error) => errors.push(error));
    const stream = new EventStream(response);
    await fill(stream, response);
    stream.end();
    vi.advanceTimersByTime(KEEP_ALIVE_MS * 2);
    await turn();
    await turn();
    expect(errors).toEqual([]);
    expect(response.writableFinished).toBe(false);
  });

  test("hears the errors of its response", async () => {
    const { response } = await stalledClient();
    expect(new EventStream(response).open).toBe(true);
    expect(response.listenerCount("error")).toBeGreaterThan(0);
  });

  test("is given up after a minute, and whoever waits goes on", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    const { response } = await stalledClient();
    const stream = new EventStream(response);
    await fill(stream, response);
    const before = response.writableLength;
    vi.advanceTimersByTime(KEEP_ALIVE_MS * 2);
    expect(response.writableLength).toBe(before);
    expect(response.socket?.timeout).toBe(STALLED_MS);
    const sending = stream.send(Buffer.alloc(1_000_000, "x"));
    response.socket?.emit("timeout");
    await sending;
    expect(stream.open).toBe(false);
  });
});

describe("an event stream that another one replaces", () => {
  test("waits for no client that does not read", async () => {
    const { response } = await stalledClient();
    const stream = new EventStream(response);
    await fill(stream, response);
    const waiting = stream.send(Buffer.alloc(1_000_000, "x"));
    stream.cut();
    await waiting;
    expect(response.destroyed).toBe(true);
  });

  test("is ended, not broken off, where the client has read all of it", async () => {
    const { response, heard, ended } = await readingClient();
    const stream = new EventStream(response);
    await stream.send(Buffer.from("{}"));
    await expect.poll(heard).toContain("data: {}");
    stream.cut();
    await ended;
    await expect.poll(heard).toContain("\r\n0\r\n");
  });
});

test("an answer that the client does not read is not kept for ever", async () => {
  const { response } = await stalledClient();
  await new Reply(response, unread()).finish(Buffer.alloc(8_000_000, " "));
  expect(response.writableFinished).toBe(false);
  expect(response.socket?.timeout).toBe(STALLED_MS);
  response.socket?.emit("timeout");
  await once(response, "close");
  expect(response.destroyed).toBe(true);
});

/** One request of a client that reads its answer, and what it has heard. */
async function readingClient(): Promise<{
  response: ServerResponse;
  heard: () => string;
  ended: Promise<unknown>;
}> {
  const { response, socket } = await stalledClient();
  let text = "";
  socket.on("data", (data) => (text += String(data))).resume();
  return { response, heard: () => text, ended: once(response, "close") };
}

describe("the answer to a call of 2025-11-25", () => {
  const terms = { exchange: 4, isPrimed: true, lastsMs: 0 };

  test("says nothing for a second, then what to come back with", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { response, heard } = await readingClient();
    const reply = new Reply(response, unread());
    reply.begin(terms);
    vi.advanceTimersByTime(999);
    expect([response.headersSent, reply.resumable]).toEqual([false, false]);
    vi.advanceTimersByTime(1);
    expect([response.headersSent, reply.resumable]).toEqual([true, true]);
    vi.useRealTimers();
    await expect.poll(heard).toContain("id: 4-0\nretry: 1000\ndata: \n\n");
  });

  test("is closed after the time it may last, and its client may come back", async () => {
    const { response, heard, ended } = await readingClient();
    const reply = new Reply(response, unread());
    reply.begin({ ...terms, lastsMs: 60 });
    await reply.push(Buffer.from("{}"), 12);
    await ended;
    expect([reply.open, reply.resumable]).toEqual([false, true]);
    await expect.poll(heard).toContain("id: 4-12\ndata: {}\n\n");
    await reply.finish(Buffer.from("too late"), 200, 13);
    expect(heard()).not.toContain("too late");
  });

  test("that nobody waits for any more gives no id to come back with", async () => {
    const { response, heard, ended } = await readingClient();
    const reply = new Reply(response, unread());
    reply.begin(terms);
    reply.abandon();
    await ended;
    await expect.poll(heard).toContain("text/event-stream");
    expect(heard()).not.toContain("id:");
    expect(reply.resumable).toBe(false);
  });
});

test("before 2025-11-25 an answer waits 20 s until it becomes a stream, which has no id before a message", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const { response } = await readingClient();
  const reply = new Reply(response, unread());
  reply.begin({ exchange: 4, isPrimed: false, lastsMs: 50 });
  vi.advanceTimersByTime(19_999);
  expect(response.headersSent).toBe(false);
  vi.advanceTimersByTime(1);
  expect([response.headersSent, reply.resumable]).toEqual([true, false]);
  vi.advanceTimersByTime(10_000);
  expect(reply.open).toBe(true);
  await reply.push(Buffer.from("{}"), 9);
  expect(reply.resumable).toBe(true);
});

describe("a message that has no answer", () => {
  test("ends the event stream that its answer became because it took so long", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { response, heard, ended } = await readingClient();
    const reply = new Reply(response, unread());
    vi.advanceTimersByTime(20_000);
    vi.useRealTimers();
    reply.finishEmpty(202);
    await ended;
    await expect.poll(heard).toContain("\r\n0\r\n");
  });

  test("keeps its status however long it takes, where nothing could be said before", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { response, heard, ended } = await readingClient();
    const reply = new Reply(response, unread());
    reply.keepStatus();
    vi.advanceTimersByTime(60_000);
    vi.useRealTimers();
    await reply.refuse(404, Buffer.from("{}"), {});
    await ended;
    await expect.poll(heard).toContain("HTTP/1.1 404");
  });
});

describe("a large message on an event stream", () => {
  async function* slowly(): AsyncGenerator<Uint8Array> {
    yield Buffer.from("{");
    await new Promise((resolve) => setTimeout(resolve, 30));
    yield Buffer.from("}");
  }

  test("is not interrupted by others", async () => {
    const { response, heard } = await readingClient();
    const stream = new EventStream(response);
    const large = stream.sendLarge({ bytes: 2, pieces: slowly }, "1-1");
    const small = stream.send(Buffer.from("[]"), "1-2");
    await Promise.all([large, small]);
    await expect.poll(heard).toContain("1-2");
    expect(heard().replaceAll(/\r\n[0-9a-f]+\r\n/g, "")).toContain(
      "id: 1-1\ndata: {}\n\nid: 1-2\ndata: []\n\n",
    );
  });

  test("that cannot be read to its end is cut off, not ended", async () => {
    const { response, heard } = await readingClient();
    const stream = new EventStream(response);
    const broken = async function* () {
      yield Buffer.from("{");
      throw new Error("the database is gone");
    };
    await expect(stream.sendLarge({ bytes: 2, pieces: broken })).rejects.toThrow(/database is gone/);
    expect(stream.open).toBe(false);
    expect(heard()).not.toContain("\r\n0\r\n");
  });

  test("that is not read waits, and is given up with its client", async () => {
    const { response } = await stalledClient();
    let read = 0;
    let isLetGo = false;
    const endless = async function* () {
      try {
        for (;;) {
          read += 1;
          yield Buffer.alloc(256 * 1024, "x");
        }
      } finally {
        isLetGo = true;
      }
    };
    const sending = new EventStream(response).sendLarge({ bytes: 1e12, pieces: endless });
    await new Promise((resolve) => setTimeout(resolve, 200));
    const before = read;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(read).toBe(before);
    response.socket?.emit("timeout");
    await sending;
    expect(isLetGo).toBe(true);
  });
});

test("of answers that nobody reads, the oldest are cut off when they take too much together", async () => {
  const answers = new UnreadAnswers({ maxHeldBytes: 40 * MIB });
  const clients = await Promise.all([1, 2, 3, 4].map(() => stalledClient()));
  const answer = ({ response }: (typeof clients)[number]) =>
    new Reply(response, answers).finish(Buffer.alloc(16 * MIB, " "));
  const cutOff = () => clients.map(({ response }) => response.destroyed);
  for (const client of clients.slice(0, 2)) await answer(client);
  expect(cutOff()).toEqual([false, false, false, false]);
  await answer(clients[2]!);
  expect(cutOff()).toEqual([true, false, false, false]);
  clients[1]!.socket.resume();
  await once(clients[1]!.response, "close");
  await answer(clients[3]!);
  expect(cutOff().slice(2)).toEqual([false, false]);
});
