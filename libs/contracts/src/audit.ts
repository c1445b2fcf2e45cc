import { z } from "zod";
import { Timestamp } from "./names.js";
import { pageOf, PageQuery } from "./pages.js";
import { PlainText } from "./plain-text.js";

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
  actor: PlainText.max(255).optional(),
  action: PlainText.max(63).optional(),
  subject: PlainText.max(800).optional(),
});
export type AuditQuery = z.infer<typeof AuditQuery>;
