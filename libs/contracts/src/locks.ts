import { z } from "zod";
import { Timestamp } from "./names.js";
import { PageQuery, pageOf } from "./pages.js";
import { Comment } from "./reviews.js";

export const LOCK_KINDS = ["principal", "client", "agent", "target", "tool", "session"] as const;
export type LockKind = (typeof LOCK_KINDS)[number];

export const CreateLock = z.strictObject({
  kind: z.enum(LOCK_KINDS),
  subject: z.string().min(1).max(800).meta({
    description:
      "Id of a principal, OAuth client or session; name of an agent or a target; of a tool: target/tool",
  }),
  reason: Comment,
  duration: z
    .string()
    .regex(/^[1-9][0-9]{0,5}[smhd]$/, "write a duration such as 15m, 4h or 7d")
    .optional()
    .meta({ description: "Until somebody unlocks it unless given" }),
});
export type CreateLock = z.infer<typeof CreateLock>;

export const LockView = z.object({
  id: z.uuid(),
  kind: z.enum(LOCK_KINDS),
  subject: z.string(),
  reason: z.string(),
  createdBy: z.string(),
  createdAt: Timestamp,
  expiresAt: Timestamp.nullable(),
  releasedAt: Timestamp.nullable(),
  releasedBy: z.string().nullable(),
});
export type LockView = z.infer<typeof LockView>;
export const LockPage = pageOf(LockView);

export const LockQuery = PageQuery.extend({
  kind: z.enum(LOCK_KINDS).optional(),
  all: z.stringbool().optional().meta({ description: "Those that are over as well" }),
});
export type LockQuery = z.infer<typeof LockQuery>;
