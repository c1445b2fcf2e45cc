import type { Era, JsonRpcId } from "@drawbridge/mcp";
import type { Config } from "../../config.js";
import type { LegTimes } from "./leg-times.js";

/** How one request of a client waits for people, and what it is told when it has waited for as long as it may. */
export interface Delivery {
  readonly legMs: number;
  /** Told with `input_required`, the client comes back by itself; told to repeat the call, whoever reads its results does. */
  readonly comesBackBy: "requestState" | "repeat";
}

/** What is known of a client that has to wait. */
export interface Waiter {
  readonly era: Era;
  readonly method: string;
  readonly progressToken: JsonRpcId | undefined;
  /** What its program says it is called: a claim, which decides nothing but for how long a stream stays open. */
  readonly clientName: string | undefined;
  /** How many of its requests have waited for the same by requestState, this one included. */
  readonly leg: number;
}

/** SDKs give up at the tenth round. */
export const MOST_LEGS = 9;
/** 2026-07-28, MRTR: no other request may be answered with `input_required`. */
export const MAY_REQUIRE_INPUT: ReadonlySet<string> = new Set([
  "tools/call",
  "prompts/get",
  "resources/read",
]);

/** Of those who do not wait by a task (ADR 0010). */
export function deliveryOf(
  { era, method, progressToken, clientName, leg }: Waiter,
  { patientClients, maxHoldMs }: Pick<Config, "patientClients" | "maxHoldMs">,
  { repeatMs, requestStateMs }: Pick<LegTimes, "repeatMs" | "requestStateMs">,
): Delivery {
  if (era === "modern" && MAY_REQUIRE_INPUT.has(method))
    return { legMs: requestStateMs, comesBackBy: leg < MOST_LEGS ? "requestState" : "repeat" };
  const isPatient = clientName !== undefined && patientClients.includes(clientName.toLowerCase());
  if (era === "legacy" && progressToken && isPatient) return { legMs: maxHoldMs, comesBackBy: "repeat" };
  return { legMs: repeatMs, comesBackBy: "repeat" };
}
