import { z } from "zod";
import { Timestamp } from "./names.js";
import { pageOf, PageQuery } from "./pages.js";

/** One administrative act or security event. Details are flat and hold no secret. */
export const AuditEventView = z.object({
  id: z.uuid(),
  at: Timestamp,
  actor: z.string(),
  action: z.string(),
  subject: z.string(),
  details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});
export type AuditEventView = z.infer<typeof AuditEventView>;
export const AuditEventPage = pageOf(AuditEventView);

export const AuditQuery = PageQuery.extend({
  actor: z.string().max(255).optional(),
  action: z.string().max(63).optional(),
  subject: z.string().max(255).optional(),
});
export type AuditQuery = z.infer<typeof AuditQuery>;
