import { Injectable, Logger } from "@nestjs/common";
import { AuditLog } from "../audit/index.js";
import { Database } from "../platform/database.js";
import type { SendOutcome } from "./channels/sending.js";
import type { NotificationChannel } from "./notification-channel.js";
import { NotificationChannelsRepository } from "./notification-channels.repository.js";
import {
  type NotificationDelivery,
  NotificationDeliveriesRepository,
} from "./notification-deliveries.repository.js";
import { NOTIFICATION_JOB, NotificationTimes } from "./notification-times.js";
import { waitAfter } from "./retry-schedule.js";

/** What follows from an attempt. */
@Injectable()
export class NotificationOutcomes {
  private readonly logger = new Logger("notifications");

  constructor(
    private readonly database: Database,
    private readonly deliveries: NotificationDeliveriesRepository,
    private readonly channels: NotificationChannelsRepository,
    private readonly audit: AuditLog,
    private readonly times: NotificationTimes,
  ) {}

  now(): Date {
    return this.times.clock.now();
  }

  async take(
    channel: NotificationChannel,
    delivery: NotificationDelivery,
    outcome: SendOutcome | "lost" | "disabled",
  ): Promise<void> {
    if (outcome === "disabled") return this.giveUp(channel, delivery, "the channel is disabled");
    if (outcome === "lost")
      return this.giveUp(channel, delivery, "the last attempt was cut off: whether it arrived is not known");
    if (outcome.result === "delivered") return this.deliveries.delivered(delivery, this.now());
    if (outcome.result === "gone") return this.disable(channel, delivery, outcome.error);
    const wait = waitAfter(delivery.attempts, outcome.retryAfterMs);
    if (wait === undefined) return this.giveUp(channel, delivery, outcome.error);
    await this.deliveries.failed(delivery, outcome.error, new Date(this.now().getTime() + wait));
    await this.times.jobs.later(NOTIFICATION_JOB, delivery.id, wait);
  }

  private async giveUp(
    channel: NotificationChannel,
    delivery: NotificationDelivery,
    error: string,
  ): Promise<void> {
    await this.deliveries.dead(delivery, error);
    const { id, kind, attempts } = delivery;
    this.logger.error("a notification was given up", {
      delivery: id,
      channel: channel.name,
      event: kind,
      attempts,
      reason: error,
    });
  }

  private async disable(
    channel: NotificationChannel,
    delivery: NotificationDelivery,
    error: string,
  ): Promise<void> {
    await this.database.transaction(async (transaction) => {
      await this.deliveries.dead(delivery, error, transaction);
      if (!(await this.channels.disable(transaction, channel.id, this.now()))) return;
      await this.audit.record(transaction, {
        actor: "system",
        action: "notification_channel.disabled",
        subject: channel.name,
        details: { reason: error },
      });
    });
    this.logger.warn("a notification channel was disabled by its receiver", { channel: channel.name });
  }
}
