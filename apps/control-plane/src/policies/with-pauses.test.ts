import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { withPauses } from "./with-pauses.js";

async function* items(...waits: readonly number[]): AsyncGenerator<string> {
  for (const [index, ms] of waits.entries()) {
    await sleep(ms);
    yield String(index);
  }
}

test("tells something whenever nothing has come for a while", async () => {
  const found: string[] = [];
  for await (const item of withPauses(items(0, 120), 30, () => "…")) found.push(item);
  expect(found[0]).toBe("0");
  expect(found.at(-1)).toBe("1");
  expect(found.filter((item) => item === "…").length).toBeGreaterThanOrEqual(1);
});

test("asks for the next item only when the last was taken", async () => {
  let made = 0;
  async function* counted() {
    for (;;) {
      await Promise.resolve();
      yield ++made;
    }
  }
  const paused = withPauses(counted(), 1_000, () => 0);
  expect((await paused.next()).value).toBe(1);
  await sleep(20);
  expect(made).toBe(1);
  await paused.return(undefined);
});

test("passes on a failure, and ends what it reads from when its reader leaves", async () => {
  async function* failing() {
    yield 1;
    await Promise.resolve();
    throw new Error("broken");
  }
  const broken = withPauses(failing(), 1_000, () => 0);
  expect((await broken.next()).value).toBe(1);
  await expect(broken.next()).rejects.toThrow("broken");
  let ended = false;
  async function* endless() {
    try {
      for (;;) {
        await sleep(1);
        yield 1;
      }
    } finally {
      ended = true;
    }
  }
  for await (const _ of withPauses(endless(), 1_000, () => 0)) break;
  expect(ended).toBe(true);
});
