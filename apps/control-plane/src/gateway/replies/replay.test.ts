import type { RecordedEvent } from "@drawbridge/recording";
import { expect, test } from "vitest";
import type { RecordingReader } from "../../recordings/index.js";
import { testSession } from "../fakes/test-session.js";
import { Replay } from "./replay.js";

const CONTEXT = {
  principal: { id: "alice", groups: [], email: undefined, emailVerified: false },
  client: { id: "c" },
};

test("nothing more is read for a client that has left, even where there is nothing to tell it", async () => {
  let read = 0;
  const dropped = { kind: "notification", direction: "target_to_client", method: "x/y" } as const;
  const event: RecordedEvent = {
    ...dropped,
    exchange: 0,
    at: 0,
    name: undefined,
    attributes: { dropped: "unknown method" },
    payload: new Uint8Array(),
  };
  const reader = {
    async *events() {
      for (let index = 1; index <= 1_000; index += 1) {
        read += 1;
        yield { index, event };
      }
    },
  };
  const replay = new Replay({
    session: testSession(),
    context: CONTEXT,
    reader: reader as unknown as RecordingReader,
    live: { now: () => Promise.reject(new Error("not asked")) },
    isOpen: () => Promise.resolve(true),
    isWanted: () => read < 10,
  });
  const told = [];
  for await (const message of replay.unasked(0)) told.push(message);
  expect(told).toEqual([]);
  expect(read).toBe(10);
});
