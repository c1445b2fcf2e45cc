import { z } from "zod";
import { ResourceName, Timestamp } from "./names.js";
import { PageQuery, pageOf } from "./pages.js";
import { PlainText } from "./plain-text.js";
import { Comment, ReviewView } from "./reviews.js";

export const REQUEST_STATES = ["pending", "approved", "denied", "expired", "withdrawn"] as const;
export const GRANT_STATES = ["scheduled", "active", "ended", "returned", "revoked"] as const;

const Duration = z.string().regex(/^[1-9][0-9]{0,5}[smhd]$/, "write a duration such as 15m, 4h or 7d");
const ToolGlob = PlainText.max(256);
const Reason = PlainText.max(2000);
const Ticket = PlainText.max(200);

/** Asking for access to a target, or to some of its tools, for a while. */
export const CreateAccessRequest = z.strictObject({
  target: ResourceName,
  tools: z
    .array(ToolGlob)
    .min(1)
    .max(100)
    .optional()
    .meta({ description: "Tools, with * and ?; the whole target unless given" }),
  reason: Reason.optional(),
  ticket: Ticket.optional(),
  duration: Duration.optional().meta({
    description: "The policy's maximum unless given; never more than 90 days",
  }),
  startsAt: Timestamp.optional().meta({ description: "At once unless given; at most 30 days ahead" }),
  policy: ResourceName.optional().meta({ description: "Which policy gives it, where several would" }),
  breakGlass: z
    .boolean()
    .optional()
    .meta({ description: "An emergency: access at once, loudly, reviewed afterwards" }),
});
export type CreateAccessRequest = z.infer<typeof CreateAccessRequest>;

/** More time for a grant: a request of its own. */
export const ExtendGrant = z.strictObject({
  duration: Duration,
  reason: Reason.optional(),
  ticket: Ticket.optional(),
});
export type ExtendGrant = z.infer<typeof ExtendGrant>;

export const AccessRequestView = z.object({
  id: z.uuid(),
  kind: z.enum(["access", "extension", "break_glass"]),
  state: z.enum(REQUEST_STATES),
  principal: z.string(),
  email: z.string().nullable(),
  target: z.string(),
  tools: z.array(z.string()).meta({ description: "Empty: the whole target" }),
  policy: z.string(),
  reason: z.string().nullable(),
  ticket: z.string().nullable(),
  durationSeconds: z.number().int(),
  startsAt: Timestamp.nullable(),
  createdAt: Timestamp,
  expiresAt: Timestamp.meta({ description: "When the request itself ends undecided" }),
  decidedAt: Timestamp.nullable(),
  decidedBy: z.string().nullable(),
  comment: z.string().nullable(),
  grantId: z.uuid().nullable(),
  review: ReviewView,
});
export type AccessRequestView = z.infer<typeof AccessRequestView>;
export const AccessRequestPage = pageOf(AccessRequestView);

export const AccessRequestQuery = PageQuery.extend({
  state: z.enum(REQUEST_STATES).optional(),
  target: ResourceName.optional(),
  mine: z.stringbool().optional().meta({ description: "Only one's own" }),
});
export type AccessRequestQuery = z.infer<typeof AccessRequestQuery>;

/** One person's word on a request. Denying ends it. */
export const ReviewAccessRequest = z.discriminatedUnion("verdict", [
  z.strictObject({ verdict: z.literal("approve"), comment: Comment.optional() }),
  z.strictObject({ verdict: z.literal("deny"), comment: Comment }),
]);
export type ReviewAccessRequest = z.infer<typeof ReviewAccessRequest>;

export const GrantView = z.object({
  id: z.uuid(),
  kind: z.enum(["access", "break_glass", "self", "repeat"]).meta({
    description: "self: for one session, when it was opened; repeat: an approval that holds for a session",
  }),
  state: z.enum(GRANT_STATES),
  principal: z.string(),
  email: z.string().nullable(),
  target: z.string(),
  tools: z.array(z.string()),
  policy: z.string(),
  reason: z.string().nullable(),
  ticket: z.string().nullable(),
  requestId: z.uuid().nullable(),
  sessionId: z.uuid().nullable(),
  usesLeft: z.number().int().nullable(),
  startsAt: Timestamp,
  endsAt: Timestamp,
  endedAt: Timestamp.nullable(),
  endedBy: z.string().nullable(),
  endReason: z.string().nullable(),
  reviewState: z
    .enum(["open", "accepted", "objected"])
    .nullable()
    .meta({ description: "Of break-glass access" }),
  reviewedBy: z.string().nullable(),
  reviewComment: z.string().nullable(),
});
export type GrantView = z.infer<typeof GrantView>;
export const GrantPage = pageOf(GrantView);

export const GrantQuery = PageQuery.extend({
  state: z.enum(GRANT_STATES).optional(),
  target: ResourceName.optional(),
  principal: PlainText.max(512).optional(),
  mine: z.stringbool().optional(),
  review: z
    .enum(["open"])
    .optional()
    .meta({ description: "Break-glass access that nobody has reviewed yet" }),
});
export type GrantQuery = z.infer<typeof GrantQuery>;

export const EndGrant = z.strictObject({ reason: Comment });
export type EndGrant = z.infer<typeof EndGrant>;

/** What somebody else says afterwards of an emergency. */
export const ReviewBreakGlass = z.strictObject({ verdict: z.enum(["accept", "object"]), comment: Comment });
export type ReviewBreakGlass = z.infer<typeof ReviewBreakGlass>;
