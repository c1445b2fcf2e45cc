import type { ServerResponse } from "node:http";
import type { Principal } from "../../identity/index.js";

// A timer that is set for longer fires at once.
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Calls back when the token of whoever is answered has expired, unless the answer is over by then. */
export function whenExpired({ expiresAt }: Principal, response: ServerResponse, expired: () => void): void {
  const lifetime = Math.max(0, expiresAt.getTime() - Date.now());
  const timer = setTimeout(expired, Math.min(lifetime, LONGEST_TIMER_MS));
  response.once("close", () => clearTimeout(timer));
  if (response.destroyed) clearTimeout(timer);
}
