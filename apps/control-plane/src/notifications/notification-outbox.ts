import { Injectable } from "@nestjs/common";
import { matchesEvent } from "@drawbridge/contracts";
import type { LiveEvent } from "../events/index.js";
import { Clock } from "../platform/clock.js";
import type { Transaction } from "../platform/database.js";
import { NotificationChannelsRepository } from "./notification-channels.repository.js";
import { NotificationDeliveriesRepository } from "./notification-deliveries.repository.js";

/** The deliveries of events. */
@Injectable()
export class NotificationOutbox {
  constructor(
    private readonly channels: NotificationChannelsRepository,
    private readonly deliveries: NotificationDeliveriesRepository,
    private readonly clock: Clock,
  ) {}

  async add(transaction: Transaction, events: readonly LiveEvent[]): Promise<void> {
    const channels = await this.channels.enabled(transaction);
    const now = this.clock.now();
    const wanted = events.flatMap(({ kind, subject, at, data, position }) =>
      channels
        .filter((channel) => channel.events.some((pattern) => matchesEvent(pattern, kind)))
        .map((channel) => ({
          channelId: channel.id,
          eventId: position.id,
          kind,
          subject,
          event: { at: at.toISOString(), data },
          now,
        })),
    );
    if (wanted.length > 0) await this.deliveries.insert(transaction, wanted);
  }
}
