import type { Page } from "@drawbridge/contracts";
import { DomainError } from "./errors.js";

/**
 * Lists are ordered by a unique text (an id, a name); the cursor is that text of the last entry of the page before.
 * Ask the store for one entry more than the limit.
 */
export function pageFrom<Row, View>(
  rows: readonly Row[],
  limit: number,
  render: { key(row: Row): string; view(row: Row): View },
): Page<View> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    items: shown.map((row) => render.view(row)),
    ...(rows.length > limit && last !== undefined ? { nextCursor: writeCursor(render.key(last)) } : {}),
  };
}

export function writeCursor(key: string): string {
  return Buffer.from(key).toString("base64url");
}

/** @throws DomainError invalid_cursor for what no list of ours could have answered */
export function readCursor(cursor: string | undefined, shape: RegExp): string | undefined {
  if (cursor === undefined) return undefined;
  const key = Buffer.from(cursor, "base64url").toString("utf8");
  if (!shape.test(key))
    throw new DomainError("invalid_cursor", "the cursor is not one of this list; start without it");
  return key;
}

export const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
export const NAME = /^[a-z0-9-]{1,63}$/;
