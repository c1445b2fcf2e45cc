import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { SessionTools } from "./session-tools.js";

let tools: SessionTools;
let asked = 0;
const list = async () => void (asked += 1);

beforeEach(() => {
  vi.useFakeTimers();
  tools = new SessionTools();
  asked = 0;
});
afterEach(() => vi.useRealTimers());

function listing(name: string, digest: number) {
  const tool = { name, digest: Buffer.alloc(32, digest), definition: Buffer.from("{}") };
  return { tools: [tool], complete: false, failure: undefined };
}

test("an answer is waited for ten seconds, and no longer", async () => {
  let isOver = false;
  const waiting = tools.ask(list).then(() => (isOver = true));
  await vi.advanceTimersByTimeAsync(9_990);
  expect(isOver).toBe(false);
  await vi.advanceTimersByTimeAsync(20);
  await waiting;
  expect(isOver).toBe(true);
});

test("whoever asks meanwhile waits for the same answer", async () => {
  const waiting = [tools.ask(list), tools.ask(list)];
  tools.listed();
  await Promise.all(waiting);
  expect(asked).toBe(1);
});

test("the agent is asked again after five seconds at the earliest, counted from its answer", async () => {
  const first = tools.ask(list);
  await vi.advanceTimersByTimeAsync(3_000);
  tools.listed();
  await first;
  await vi.advanceTimersByTimeAsync(4_990);
  await tools.ask(list);
  expect(asked).toBe(1);
  await vi.advanceTimersByTimeAsync(20);
  const second = tools.ask(list);
  tools.listed();
  await second;
  expect(asked).toBe(2);
});

test("an agent that cannot be asked is not waited for", async () => {
  const refused = tools.ask(() => Promise.reject(new Error("no agent is connected")));
  await expect(refused).resolves.toBeUndefined();
});

test("of each tool the last definition counts, of so many tools at most", () => {
  tools.hear(listing("read", 1));
  tools.hear(listing("read", 2));
  for (let index = 0; index < 3_000; index++) tools.hear(listing(`t${index}`, 1));
  tools.hear(listing("read", 3));
  expect(tools.digests.size).toBe(2_000);
  expect(tools.digests.get("read")).toEqual(Buffer.alloc(32, 3));
});
