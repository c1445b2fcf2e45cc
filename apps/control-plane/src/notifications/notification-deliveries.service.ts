import { Injectable } from "@nestjs/common";
import type { NotificationDeliveryQuery, NotificationDeliveryView, Page } from "@drawbridge/contracts";
import { AuditLog } from "../audit/index.js";
import type { Principal } from "../identity/index.js";
import { Database } from "../platform/database.js";
import { DomainError } from "../platform/errors.js";
import { pageFrom, readCursor, UUID } from "../platform/pagination.js";
import { deliveryView } from "./delivery-view.js";
import { NotificationChannelsRepository } from "./notification-channels.repository.js";
import {
  type NotificationDelivery,
  NotificationDeliveriesRepository,
} from "./notification-deliveries.repository.js";
import { NOTIFICATION_JOB, NotificationTimes } from "./notification-times.js";

@Injectable()
export class NotificationDeliveriesService {
  constructor(
    private readonly database: Database,
    private readonly channels: NotificationChannelsRepository,
    private readonly deliveries: NotificationDeliveriesRepository,
    private readonly audit: AuditLog,
    private readonly times: NotificationTimes,
  ) {}

  /** Newest first. Of the state dead: the dead-letter list. */
  async list(query: NotificationDeliveryQuery): Promise<Page<NotificationDeliveryView>> {
    const { limit, cursor, state, channel: name } = query;
    const before = readCursor(cursor, UUID);
    const channel = name === undefined ? undefined : await this.channels.find(name);
    if (name !== undefined && !channel)
      throw new DomainError("notification_channel_not_found", `there is no notification channel ${name}`);
    const rows = await this.deliveries.list({ state, channelId: channel?.id }, before, limit + 1);
    const channels = new Map(
      (await this.channels.byIds([...new Set(rows.map(({ channelId }) => channelId))])).map((found) => [
        found.id,
        found,
      ]),
    );
    return pageFrom(rows, limit, {
      key: ({ id }) => id,
      view: (row) => deliveryView(row, channels.get(row.channelId)),
    });
  }

  /** One that was given up is tried again from the first attempt on; any other stays as it is. */
  async retry(principal: Principal, id: string): Promise<NotificationDeliveryView> {
    const { channelId } = await this.find(id);
    const now = this.times.clock.now();
    const revived = await this.database.transaction(async (transaction) => {
      if (!(await this.deliveries.revive(transaction, id, now))) return false;
      await this.audit.record(transaction, {
        actor: principal.id,
        action: "notification_delivery.retried",
        subject: id,
      });
      return true;
    });
    if (revived) await this.times.jobs.later(NOTIFICATION_JOB, id, 0);
    return deliveryView(await this.find(id), await this.channels.byId(channelId));
  }

  private async find(id: string): Promise<NotificationDelivery> {
    const delivery = await this.deliveries.find(id);
    if (!delivery)
      throw new DomainError("notification_delivery_not_found", `there is no notification delivery ${id}`);
    return delivery;
  }
}
