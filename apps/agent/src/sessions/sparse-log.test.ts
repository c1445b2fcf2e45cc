import { resultMessage } from "@drawbridge/testing";
import { pino } from "pino";
import { expect, test } from "vitest";
import { sessionBench } from "../fakes/session-bench.js";
import { SparseLog } from "./sparse-log.js";

test("a session's log has room for some lines at once, then for few, and counts the others", () => {
  const lines: string[] = [];
  let now = 0;
  const log = new SparseLog(pino({ base: null }, { write: (line) => lines.push(line) }), () => now);
  for (let n = 0; n < 1_000; n++) log.warn({ n }, "again");
  expect(lines).toHaveLength(20);
  now += 3_000;
  log.error({}, "at last");
  log.warn({}, "too soon");
  expect(lines).toHaveLength(21);
  expect(JSON.parse(lines[20] ?? "")).toMatchObject({ msg: "at last", leftOut: 980 });
});

test("a target cannot fill the log with answers nobody waits for", () => {
  const bench = sessionBench();
  bench.send(1, { jsonrpc: "2.0", id: 1, method: "initialize", params: { protocolVersion: "2025-11-25" } });
  for (let n = 0; n < 1_000; n++) bench.answer(resultMessage(`unknown ${n}`, {}));
  for (let n = 0; n < 1_000; n++) bench.target().listener.rubbish("it could not be read");
  expect(bench.logs.length).toBeGreaterThan(0);
  expect(bench.logs.length).toBeLessThan(30);
});
