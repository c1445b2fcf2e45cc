import { expect, test } from "vitest";
import { byCategory, type CpuProfile, selfTimes } from "./cpu-profile.js";

const frame = (functionName: string, url = "") => ({ functionName, url, lineNumber: 0 });

/** One sample every 10 µs from 1000 on: each id is what ran. */
function profileOf(samples: number[]): CpuProfile {
  const nodes = [
    { id: 1, callFrame: frame("(root)"), children: [2, 3, 5, 6] },
    {
      id: 2,
      callFrame: frame("decide", "file:///x/apps/control-plane/dist/gateway/decide.js"),
      children: [4],
    },
    { id: 3, callFrame: frame("(idle)") },
    { id: 4, callFrame: frame("writev") },
    { id: 5, callFrame: frame("(garbage collector)") },
    { id: 6, callFrame: frame("constructor", "node:internal/crypto/hash") },
  ];
  return { nodes, startTime: 1_000, samples, timeDeltas: samples.map(() => 10) };
}

const always = { fromMicros: 0, toMicros: Infinity };

test("adds up where the time went, and what the engine did for whom, and leaves out idle time", () => {
  const times = selfTimes(profileOf([2, 2, 3, 4, 5, 6, 2, 3]), always);
  expect(times.map(({ category, name, micros }) => [category, name, micros])).toEqual([
    ["own: gateway", "decide decide.js", 30],
    ["own: gateway", "writev, native, from decide", 10],
    ["garbage collection", "(garbage collector)", 10],
    ["node: crypto", "constructor node:internal/crypto/hash", 10],
  ]);
  expect(byCategory(times)[0]).toEqual({ category: "own: gateway", micros: 40 });
});

test("counts only what was sampled within the interval", () => {
  const times = selfTimes(profileOf([2, 2, 4, 4, 2, 2]), { fromMicros: 1_025, toMicros: 1_045 });
  expect(times.map(({ name, micros }) => [name, micros])).toEqual([["writev, native, from decide", 20]]);
});
