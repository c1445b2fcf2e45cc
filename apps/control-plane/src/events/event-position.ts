import { readCursor, writeCursor } from "../platform/pagination.js";

/**
 * A place in the order in which events are told: that of their transactions, and within one that of their ids. Everything
 * at or before it has been told, and nothing will ever appear there any more.
 */
export interface EventPosition {
  readonly transaction: bigint;
  readonly id: bigint;
}

/** Before everything. */
export const BEGINNING: EventPosition = { transaction: 0n, id: 0n };

export function isAfter(one: EventPosition, other: EventPosition): boolean {
  if (one.transaction !== other.transaction) return one.transaction > other.transaction;
  return one.id > other.id;
}

/** What a listener comes back with: where they were, and when that was, since old events are forgotten. */
export interface EventCursor {
  readonly position: EventPosition;
  readonly at: Date;
}

// So that each part fits into its column, and the time into a Date.
const CURSOR = /^\d{1,19}\.\d{1,18}\.\d{1,15}$/;

export function eventCursor({ position, at }: EventCursor): string {
  return writeCursor(`${position.transaction}.${position.id}.${at.getTime()}`);
}

/** @throws DomainError invalid_cursor */
export function readEventCursor(text: string): EventCursor {
  const [transaction = "0", id = "0", at = "0"] = (readCursor(text, CURSOR) ?? "").split(".");
  return { position: { transaction: BigInt(transaction), id: BigInt(id) }, at: new Date(Number(at)) };
}
