import { z } from "zod";
import { Timestamp } from "./names.js";
import { pageOf } from "./pages.js";

/** A policy document as written: YAML or JSON text, so that an error can name its line. */
export const ApplyPolicy = z.strictObject({ source: z.string().min(1).max(262_144) });
export type ApplyPolicy = z.infer<typeof ApplyPolicy>;

export const PolicyView = z.object({
  name: z.string(),
  version: z.number().int(),
  description: z.string().optional(),
  createdBy: z.string(),
  createdAt: Timestamp,
  source: z.string(),
});
export type PolicyView = z.infer<typeof PolicyView>;
export const PolicyPage = pageOf(PolicyView);

/** `changed` is false when the document is the live one already. */
export const PolicyApplied = PolicyView.extend({ changed: z.boolean() });
export type PolicyApplied = z.infer<typeof PolicyApplied>;
