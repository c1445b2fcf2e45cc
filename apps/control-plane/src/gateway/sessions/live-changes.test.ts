import { expect, test } from "vitest";
import type { EpochListener } from "../../platform/epoch-watch.js";
import { LiveChanges } from "./live-changes.js";

const SESSIONS = 40;
const WORK_MS = 4;

test("a change that takes each session some milliseconds leaves others their turns", async () => {
  let tell: EpochListener | undefined;
  let done = 0;
  const work = async () => {
    const end = performance.now() + WORK_MS;
    while (performance.now() < end);
    done += 1;
  };
  const live = { atLeast: async () => ({ epoch: 1n }), known: async () => ({ epoch: 0n }) };
  const sessions = {
    all: Array.from({ length: SESSIONS }, () => ({})),
    trafficOf: () => ({ changes: { apply: work } }),
  };
  const changes = new LiveChanges(
    { onChange: (listener: EpochListener) => (tell = listener) } as never,
    live as never,
    sessions as never,
    { endClosed: async () => undefined } as never,
    { lookAt: async () => undefined } as never,
  );
  changes.onModuleInit();
  let turns = 0;
  const other = setInterval(() => (turns += 1), 1);
  await tell?.(1n);
  clearInterval(other);
  expect(done).toBe(SESSIONS);
  expect(turns).toBeGreaterThan(SESSIONS / 4);
});
