import type { NotificationDeliveryView } from "@drawbridge/contracts";
import type { NotificationChannel } from "./notification-channel.js";
import type { NotificationDelivery } from "./notification-deliveries.repository.js";

export function deliveryView(
  delivery: NotificationDelivery,
  channel: Pick<NotificationChannel, "name"> | undefined,
): NotificationDeliveryView {
  const { id, kind, subject, state, attempts, lastError, createdAt, nextAttemptAt, deliveredAt } = delivery;
  return {
    id,
    channel: channel?.name ?? "",
    event: kind,
    subject,
    state,
    attempts,
    lastError,
    createdAt: createdAt.toISOString(),
    nextAttemptAt: state === "pending" ? nextAttemptAt.toISOString() : null,
    deliveredAt: deliveredAt?.toISOString() ?? null,
  };
}
