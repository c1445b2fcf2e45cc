import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, describe, expect, test, vi } from "vitest";
import { EventStream } from "./event-stream.js";
import { Reply } from "./reply.js";

const KEEP_ALIVE_MS = 15_000;
const STALLED_MS = 60_000;
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

test("an answer that the client does not read is not kept for ever", async () => {
  const { response } = await stalledClient();
  await new Reply(response).finish(Buffer.alloc(8_000_000, " "));
  expect(response.writableFinished).toBe(false);
  expect(response.socket?.timeout).toBe(STALLED_MS);
  response.socket?.emit("timeout");
  await once(response, "close");
  expect(response.destroyed).toBe(true);
});
