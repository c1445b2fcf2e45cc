import { z } from "zod";
import { Timestamp } from "./names.js";
import { PlainText } from "./plain-text.js";

/** So many people of a group. */
export const ReviewersView = z.object({ group: z.string(), count: z.number().int() });
export type ReviewersView = z.infer<typeof ReviewersView>;

export const VoteView = z.object({
  principal: z.string(),
  verdict: z.enum(["approve", "deny"]),
  comment: z.string().optional(),
  at: Timestamp,
  counts: z.boolean().meta({ description: "False when the person has lost the right since, or is locked" }),
});
export type VoteView = z.infer<typeof VoteView>;

/** Who decides, who has, and who still must. */
export const ReviewView = z.object({
  from: z.array(ReviewersView),
  votes: z.array(VoteView),
  missing: z.array(ReviewersView).meta({ description: "Who else must approve; empty when nobody" }),
  escalated: z.boolean(),
});
export type ReviewView = z.infer<typeof ReviewView>;

/** Said by a reviewer; the person who asked hears it. */
export const Comment = PlainText.max(1000);
