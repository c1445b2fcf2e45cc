import { type McpRequest, parseMessage } from "@drawbridge/mcp";
import { encodeMessage, ping } from "@drawbridge/testing";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { boundedTimeouts, Exchanges } from "./exchanges.js";

const DAY_MS = 24 * 3_600_000;
const LONG = { totalMs: DAY_MS, idleMs: DAY_MS };

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function request(id: string): McpRequest {
  const message = parseMessage(Buffer.from(encodeMessage(ping(id))));
  if (message.kind !== "request") throw new Error("a ping is a request");
  return message;
}

/** As a session uses them: whoever is late is noted and ended. */
function watched(): { exchanges: Exchanges; late: string[] } {
  const late: string[] = [];
  const exchanges: Exchanges = new Exchanges((exchange, after) => {
    late.push(`${exchange} ${after}`);
    exchanges.end(exchange);
  });
  return { exchanges, late };
}

describe("an exchange nobody waits for", () => {
  test("takes a late response for a minute, then is late for good", () => {
    const { exchanges, late } = watched();
    exchanges.begin(1, request("a"), LONG);
    exchanges.cancel(1);
    vi.advanceTimersByTime(58_000);
    expect(exchanges.exchangeOfId(request("a").id)).toBe(1);
    expect(late).toEqual([]);
    vi.advanceTimersByTime(5_000);
    expect(late).toEqual(["1 cancelled"]);
    expect(exchanges.open).toEqual([]);
  });

  test("ends aloud when its id is used again", () => {
    const { exchanges, late } = watched();
    exchanges.begin(1, request("a"), LONG);
    exchanges.cancel(1);
    expect(exchanges.begin(2, request("a"), LONG)).toBe("begun");
    expect(late).toEqual(["1 cancelled"]);
    expect(exchanges.open).toEqual([2]);
    expect(exchanges.exchangeOfId(request("a").id)).toBe(2);
  });
});

describe("the time-outs of an exchange", () => {
  test("count in all, and from the last sign of life", () => {
    const { exchanges, late } = watched();
    exchanges.begin(1, request("a"), { totalMs: 100_000, idleMs: 30_000 });
    exchanges.begin(2, request("b"), { totalMs: 60_000, idleMs: 30_000 });
    vi.advanceTimersByTime(25_000);
    exchanges.touch(2);
    vi.advanceTimersByTime(10_000);
    expect(late).toEqual(["1 idle"]);
    exchanges.touch(2);
    vi.advanceTimersByTime(24_000);
    exchanges.touch(2);
    expect(late).toEqual(["1 idle"]);
    vi.advanceTimersByTime(5_000);
    expect(late).toEqual(["1 idle", "2 total"]);
  });

  test.each([
    ["none", { totalMs: 0, idleMs: 0 }, { totalMs: 3_600_000, idleMs: 900_000 }],
    ["negative ones", { totalMs: -1, idleMs: -1 }, { totalMs: 3_600_000, idleMs: 900_000 }],
    ["usable ones", { totalMs: 5_000, idleMs: 2_000 }, { totalMs: 5_000, idleMs: 2_000 }],
    ["more than a timer can wait", { totalMs: 2 ** 31, idleMs: 2 ** 32 - 1 }, LONG],
  ])("are bounded where a target's definition has %s", (_name, wanted, made) => {
    expect(boundedTimeouts(wanted, { totalMs: 3_600_000, idleMs: 900_000 })).toEqual(made);
  });

  test("are bounded where this host's own are too long for a timer", () => {
    const wanted = { totalMs: 0, idleMs: 0 };
    expect(boundedTimeouts(wanted, { totalMs: 2 ** 40, idleMs: 2 ** 40 })).toEqual(LONG);
  });
});
