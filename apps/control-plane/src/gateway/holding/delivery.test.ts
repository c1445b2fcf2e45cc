import { jsonRpcId } from "@drawbridge/mcp";
import { describe, expect, test } from "vitest";
import { LegTimes } from "./leg-times.js";
import { deliveryOf, type Waiter } from "./delivery.js";

const CONFIG = { patientClients: ["claude-code"], maxHoldMs: 900_000 };
const LEGACY: Waiter = {
  era: "legacy",
  method: "tools/call",
  progressToken: undefined,
  clientName: "some-sdk",
  leg: 1,
};
const MODERN: Waiter = { ...LEGACY, era: "modern" };
const token = jsonRpcId(1);

describe("how a client waits", () => {
  test.each([
    ["a client of the 2025 revisions", LEGACY, { legMs: 50_000, comesBackBy: "repeat" }],
    [
      "one that asks for progress",
      { ...LEGACY, progressToken: token },
      { legMs: 50_000, comesBackBy: "repeat" },
    ],
    [
      "one that asks for progress and is known to be patient",
      { ...LEGACY, progressToken: token, clientName: "Claude-Code" },
      { legMs: 900_000, comesBackBy: "repeat" },
    ],
    [
      "a patient one that does not ask for progress",
      { ...LEGACY, clientName: "claude-code" },
      { legMs: 50_000, comesBackBy: "repeat" },
    ],
    ["a client of 2026-07-28", MODERN, { legMs: 45_000, comesBackBy: "requestState" }],
    [
      "a patient one of 2026-07-28",
      { ...MODERN, progressToken: token, clientName: "claude-code" },
      { legMs: 45_000, comesBackBy: "requestState" },
    ],
    [
      "one that reads a resource",
      { ...MODERN, method: "resources/read" },
      { legMs: 45_000, comesBackBy: "requestState" },
    ],
    ["the ninth leg of it", { ...MODERN, leg: 9 }, { legMs: 45_000, comesBackBy: "repeat" }],
    [
      "one whose request has no such answer",
      { ...MODERN, method: "completion/complete" },
      { legMs: 50_000, comesBackBy: "repeat" },
    ],
  ] as const)("%s", (_who, waiter, delivery) => {
    expect(deliveryOf(waiter, CONFIG, new LegTimes())).toEqual(delivery);
  });
});
