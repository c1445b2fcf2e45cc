import type { McpMessage } from "@drawbridge/mcp";
import { expect, test } from "vitest";
import { HeldBody } from "../edge/held-bodies.js";
import { testSession } from "../fakes/test-session.js";
import type { EventStream } from "../replies/event-stream.js";
import type { Exchange } from "./gateway-session.js";

const MIB = 1024 * 1024;
const CONTEXT = {
  principal: { id: "alice", groups: [], email: undefined, emailVerified: false },
  client: { id: "c" },
};

/** Hears up to `room` messages and is closed then. */
function listener(room: number): { stream: EventStream; heard: Uint8Array[] } {
  const heard: Uint8Array[] = [];
  const stream = {
    get open() {
      return heard.length < room;
    },
    send: async (message: Uint8Array) => void heard.push(message),
  };
  return { stream: stream as unknown as EventStream, heard };
}

test("a client that listens to nothing costs little memory, however much the target says", async () => {
  const session = testSession();
  for (let count = 0; count < 256; count += 1) await session.tellClient(Buffer.alloc(64 * 1024, count));
  await session.tellClient(Buffer.alloc(8 * MIB));
  await session.tellClient(Buffer.from("last"));
  const { stream, heard } = listener(1_000);
  await session.attachEventStream(stream, CONTEXT, 0n);
  expect(heard.reduce((bytes, { length }) => bytes + length, 0)).toBeLessThanOrEqual(MIB);
  expect(heard.at(-1)?.toString()).toBe("last");
});

test("the newest of what the client missed waits for it, in order", async () => {
  const session = testSession();
  for (let count = 0; count < 300; count += 1) await session.tellClient(Buffer.from(String(count)));
  const { stream, heard } = listener(1_000);
  await session.attachEventStream(stream, CONTEXT, 0n);
  expect(heard.map(String)).toEqual(Array.from({ length: 256 }, (_, index) => String(index + 44)));
});

test("what a stream that breaks did not take waits for the next one", async () => {
  const session = testSession();
  for (const text of ["a", "b", "c"]) await session.tellClient(Buffer.from(text));
  await session.attachEventStream(listener(1).stream, CONTEXT, 0n);
  const { stream, heard } = listener(1_000);
  await session.attachEventStream(stream, CONTEXT, 0n);
  expect(heard.map(String)).toEqual(["b", "c"]);
});

test("a stream whose client cannot be read what it missed ends before it hears anything newer", async () => {
  const session = testSession();
  const { stream, heard } = listener(1_000);
  let isOpen = true;
  Object.defineProperty(stream, "open", { get: () => isOpen });
  stream.end = () => void (isOpen = false);
  const broken = async function* () {
    yield { message: Buffer.from("3"), index: 3 };
    throw new Error("the database is gone");
  };
  const attaching = session.attachEventStream(stream, CONTEXT, 0n, broken());
  const telling = session.tellClient(Buffer.from("9"), 9);
  await expect(attaching).rejects.toThrow(/database is gone/);
  await telling;
  expect(heard.map(String)).toEqual(["3"]);
  const next = listener(1_000);
  const missed = [4, 9].map((index) => ({ message: Buffer.from(String(index)), index }));
  await session.attachEventStream(next.stream, CONTEXT, 0n, missed);
  expect(next.heard.map(String)).toEqual(["4", "9"]);
});

test("what a client has under way is bounded in number and bytes, and it can cancel when it has reached the limit", async () => {
  const session = testSession();
  const request = (bytes: Uint8Array) => ({ kind: "request", bytes }) as McpMessage;
  const cancel = { kind: "notification", bytes: new Uint8Array(100) } as McpMessage;
  let number = 0;
  const begin = (message: McpMessage) => {
    number += 1;
    const id = { text: String(number), value: number };
    const body = new HeldBody(() => true);
    const exchange = { number, id, question: { message }, body } as unknown as Exchange;
    session.begin(exchange);
    return exchange;
  };
  const large = request(new Uint8Array(16 * MIB));
  const begun = [1, 2, 3, 4].map(() => begin(large));
  expect([session.hasRoomFor(request(new Uint8Array(1))), session.hasRoomFor(cancel)]).toEqual([false, true]);
  session.finish(begun[0]!);
  expect(session.hasRoomFor(large)).toBe(true);
  for (const exchange of begun) session.finish(exchange);
  for (let count = 0; count < 127; count += 1) begin(cancel);
  expect(session.hasRoomFor(request(new Uint8Array(1)))).toBe(true);
  begin(cancel);
  expect(session.hasRoomFor(request(new Uint8Array(1)))).toBe(false);
  const { promise, resolve } = Promise.withResolvers<void>();
  const passing = Array.from({ length: 128 }, () =>
    session.whilePassing({ ...cancel, bytes: new Uint8Array(1) }, promise),
  );
  expect(session.hasRoomFor(cancel)).toBe(false);
  resolve();
  await Promise.all(passing);
  expect(session.hasRoomFor(cancel)).toBe(true);
});
