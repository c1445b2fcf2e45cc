import type { EventAttributes } from "@drawbridge/recording";

/** Where a large response is: `attributes.stored` of its `response` event, whose payload is empty. */
export interface StoredResponse {
  readonly transfer: number;
  /** The indexes of its first and its last response_chunk; other events may be between them. */
  readonly first: number;
  readonly last: number;
  /** Of the whole payload. */
  readonly bytes: number;
  /** How many chunks it has. */
  readonly parts?: number;
}

/** Undefined when the payload of the event is in the event. */
export function storedResponse(attributes: EventAttributes): StoredResponse | undefined {
  const stored = attributes["stored"];
  if (typeof stored !== "object" || stored === null) return undefined;
  const { transfer, first, last, bytes, parts } = stored as Record<string, unknown>;
  if (!isCount(transfer) || !isCount(first) || !isCount(last) || !isCount(bytes)) return undefined;
  return { transfer, first, last, bytes, ...(isCount(parts) ? { parts } : {}) };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
