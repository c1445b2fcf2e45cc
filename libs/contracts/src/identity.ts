import { z } from "zod";

export const ROLES = ["admin", "operator", "approver", "auditor", "user"] as const;
export type Role = (typeof ROLES)[number];

export const WhoAmI = z.object({
  principal: z.string(),
  email: z.string().nullable(),
  groups: z.array(z.string()),
  roles: z.array(z.enum(ROLES)),
  oauthClient: z.string(),
  expiresAt: z.iso.datetime({ offset: true }),
});
export type WhoAmI = z.infer<typeof WhoAmI>;

/** What a client program needs to know before anybody is signed in. */
export const PublicInfo = z.object({
  product: z.literal("drawbridge"),
  version: z.string(),
  issuer: z.url(),
  oauthClient: z.string(),
  apiAudience: z.string(),
  mcpAudience: z.string(),
});
export type PublicInfo = z.infer<typeof PublicInfo>;
