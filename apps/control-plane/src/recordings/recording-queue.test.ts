import { describe, expect, test } from "vitest";
import { event } from "./fakes/test-recorder.js";
import { type Pending, RecordingQueue } from "./recording-queue.js";

const caller = { resolve: () => undefined, reject: () => undefined };
const appended = (recordingId: string, bytes = 0): Pending => ({
  entry: { recordingId, event: event({ payload: new Uint8Array(bytes) }) },
  caller,
  tried: [],
});
const owed = (recordingId: string): Pending => ({ entry: { recordingId, event: event() }, tried: [] });
const names = (items: readonly Pending[]) => items.map(({ entry }) => entry.recordingId);
const small = () =>
  new RecordingQueue({ appended: { events: 3, bytes: 10_000 }, owed: { events: 2, bytes: 10_000 } });

describe("RecordingQueue", () => {
  test("has room for each kind apart, also while a batch is being written", () => {
    const queue = small();
    expect(["a", "b", "c", "d"].map((name) => queue.add(appended(name)))).toEqual([true, true, true, false]);
    expect(["x", "y", "z"].map((name) => queue.add(owed(name)))).toEqual([true, true, false]);
    const batch = queue.takeBatch();
    expect(queue.add(appended("d"))).toBe(false);
    for (const item of batch) queue.settled(item);
    expect(queue.add(appended("d"))).toBe(true);
    expect(queue.add(owed("z"))).toBe(true);
  });

  test("has room for one entry however large, and none beside it", () => {
    const queue = small();
    expect(queue.add(appended("large", 50_000))).toBe(true);
    expect(queue.add(appended("small"))).toBe(false);
  });

  test("gives back first what was put back", () => {
    const queue = small();
    for (const item of [owed("a"), appended("b"), owed("c")]) queue.add(item);
    const [first, , third] = queue.takeBatch();
    queue.add(appended("d"));
    queue.putBack([first!, third!]);
    expect(queue.isOnlyOwed).toBe(false);
    expect(names(queue.takeBatch())).toEqual(["a", "c", "d"]);
  });

  test("knows what is not settled, waiting or taken", () => {
    const queue = small();
    const item = owed("a");
    queue.add(item);
    queue.takeBatch();
    expect([queue.has("a"), queue.has("a", 0), queue.has("a", 1), queue.has("b")]).toEqual([
      true,
      true,
      false,
      false,
    ]);
    queue.settled(item);
    queue.settled(item);
    expect(queue.has("a")).toBe(false);
  });
});
