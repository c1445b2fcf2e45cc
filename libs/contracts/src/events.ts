import { z } from "zod";
import { Timestamp } from "./names.js";

/** Everything that is told live. A program that listens tests for these; a name never changes its meaning. */
export const EVENT_KINDS = [
  "approval.requested",
  "approval.voted",
  "approval.escalated",
  "approval.approved",
  "approval.denied",
  "approval.expired",
  "approval.cancelled",
  "approval.revoked",
  "approval.consumed",
  "access_request.created",
  "access_request.voted",
  "access_request.escalated",
  "access_request.approved",
  "access_request.denied",
  "access_request.expired",
  "access_request.withdrawn",
  "grant.started",
  "grant.ended",
  "grant.returned",
  "grant.revoked",
  "break_glass.used",
  "break_glass.reviewed",
  "session.opened",
  "session.closed",
  "agent.connected",
  "agent.disconnected",
  "agent.quarantined",
  "lock.set",
  "lock.released",
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

/** Whether `pattern` names the kind, or with * at its end a group that the kind is in. */
export function matchesEvent(pattern: string, kind: string): boolean {
  return pattern.endsWith("*") ? kind.startsWith(pattern.slice(0, -1)) : kind === pattern;
}

export const EventPattern = z
  .string()
  .max(100)
  .refine(
    (pattern) => EVENT_KINDS.some((kind) => matchesEvent(pattern, kind)),
    "use an event such as approval.requested, or a group of them such as approval.*",
  );

/** The subprotocol that a client of `/api/v1/events` must offer; a browser offers `bearer.<token>` beside it. */
export const EVENTS_PROTOCOL = "drawbridge.events.v1";

/** What may stand behind `/api/v1/events?`; a token never does. */
export const EventStreamQuery = z.strictObject({
  after: z.string().max(200).optional().meta({ description: "The last cursor; without it only what comes" }),
  kinds: z
    .string()
    .max(2_000)
    .transform((list) => list.split(","))
    .pipe(z.array(EventPattern).min(1).max(50))
    .optional()
    .meta({ description: "approval.*,lock.set; without it everything" }),
});
export type EventStreamQuery = z.infer<typeof EventStreamQuery>;

/**
 * One message of `/api/v1/events`. `cursor` is what to come back with. `ready` follows what was missed: from there on
 * events are told as they happen.
 */
export const EventMessage = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("event"),
    cursor: z.string(),
    at: Timestamp,
    kind: z.enum(EVENT_KINDS),
    subject: z
      .string()
      .meta({ description: "Id of the approval, request, grant, session or lock, or name of the agent" }),
    data: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
  }),
  z.object({ type: z.literal("ready"), cursor: z.string() }),
  z.object({ type: z.literal("gap"), cursor: z.string(), says: z.string() }),
]);
export type EventMessage = z.infer<typeof EventMessage>;
