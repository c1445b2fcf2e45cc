import { expect, test } from "vitest";
import { UsageOfSession } from "./session-usage.js";

const OPENED = new Date("2026-11-22T12:00:00Z");
const LATER = new Date("2026-11-22T12:01:30Z");
const call = (name: string) => ({ method: "tools/call", name });

test("counts calls, and those of each tool", () => {
  const usage = new UsageOfSession(OPENED);
  usage.count(call("read"));
  usage.count(call("read"));
  usage.count({ method: "resources/read", name: "read" });
  usage.countResult(10);
  const seen = usage.seenBy(call("other"), LATER);
  expect(seen).toMatchObject({ calls: 3, resultBytes: 10, ageSeconds: 90 });
  expect([seen.callsOf("read"), seen.callsOf("other"), seen.callsOf("toString")]).toEqual([2, 0, 0]);
});

test("stays for a call what it was when that was decided, its own count left out", () => {
  const usage = new UsageOfSession(OPENED);
  usage.count(call("read"));
  const seen = usage.seenBy(call("read"), LATER);
  expect(seen.callsOf("write")).toBe(0);
  for (const name of ["read", "read", "write"]) usage.count(call(name));
  usage.countResult(10);
  expect([seen.calls, seen.callsOf("read"), seen.callsOf("write"), seen.resultBytes]).toEqual([1, 1, 0, 0]);
});

test("is, for a call that comes back to what it was told, what it was without that call", () => {
  const usage = new UsageOfSession(OPENED);
  for (const name of ["write", "read", "read"]) usage.count(call(name));
  const seen = usage.seenAgainBy(call("read"), LATER);
  expect([seen.calls, seen.callsOf("read"), seen.callsOf("write")]).toEqual([2, 1, 1]);
  expect(usage.seenBy(call("read"), LATER).calls).toBe(3);
  const nothing = new UsageOfSession(OPENED).seenAgainBy(call("read"), LATER);
  expect([nothing.calls, nothing.callsOf("read")]).toEqual([0, 0]);
});

test("forgets what did not run", () => {
  const usage = new UsageOfSession(OPENED);
  usage.count(call("read"));
  usage.takeBack(call("read"));
  const seen = usage.seenBy(call("read"), LATER);
  expect([seen.calls, seen.callsOf("read")]).toEqual([0, 0]);
});

test("goes on from what another process counted, which knew the size of results", () => {
  const usage = new UsageOfSession(OPENED, { calls: 5, byTool: new Map([["read", 3]]) });
  usage.count(call("read"));
  usage.countResult(10);
  const seen = usage.seenBy(call("read"), LATER);
  expect([seen.calls, seen.callsOf("read"), seen.resultBytes]).toEqual([6, 4, undefined]);
});

test("says of more tools than it can keep apart that it does not know", () => {
  const usage = new UsageOfSession(OPENED);
  for (let index = 0; index < 10_001; index += 1) usage.count(call(`tool ${index}`));
  const seen = usage.seenBy(call("read"), LATER);
  expect([seen.calls, seen.callsOf("tool 1")]).toEqual([10_001, 1]);
  expect(() => seen.callsOf("tool 10000")).toThrow(/too many tools/);
});
