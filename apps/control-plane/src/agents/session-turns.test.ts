import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import { SessionTurns } from "./session-turns.js";

const MIB = 1024 * 1024;

function turnsOf() {
  const failures: unknown[] = [];
  return { failures, turns: new SessionTurns((error) => failures.push(error)) };
}

test("an exchange does not wait for another one", async () => {
  const { turns } = turnsOf();
  const never = new Promise<void>(() => undefined);
  const done: number[] = [];
  await turns.besideOthers({ exchange: 1, bytes: 1 }, () => never);
  await turns.besideOthers({ exchange: 2, bytes: 1 }, async () => void done.push(2));
  await turns.besideOthers({ exchange: 3, bytes: 1 }, async () => void done.push(3));
  await sleep(0);
  expect(done).toEqual([2, 3]);
});

test("what comes in turn waits for every exchange before it, and holds back all after it", async () => {
  const { turns } = turnsOf();
  const barrier = Promise.withResolvers<void>();
  const done: string[] = [];
  await turns.besideOthers({ exchange: 1, bytes: 1 }, () =>
    barrier.promise.then(() => void done.push("one")),
  );
  const inTurn = turns.inTurn(async () => void done.push("in turn"));
  await turns.besideOthers({ exchange: 2, bytes: 1 }, async () => void done.push("two"));
  await sleep(0);
  expect(done).toEqual([]);
  barrier.resolve();
  await inTurn;
  await sleep(0);
  expect(done).toEqual(["one", "in turn", "two"]);
});

test("what comes before others waits for no exchange under way, and all after it waits for it", async () => {
  const { turns } = turnsOf();
  const never = new Promise<void>(() => undefined);
  const barrier = Promise.withResolvers<void>();
  const done: string[] = [];
  await turns.besideOthers({ exchange: 1, bytes: 1 }, () => never);
  const before = turns.beforeOthers(() => barrier.promise.then(() => void done.push("before")));
  await turns.besideOthers({ exchange: 2, bytes: 1 }, async () => void done.push("two"));
  void turns.inTurn(async () => void done.push("never"));
  await sleep(0);
  expect(done).toEqual([]);
  barrier.resolve();
  await before;
  await sleep(0);
  expect(done).toEqual(["before", "two"]);
});

test.each([
  ["64 of them", 1, 63],
  ["4 MiB", MIB, 3],
])("no more than %s are under way before reading stops", async (_what, bytes, accepted) => {
  const { turns } = turnsOf();
  const barrier = Promise.withResolvers<void>();
  let mayRead = 0;
  const reading = (async () => {
    for (let exchange = 0; exchange < 100; exchange += 1) {
      await turns.besideOthers({ exchange, bytes }, () => barrier.promise);
      mayRead += 1;
    }
  })();
  await sleep(5);
  expect(mayRead).toBe(accepted);
  barrier.resolve();
  await reading;
  expect(mayRead).toBe(100);
});

test("work that fails is told and does not stop what comes after", async () => {
  const { turns, failures } = turnsOf();
  const done: string[] = [];
  await turns.besideOthers({ exchange: 1, bytes: 1 }, () => Promise.reject(new Error("one")));
  await turns.besideOthers({ exchange: 1, bytes: 1 }, async () => void done.push("after"));
  await turns.inTurn(() => Promise.reject(new Error("two")));
  await turns.inTurn(async () => void done.push("last"));
  expect(done).toEqual(["after", "last"]);
  expect(failures).toEqual([new Error("one"), new Error("two")]);
});

test("within an exchange, and around what comes in turn, everything keeps its order", async () => {
  const step = fc.record({ exchange: fc.integer({ min: -1, max: 3 }), ms: fc.integer({ min: 0, max: 3 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const { turns } = turnsOf();
      const done: { exchange: number; index: number }[] = [];
      for (const [index, { exchange, ms }] of steps.entries()) {
        const work = async () => {
          if (ms > 0) await sleep(ms);
          done.push({ exchange, index });
        };
        if (exchange < 0) void turns.inTurn(work);
        else await turns.besideOthers({ exchange, bytes: 1 }, work);
      }
      await turns.inTurn(async () => undefined);
      expect(done).toHaveLength(steps.length);
      const inverted = done.flatMap((one, at) =>
        done.slice(at + 1).filter((later) => {
          const isOrdered = one.exchange === later.exchange || one.exchange < 0 || later.exchange < 0;
          return isOrdered && later.index < one.index;
        }),
      );
      expect(inverted).toEqual([]);
    }),
    { numRuns: 50 },
  );
});
