import { z } from "zod";
import { EventPattern } from "./events.js";
import { ResourceName, Timestamp } from "./names.js";
import { PageQuery, pageOf } from "./pages.js";

const HttpUrl = z.url({ protocol: /^https?$/ }).max(2000);
const Mailbox = z.email().max(320);

const Common = {
  name: ResourceName,
  events: z.array(EventPattern).min(1).max(50),
  enabled: z.boolean().default(true),
};

/** Secrets are written and never read back. */
export const ApplyNotificationChannel = z.discriminatedUnion("kind", [
  z.strictObject({
    ...Common,
    kind: z.literal("webhook"),
    url: HttpUrl,
    secret: z
      .string()
      .regex(
        /^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/,
        "use whsec_ and 24 to 64 bytes in base64 (Standard Webhooks)",
      )
      .optional()
      .meta({ description: "Signs each message (Standard Webhooks); one is made unless given" }),
  }),
  z.strictObject({
    ...Common,
    kind: z.literal("slack"),
    webhookUrl: HttpUrl.meta({ description: "The incoming webhook of the channel; it is a secret" }),
    signingSecret: z
      .string()
      .min(16)
      .max(200)
      .optional()
      .meta({ description: "Of the Slack app: verifies the deny button" }),
    users: z
      .record(z.string().max(64), z.string().max(512))
      .optional()
      .meta({ description: "Which principal a Slack user is; who is not named here cannot deny from Slack" }),
  }),
  z.strictObject({
    ...Common,
    kind: z.literal("email"),
    smtpUrl: z
      .url({ protocol: /^smtps?$/ })
      .max(2000)
      .meta({ description: "smtp://user:password@host:587; it is a secret" }),
    from: Mailbox,
    to: z.array(Mailbox).min(1).max(50),
  }),
]);
export type ApplyNotificationChannel = z.infer<typeof ApplyNotificationChannel>;

export const NotificationChannelView = z.object({
  id: z.uuid(),
  name: z.string(),
  kind: z.enum(["webhook", "slack", "email"]),
  events: z.array(z.string()),
  enabled: z.boolean(),
  /** Without secrets: of a URL its origin. */
  destination: z.string(),
  createdBy: z.string(),
  createdAt: Timestamp,
  updatedAt: Timestamp,
});
export type NotificationChannelView = z.infer<typeof NotificationChannelView>;
export const NotificationChannelPage = pageOf(NotificationChannelView);

/** `secret` is shown this once, where one was made. */
export const NotificationChannelApplied = NotificationChannelView.extend({ secret: z.string().optional() });
export type NotificationChannelApplied = z.infer<typeof NotificationChannelApplied>;

export const DELIVERY_STATES = ["pending", "delivered", "dead"] as const;
export const NotificationDeliveryView = z.object({
  id: z.uuid(),
  channel: z.string(),
  event: z.string(),
  subject: z.string(),
  state: z.enum(DELIVERY_STATES).meta({ description: "dead: given up; retry it when what failed is mended" }),
  attempts: z.number().int(),
  lastError: z.string().nullable(),
  createdAt: Timestamp,
  nextAttemptAt: Timestamp.nullable(),
  deliveredAt: Timestamp.nullable(),
});
export type NotificationDeliveryView = z.infer<typeof NotificationDeliveryView>;
export const NotificationDeliveryPage = pageOf(NotificationDeliveryView);

export const NotificationDeliveryQuery = PageQuery.extend({
  state: z.enum(DELIVERY_STATES).optional(),
  channel: ResourceName.optional(),
});
export type NotificationDeliveryQuery = z.infer<typeof NotificationDeliveryQuery>;
