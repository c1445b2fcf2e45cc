import type { EventKind } from "./recorded-event.js";

/** After an event of one of these kinds its exchange is over. */
export const EXCHANGE_ENDS = [
  "response",
  "not_sent",
  "outcome_unknown",
] as const satisfies readonly EventKind[];

/**
 * The exchanges whose request has no response, not_sent or outcome_unknown, in the order they were begun.
 * Reads the clear columns only, in index order, so recovery after a crash needs no key.
 */
export function openExchanges(
  events: Iterable<{ readonly kind: string; readonly exchange: number }>,
): number[] {
  const open = new Set<number>();
  for (const { kind, exchange } of events) {
    if (kind === "request" && exchange !== 0) open.add(exchange);
    else if (isExchangeEnd(kind)) open.delete(exchange);
  }
  return [...open];
}

function isExchangeEnd(kind: string): boolean {
  return EXCHANGE_ENDS.some((end) => end === kind);
}
