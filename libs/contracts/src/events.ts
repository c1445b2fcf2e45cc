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
