import type { EventKind } from "./recorded-event.js";

const ENDS_EXCHANGE: readonly string[] = [
  "response",
  "not_sent",
  "outcome_unknown",
] satisfies readonly EventKind[];

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
    else if (ENDS_EXCHANGE.includes(kind)) open.delete(exchange);
  }
  return [...open];
}
