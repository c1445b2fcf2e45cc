import { parseMessage } from "@drawbridge/mcp";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Exchange } from "../sessions/gateway-session.js";
import type { Incoming } from "../traffic/incoming.js";
import { Leg, type NewLeg } from "./leg.js";

const call = parseMessage(
  Buffer.from('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}'),
);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Of somebody whose token is good for a minute. */
function leg(said: Partial<NewLeg> = {}): Leg {
  const reply = { open: true, resumable: false, whenClosed: () => undefined };
  const exchange = { number: 1, cancelled: false, reply } as unknown as Exchange;
  const principal = { id: "alice", expiresAt: new Date(Date.now() + 60_000) };
  return new Leg({
    incoming: { message: call, session: { era: "legacy" }, principal } as unknown as Incoming<never>,
    exchange,
    delivery: { legMs: 50_000, comesBackBy: "repeat" } as NewLeg["delivery"],
    awaits: "approval",
    id: "approval",
    toolDigest: undefined,
    number: 1,
    beforeTokenExpiresMs: 5_000,
    attend: () => async () => undefined,
    ...said,
  });
}

test("that has become late may go on with what it runs, for as long as its token is good", async () => {
  const waits = leg();
  vi.advanceTimersByTime(51_000);
  expect([waits.over?.why, waits.isThere, waits.isStillThere]).toEqual(["late", false, true]);
  vi.advanceTimersByTime(9_001);
  expect(waits.isStillThere).toBe(false);
  await waits.close();
});

test("whose timers are late does not run with a token that has expired", async () => {
  const waits = leg();
  vi.setSystemTime(Date.now() + 60_001);
  expect([waits.over, waits.isThere, waits.isStillThere]).toEqual([undefined, false, false]);
  await waits.close();
});
