import { type Era, type McpMessage, type McpRequest, parseMessage } from "@drawbridge/mcp";
import {
  encodeMessage,
  type JsonRpcObject,
  notification,
  ping,
  request as requestMessage,
  resultMessage,
  toolCall,
  withMeta,
} from "@drawbridge/testing";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { boundedTimeouts, Exchanges } from "./exchanges.js";

const DAY_MS = 24 * 3_600_000;
const LONG = { totalMs: DAY_MS, idleMs: DAY_MS };

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function parsed(message: JsonRpcObject): McpMessage {
  return parseMessage(Buffer.from(encodeMessage(message)));
}

function request(id: string, message: JsonRpcObject = ping(id)): McpRequest {
  const made = parsed(message);
  if (made.kind !== "request") throw new Error("this is no request");
  return made;
}

function listen(id: string): McpRequest {
  return request(id, requestMessage(id, "subscriptions/listen", {}));
}

/** As a session uses them: whoever is late is noted and ended. */
function watched(era: Era = "legacy"): { exchanges: Exchanges; late: string[] } {
  const late: string[] = [];
  const exchanges: Exchanges = new Exchanges({
    era: () => era,
    onTimeout: (exchange, after) => {
      late.push(`${exchange} ${after}`);
      exchanges.end(exchange);
    },
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

  test("do not count for a client that listens, until it gives up", () => {
    const { exchanges, late } = watched("modern");
    exchanges.begin(1, listen("a"), { totalMs: 1_000, idleMs: 1_000 });
    vi.advanceTimersByTime(DAY_MS);
    exchanges.touch(1);
    vi.advanceTimersByTime(DAY_MS);
    expect(late).toEqual([]);
    exchanges.cancel(1);
    vi.advanceTimersByTime(61_000);
    expect(late).toEqual(["1 cancelled"]);
  });

  test("are bounded where this host's own are too long for a timer", () => {
    const wanted = { totalMs: 0, idleMs: 0 };
    expect(boundedTimeouts(wanted, { totalMs: 2 ** 40, idleMs: 2 ** 40 })).toEqual(LONG);
  });
});

describe("in a legacy session", () => {
  test("an id is good for one open request", () => {
    const { exchanges } = watched();
    expect(exchanges.begin(1, request("a"), LONG)).toBe("begun");
    expect(exchanges.begin(2, request("a"), LONG)).toBe("id_in_use");
    exchanges.end(1);
    expect(exchanges.begin(3, request("a"), LONG)).toBe("begun");
    expect(exchanges.begin(3, request("b"), LONG)).toBe("seen_before");
  });

  test("a response is known by its id, progress by its token, the rest goes to the newest call", () => {
    const { exchanges } = watched();
    exchanges.begin(1, request("a", withMeta(toolCall("a", "slow"), { progressToken: "p" })), LONG);
    exchanges.begin(2, request("b"), LONG);
    const progress = parsed(notification("notifications/progress", { progressToken: "p", progress: 1 }));
    expect(exchanges.route(progress)).toEqual({ exchange: 1, final: false });
    expect(exchanges.route(parsed(notification("notifications/message", {})))).toEqual({
      exchange: 2,
      final: false,
    });
    expect(exchanges.route(parsed(resultMessage("a", {})))).toEqual({ exchange: 1, final: true });
    expect(exchanges.route(parsed(resultMessage("z", {})))).toBeUndefined();
  });

  test.each([
    "notifications/tools/list_changed",
    "notifications/resources/updated",
    "notifications/tasks/status",
    "notifications/elicitation/complete",
  ])("%s belongs to no call", (method) => {
    const { exchanges } = watched();
    exchanges.begin(1, request("a"), LONG);
    expect(exchanges.route(parsed(notification(method, {})))).toEqual({ exchange: 0, final: false });
  });
});

describe("in a modern session", () => {
  test("two calls may have one id: the transport says which is answered, and the id has to agree", () => {
    const { exchanges } = watched("modern");
    expect(exchanges.begin(1, request("a"), LONG)).toBe("begun");
    expect(exchanges.begin(2, request("a"), LONG)).toBe("begun");
    const answer = parsed(resultMessage("a", {}));
    expect(exchanges.route(answer, 2)).toEqual({ exchange: 2, final: true });
    exchanges.end(2);
    expect(exchanges.route(answer, 2)).toBeUndefined();
    expect(exchanges.route(answer)).toBeUndefined();
    expect(exchanges.route(parsed(resultMessage("b", {})), 1)).toBeUndefined();
    expect(exchanges.route(answer, 1)).toEqual({ exchange: 1, final: true });
  });

  test("what nobody can tell goes to the newest call that neither listens nor was cancelled", () => {
    const { exchanges } = watched("modern");
    exchanges.begin(1, request("a"), LONG);
    exchanges.begin(2, request("b"), LONG);
    exchanges.begin(3, listen("c"), LONG);
    exchanges.cancel(2);
    const log = parsed(notification("notifications/message", {}));
    expect(exchanges.route(log)).toEqual({ exchange: 1, final: false });
    expect(exchanges.route(log, 3)).toEqual({ exchange: 3, final: false });
    exchanges.end(1);
    expect(exchanges.route(log)).toEqual({ exchange: 0, final: false });
  });

  test("changes go to who subscribed to them and to nobody else", () => {
    const { exchanges } = watched("modern");
    exchanges.begin(1, request("a"), LONG);
    exchanges.begin(2, listen("b"), LONG);
    const changed = parsed(notification("notifications/tools/list_changed"));
    expect(exchanges.route(changed, 2)).toEqual({ exchange: 2, final: false });
    expect(exchanges.route(changed)).toBeUndefined();
  });
});

test.each([
  ["tools/call", true],
  ["resources/read", true],
  ["vendor/export", true],
  ["tools/list", false],
  ["tasks/list", false],
  ["initialize", false],
  ["server/discover", false],
])("what answers %s may be large: %s", (method, isAllowed) => {
  const { exchanges } = watched();
  exchanges.begin(1, request("a", requestMessage("a", method, { protocolVersion: "2025-11-25" })), LONG);
  expect([exchanges.mayBeLarge(1), exchanges.mayBeLarge(2)]).toEqual([isAllowed, false]);
});
