/** Everything a recording can hold. The list only grows: a kind that was ever written stays readable. */
export const EVENT_KINDS = [
  "session_opened",
  "request",
  "response",
  "notification",
  "server_request",
  "client_response",
  "decision",
  "not_sent",
  "outcome_unknown",
  "stderr",
  "target_ended",
  "session_closed",
  // A part of a response that is too large for one event: `attributes.transfer` says of which, the payloads of its parts
  // make the message. The `response` comes after them with an empty payload and says in `attributes.stored` where they
  // are. Without a `response` they are nothing.
  "response_chunk",
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

export const EVENT_DIRECTIONS = ["client_to_target", "target_to_client", "none"] as const;
export type EventDirection = (typeof EVENT_DIRECTIONS)[number];

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/** What is known about an event beside its payload: decision, rule, policy version, reason, counts, HTTP status. */
export type EventAttributes = { readonly [name: string]: JsonValue };

/** One thing a session said, heard or decided. */
export interface RecordedEvent {
  readonly kind: EventKind;
  readonly direction: EventDirection;
  /** Joins a request with everything that belongs to it; a safe integer ≥ 0, 0 for none. */
  readonly exchange: number;
  /** When the edge saw it, in whole milliseconds since 1970. */
  readonly at: number;
  readonly method?: string | undefined;
  /** The tool or prompt name or the resource URI. */
  readonly name?: string | undefined;
  readonly attributes: EventAttributes;
  /** Raw JSON as it was delivered, masked; kept byte for byte. May be empty. */
  readonly payload: Uint8Array;
}

export function isEventKind(value: unknown): value is EventKind {
  return (EVENT_KINDS as readonly unknown[]).includes(value);
}

export function isEventDirection(value: unknown): value is EventDirection {
  return (EVENT_DIRECTIONS as readonly unknown[]).includes(value);
}
