import type { ApplyNotificationChannel } from "@drawbridge/contracts";

/** Where notifications go. What is secret of it is sealed. */
export interface NotificationChannel {
  readonly id: string;
  readonly name: string;
  readonly kind: ApplyNotificationChannel["kind"];
  readonly events: readonly string[];
  readonly enabled: boolean;
  /** For people, without secrets. */
  readonly destination: string;
  readonly sealed: Uint8Array;
  readonly createdBy: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** All of a channel, secrets included: for who sends, and for nobody's eyes. */
export type ChannelDocument = WebhookDocument | SlackDocument | EmailDocument;
export type WebhookDocument = Extract<ApplyNotificationChannel, { kind: "webhook" }> & {
  readonly secret: string;
};
export type SlackDocument = Extract<ApplyNotificationChannel, { kind: "slack" }>;
export type EmailDocument = Extract<ApplyNotificationChannel, { kind: "email" }>;
