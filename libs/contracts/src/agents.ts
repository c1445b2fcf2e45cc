import { z } from "zod";
import { ResourceName, Timestamp } from "./names.js";
import { pageOf } from "./pages.js";

export const AgentView = z.object({
  id: z.uuid(),
  name: z.string(),
  group: z.string(),
  state: z.enum(["active", "quarantined", "removed"]),
  connected: z.boolean(),
  version: z.string(),
  features: z.array(z.string()),
  isolation: z
    .string()
    .meta({ description: "How children of different sessions are kept apart; none: they are not" }),
  joinedAt: Timestamp,
  lastSeenAt: Timestamp.nullable(),
  certificateEndsAt: Timestamp,
  openSessions: z.number().int(),
});
export type AgentView = z.infer<typeof AgentView>;
export const AgentPage = pageOf(AgentView);

/** Asks for a token with which one agent can join, once. */
export const CreateJoinToken = z.strictObject({
  group: ResourceName,
  name: ResourceName.optional().meta({ description: "The agent's name; made up when absent" }),
  expiresInSeconds: z.number().int().min(60).max(86_400).default(1800),
});
export type CreateJoinToken = z.infer<typeof CreateJoinToken>;

export const JoinTokenCreated = z.object({
  id: z.uuid(),
  group: z.string(),
  token: z.string().meta({ description: "Shown this once; only its hash is kept" }),
  controlPlane: z.string().meta({ description: "host:port the agent dials" }),
  command: z.string().meta({ description: "The one line to run in that network" }),
  expiresAt: Timestamp,
});
export type JoinTokenCreated = z.infer<typeof JoinTokenCreated>;

export const JoinTokenView = z.object({
  id: z.uuid(),
  group: z.string(),
  name: z.string().nullable(),
  state: z.enum(["unused", "used", "expired", "revoked"]),
  createdBy: z.string(),
  createdAt: Timestamp,
  expiresAt: Timestamp,
});
export type JoinTokenView = z.infer<typeof JoinTokenView>;
export const JoinTokenPage = pageOf(JoinTokenView);
