import type { EventKind } from "@drawbridge/recording";

/** The column `kind`. A number is never given to another kind: rows and two indexes are written with it. */
export const KIND_NUMBER = {
  session_opened: 0,
  request: 1,
  response: 2,
  notification: 3,
  server_request: 4,
  client_response: 5,
  decision: 6,
  not_sent: 7,
  outcome_unknown: 8,
  stderr: 9,
  target_ended: 10,
  session_closed: 11,
  response_chunk: 12,
} as const satisfies Record<EventKind, number>;

const NAMES = new Map<number, EventKind>(
  Object.entries(KIND_NUMBER).map(([kind, number]) => [number, kind as EventKind]),
);

/** A number nobody wrote reads as a name that verification refuses. */
export function kindName(number: number): string {
  return NAMES.get(number) ?? `unknown ${number}`;
}
