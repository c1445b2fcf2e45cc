import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { boundedWelcome } from "./connection.js";

function welcomed(pingIntervalMs: number, permissionMs: number) {
  return boundedWelcome({ agentId: "agent-1", epoch: 1, pingIntervalMs, permissionMs, maxMessageBytes: 1 });
}

describe("what an agent makes of a welcome", () => {
  test.each([
    { name: "the usual", wish: [5_000, 15_000], made: [5_000, 15_000] },
    { name: "no interval", wish: [0, 15_000], made: [1_000, 15_000] },
    { name: "more than a timer can wait", wish: [2 ** 32 - 1, 2 ** 32 - 1], made: [20_000, 60_000] },
    { name: "pings too far apart to renew in time", wish: [20_000, 15_000], made: [5_000, 15_000] },
    { name: "no permission at all", wish: [5_000, 0], made: [20, 0] },
  ] as const)("$name", ({ wish: [pingIntervalMs, permissionMs], made }) => {
    const welcome = welcomed(pingIntervalMs, permissionMs);
    expect([welcome.pingIntervalMs, welcome.permissionMs]).toEqual(made);
  });

  test("no welcome gives a timer that overflows or a permission over a minute", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), (pingIntervalMs, permissionMs) => {
        const welcome = welcomed(pingIntervalMs, permissionMs);
        expect(welcome.pingIntervalMs).toBeGreaterThanOrEqual(20);
        expect(welcome.pingIntervalMs).toBeLessThanOrEqual(20_000);
        expect(welcome.permissionMs).toBeGreaterThanOrEqual(0);
        expect(welcome.permissionMs).toBeLessThanOrEqual(60_000);
      }),
    );
  });
});
