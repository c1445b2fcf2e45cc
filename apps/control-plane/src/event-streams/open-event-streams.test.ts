import { expect, test } from "vitest";
import { LiveLocks } from "../locks/index.js";
import { Clock } from "../platform/clock.js";
import type { EpochWatch } from "../platform/epoch-watch.js";
import type { EventStream } from "./event-stream.js";
import { OpenEventStreams } from "./open-event-streams.js";

const streamOf = (id: string) => ({ principal: { id }, close: () => undefined }) as unknown as EventStream;

function nobodyLocked(): OpenEventStreams {
  const locks = {} as LiveLocks;
  return new OpenEventStreams(locks, {} as EpochWatch, new Clock());
}

test("a process has room for a thousand event streams, and for none when it stops", () => {
  const open = nobodyLocked();
  const streams = Array.from({ length: 1_000 }, (_, n) => streamOf(`p${n}`));
  for (const stream of streams) {
    open.requireRoom(stream.principal.id);
    open.add(stream);
  }
  expect(() => open.requireRoom("another")).toThrow("too many event streams");
  for (const stream of streams.slice(0, 1)) open.delete(stream);
  expect(() => open.requireRoom("another")).not.toThrow();
  open.onModuleDestroy();
  expect(() => open.requireRoom("another")).toThrow("too many event streams");
});
