import { z } from "zod";
import { ResourceName, Timestamp } from "./names.js";
import { PageQuery, pageOf } from "./pages.js";
import { Comment, ReviewView } from "./reviews.js";

export const APPROVAL_STATES = [
  "pending",
  "approved",
  "consumed",
  "denied",
  "expired",
  "cancelled",
  "revoked",
] as const;
export type ApprovalState = (typeof APPROVAL_STATES)[number];

/** One operation that waits, or waited, for people. */
export const ApprovalView = z.object({
  id: z.uuid(),
  state: z.enum(APPROVAL_STATES).meta({ description: "consumed: approved, and it was sent" }),
  principal: z.string(),
  email: z.string().nullable(),
  oauthClient: z.string(),
  sessionId: z.uuid(),
  target: z.string(),
  method: z.string(),
  name: z.string().nullable(),
  policy: z.string(),
  rule: z.string(),
  reason: z.string(),
  createdAt: Timestamp,
  expiresAt: Timestamp,
  requesterPresent: z.boolean(),
  decidedAt: Timestamp.nullable(),
  decidedBy: z.string().nullable(),
  comment: z.string().nullable(),
  edited: z.boolean(),
  sessionUses: z.number().int().nullable(),
  endedAt: Timestamp.nullable(),
  endReason: z.string().nullable(),
  review: ReviewView,
  mayDecide: z.boolean().meta({ description: "Whether whoever asks may vote on it" }),
});
export type ApprovalView = z.infer<typeof ApprovalView>;
export const ApprovalPage = pageOf(ApprovalView);

/** With what would run, masked. */
export const ApprovalDetail = ApprovalView.extend({
  preview: z.string().meta({ description: "JSON of the parameters, masked" }),
  editedPreview: z.string().optional(),
});
export type ApprovalDetail = z.infer<typeof ApprovalDetail>;

export const ApprovalQuery = PageQuery.extend({
  state: z.enum(APPROVAL_STATES).optional(),
  target: ResourceName.optional(),
  mine: z.stringbool().optional().meta({ description: "Only one's own operations" }),
});
export type ApprovalQuery = z.infer<typeof ApprovalQuery>;

const JsonPointer = z
  .string()
  .max(1000)
  .regex(/^(?:\/(?:[^~/]|~[01])*)+$/, "use a JSON pointer such as /sql (RFC 6901)");

export const ApproveOperation = z.strictObject({
  comment: Comment.optional(),
  seen: z.enum(["requested", "edited"]).optional().meta({
    description:
      "What the approver looked at: refused with already_edited when somebody has put other arguments in place since. requested unless given",
  }),
  edits: z
    .record(JsonPointer, z.json())
    .refine((edits) => Object.keys(edits).length <= 100, "edit at most 100 places")
    .optional()
    .meta({
      description: "Arguments to put in place of what was asked, by JSON pointer; the rest stays as it was",
    }),
  sessionUses: z.int().min(1).max(1000).optional().meta({
    description: "How often the very same operation may run again in this session without being asked about",
  }),
});
export type ApproveOperation = z.infer<typeof ApproveOperation>;

export const DenyOperation = z.strictObject({ comment: Comment });
export type DenyOperation = z.infer<typeof DenyOperation>;

/** An approved operation that has not run yet must not run after all. */
export const RevokeApproval = z.strictObject({ reason: Comment });
export type RevokeApproval = z.infer<typeof RevokeApproval>;
