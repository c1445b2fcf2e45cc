import { z } from "zod";
import { Timestamp } from "./names.js";
import { pageOf } from "./pages.js";

export const SessionView = z.object({
  id: z.uuid().meta({ description: "Also the id of its recording" }),
  principal: z.string(),
  email: z.string().nullable(),
  oauthClient: z.string(),
  clientName: z.string().nullable().meta({ description: "What the client says it is; a claim" }),
  target: z.string(),
  era: z.enum(["legacy", "modern"]).meta({
    description:
      "legacy: opened by initialize. modern: opened by the first request of the client (MCP 2026-07-28)",
  }),
  agentId: z.uuid().nullable(),
  protocolVersion: z.string().nullable(),
  openedAt: Timestamp,
  lastActivityAt: Timestamp,
  closedAt: Timestamp.nullable(),
  closeReason: z.string().nullable(),
});
export type SessionView = z.infer<typeof SessionView>;
export const SessionPage = pageOf(SessionView);
