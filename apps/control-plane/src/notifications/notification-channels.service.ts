import { randomBytes, randomInt } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { Injectable } from "@nestjs/common";
import type {
  ApplyNotificationChannel,
  NotificationChannelApplied,
  NotificationChannelView,
  NotificationDeliveryView,
  Page,
  PageQuery,
} from "@drawbridge/contracts";
import { AuditLog } from "../audit/index.js";
import type { Principal } from "../identity/index.js";
import { Database, type Transaction } from "../platform/database.js";
import { DomainError } from "../platform/errors.js";
import { NAME, pageFrom, readCursor } from "../platform/pagination.js";
import { requireUsable } from "./channel-check.js";
import { deliveryView } from "./delivery-view.js";
import { TEST_KIND } from "./notice.js";
import type { ChannelDocument, NotificationChannel } from "./notification-channel.js";
import { NotificationChannelsRepository } from "./notification-channels.repository.js";
import { NotificationDeliveriesRepository } from "./notification-deliveries.repository.js";
import { NOTIFICATION_JOB, NotificationTimes } from "./notification-times.js";

const MAX_CHANNELS = 100;
const SECRET_BYTES = 32;

@Injectable()
export class NotificationChannelsService {
  constructor(
    private readonly database: Database,
    private readonly channels: NotificationChannelsRepository,
    private readonly deliveries: NotificationDeliveriesRepository,
    private readonly audit: AuditLog,
    private readonly times: NotificationTimes,
  ) {}

  async list({ limit, cursor }: PageQuery): Promise<Page<NotificationChannelView>> {
    const channels = await this.channels.list(readCursor(cursor, NAME), limit + 1);
    return pageFrom(channels, limit, { key: ({ name }) => name, view: viewOf });
  }

  async get(name: string): Promise<NotificationChannelView> {
    return viewOf(await this.find(name));
  }

  /** Creates or replaces; the same document again changes nothing. */
  async apply(
    principal: Principal,
    name: string,
    document: ApplyNotificationChannel,
  ): Promise<NotificationChannelApplied> {
    requireUsable(name, document);
    return this.database.transaction(async (transaction) => {
      const existing = await this.channels.find(name, transaction);
      const before = existing && this.channels.unseal(existing);
      const complete = withSecret(document, before);
      if (existing && isDeepStrictEqual(before, complete)) return viewOf(existing);
      if (!existing) await this.requireRoom(transaction);
      const destination = destinationOf(complete);
      const said = { destination, by: principal.id, now: this.times.clock.now() };
      const channel = await this.channels.put(transaction, complete, said);
      await this.audit.record(transaction, {
        actor: principal.id,
        action: "notification_channel.applied",
        subject: name,
        details: { kind: channel.kind, destination, events: channel.events.join(" ") },
      });
      return { ...viewOf(channel), ...newSecret(document, complete, before) };
    });
  }

  async delete(principal: Principal, name: string): Promise<void> {
    await this.database.transaction(async (transaction) => {
      if (!(await this.channels.delete(transaction, name))) return;
      await this.audit.record(transaction, {
        actor: principal.id,
        action: "notification_channel.deleted",
        subject: name,
      });
    });
  }

  /** Puts a message into the outbox that says that it is a test. How it went is seen in its delivery. */
  async test(principal: Principal, name: string): Promise<NotificationDeliveryView> {
    const channel = await this.find(name);
    const now = this.times.clock.now();
    const delivery = await this.database.transaction(async (transaction) => {
      await this.audit.record(transaction, {
        actor: principal.id,
        action: "notification_channel.tested",
        subject: name,
      });
      return this.deliveries.insertOne(transaction, {
        channelId: channel.id,
        // No event has such an id.
        eventId: -BigInt(randomInt(1, 2 ** 47)),
        kind: TEST_KIND,
        subject: name,
        event: { at: now.toISOString(), data: { channel: name, by: principal.id } },
        now,
      });
    });
    await this.times.jobs.later(NOTIFICATION_JOB, delivery.id, 0);
    return deliveryView(delivery, channel);
  }

  private async requireRoom(transaction: Transaction): Promise<void> {
    if ((await this.channels.count(transaction)) < MAX_CHANNELS) return;
    throw new DomainError(
      "notification_channel_invalid",
      `there may be ${MAX_CHANNELS} notification channels; delete one`,
    );
  }

  private async find(name: string): Promise<NotificationChannel> {
    const channel = await this.channels.find(name);
    if (!channel)
      throw new DomainError("notification_channel_not_found", `there is no notification channel ${name}`);
    return channel;
  }
}

/** A webhook that is applied without its secret keeps the one it has, or gets one. */
function withSecret(
  document: ApplyNotificationChannel,
  before: ChannelDocument | undefined,
): ChannelDocument {
  if (document.kind !== "webhook") return document;
  const kept = before?.kind === "webhook" ? before.secret : undefined;
  const secret = document.secret ?? kept ?? `whsec_${randomBytes(SECRET_BYTES).toString("base64")}`;
  return { ...document, secret };
}

/** The one that was made here: shown this once. */
function newSecret(
  said: ApplyNotificationChannel,
  complete: ChannelDocument,
  before: ChannelDocument | undefined,
): { secret?: string } {
  if (said.kind !== "webhook" || complete.kind !== "webhook" || said.secret !== undefined) return {};
  return before?.kind === "webhook" ? {} : { secret: complete.secret };
}

function destinationOf(document: ChannelDocument): string {
  if (document.kind === "email") return document.to.join(", ");
  return new URL(document.kind === "slack" ? document.webhookUrl : document.url).origin;
}

function viewOf(channel: NotificationChannel): NotificationChannelView {
  const { id, name, kind, events, enabled, destination, createdBy, createdAt, updatedAt } = channel;
  return {
    id,
    name,
    kind,
    events: [...events],
    enabled,
    destination,
    createdBy,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  };
}
