import { Buffer, isUtf8 } from "node:buffer";
import type { EventAttributes, EventDirection, EventKind, RecordedEvent } from "./recorded-event.js";

/** One line of a JSONL export. */
export interface ExportedEvent {
  readonly kind: EventKind;
  readonly direction: EventDirection;
  readonly exchange: number;
  /** Milliseconds since 1970, and the same in ISO 8601. */
  readonly at: number;
  readonly time: string;
  readonly method?: string;
  readonly name?: string;
  readonly attributes: EventAttributes;
  /** The payload's own text, never parsed: numbers too long for JavaScript stay as they were. */
  readonly payload: string;
  readonly payloadEncoding: "utf-8" | "base64";
}

/** Plain data that JSON.stringify keeps exactly. */
export function toExport(event: RecordedEvent): ExportedEvent {
  const payload = Buffer.from(event.payload.buffer, event.payload.byteOffset, event.payload.byteLength);
  const text = isUtf8(payload);
  return {
    kind: event.kind,
    direction: event.direction,
    exchange: event.exchange,
    at: event.at,
    time: new Date(event.at).toISOString(),
    ...(event.method === undefined ? {} : { method: event.method }),
    ...(event.name === undefined ? {} : { name: event.name }),
    attributes: event.attributes,
    payload: payload.toString(text ? "utf8" : "base64"),
    payloadEncoding: text ? "utf-8" : "base64",
  };
}
