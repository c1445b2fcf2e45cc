import { Injectable } from "@nestjs/common";
import type { DELIVERY_STATES } from "@drawbridge/contracts";
import type { NotificationDelivery as Row } from "../generated/prisma/client.js";
import { Database, type Transaction } from "../platform/database.js";

/** What happened, kept with the delivery: the event itself is forgotten before the last attempt may be made. */
export interface ToldEvent {
  readonly at: string;
  readonly data: Readonly<Record<string, string | number | boolean | null>>;
}

/** One event for one channel. */
export interface NotificationDelivery {
  readonly id: string;
  readonly channelId: string;
  readonly kind: string;
  readonly subject: string;
  readonly event: ToldEvent;
  readonly state: (typeof DELIVERY_STATES)[number];
  /** Those that were begun. */
  readonly attempts: number;
  readonly nextAttemptAt: Date;
  readonly lastError: string | null;
  readonly createdAt: Date;
  readonly deliveredAt: Date | null;
}

export interface NewDelivery {
  readonly channelId: string;
  readonly eventId: bigint;
  readonly kind: string;
  readonly subject: string;
  readonly event: ToldEvent;
  readonly now: Date;
}

/** Which attempt of which delivery: what became of another one changes nothing. */
export type Attempt = Pick<NotificationDelivery, "id" | "attempts">;

@Injectable()
export class NotificationDeliveriesRepository {
  constructor(private readonly database: Database) {}

  /** One that is there already stays as it is. */
  async insert(transaction: Transaction, deliveries: readonly NewDelivery[]): Promise<void> {
    await transaction.notificationDelivery.createMany({ data: deliveries.map(toRow), skipDuplicates: true });
  }

  async insertOne(transaction: Transaction, delivery: NewDelivery): Promise<NotificationDelivery> {
    return toDelivery(await transaction.notificationDelivery.create({ data: toRow(delivery) }));
  }

  /**
   * Takes the one that is due for longest, for one attempt: nobody else gets it before `leaseUntil`, at which it is due
   * again if nothing was heard of this attempt.
   */
  async claim(claim: {
    readonly now: Date;
    readonly leaseUntil: Date;
    /** Channels that get nothing now. */
    readonly except: readonly string[];
  }): Promise<NotificationDelivery | undefined> {
    const { now, leaseUntil, except } = claim;
    const claimed = await this.database.prisma.$queryRaw<{ id: string; attempts: number }[]>`
      UPDATE notification_delivery SET attempts = attempts + 1, next_attempt_at = ${leaseUntil}
      WHERE id = (
        SELECT id FROM notification_delivery
        WHERE state = 'pending' AND next_attempt_at <= ${now} AND channel_id <> ALL(${[...except]}::uuid[])
        ORDER BY next_attempt_at, id
        LIMIT 1
        FOR UPDATE SKIP LOCKED
      )
      RETURNING id, attempts`;
    const [first] = claimed;
    if (!first) return undefined;
    const delivery = await this.find(first.id);
    return delivery && { ...delivery, attempts: first.attempts };
  }

  async delivered({ id, attempts }: Attempt, at: Date): Promise<void> {
    await this.database.prisma.notificationDelivery.updateMany({
      where: { id, attempts, state: "pending" },
      data: { state: "delivered", deliveredAt: at, lastError: null },
    });
  }

  async failed({ id, attempts }: Attempt, error: string, nextAttemptAt: Date): Promise<void> {
    await this.database.prisma.notificationDelivery.updateMany({
      where: { id, attempts, state: "pending" },
      data: { lastError: error, nextAttemptAt },
    });
  }

  async dead({ id, attempts }: Attempt, error: string, transaction?: Transaction): Promise<void> {
    await (transaction ?? this.database.prisma).notificationDelivery.updateMany({
      where: { id, attempts, state: "pending" },
      data: { state: "dead", lastError: error },
    });
  }

  /** Of a channel that is gone. */
  async drop(id: string): Promise<void> {
    await this.database.prisma.notificationDelivery.deleteMany({ where: { id } });
  }

  /** A dead one is tried again from the first attempt on. False when it is not dead. */
  async revive(transaction: Transaction, id: string, now: Date): Promise<boolean> {
    const { count } = await transaction.notificationDelivery.updateMany({
      where: { id, state: "dead" },
      data: { state: "pending", attempts: 0, nextAttemptAt: now },
    });
    return count > 0;
  }

  async find(id: string): Promise<NotificationDelivery | undefined> {
    const row = await this.database.prisma.notificationDelivery.findUnique({ where: { id } });
    return row ? toDelivery(row) : undefined;
  }

  /** Newest first, starting below `before`. */
  async list(
    filter: { readonly state?: string | undefined; readonly channelId?: string | undefined },
    before: string | undefined,
    count: number,
  ): Promise<NotificationDelivery[]> {
    const { state, channelId } = filter;
    const rows = await this.database.prisma.notificationDelivery.findMany({
      where: {
        ...(state === undefined ? {} : { state }),
        ...(channelId === undefined ? {} : { channelId }),
        ...(before === undefined ? {} : { id: { lt: before } }),
      },
      orderBy: { id: "desc" },
      take: count,
    });
    return rows.map(toDelivery);
  }

  async forget(before: { readonly delivered: Date; readonly dead: Date }): Promise<void> {
    await this.database.prisma.notificationDelivery.deleteMany({
      where: {
        OR: [
          { state: "delivered", createdAt: { lt: before.delivered } },
          { state: "dead", createdAt: { lt: before.dead } },
        ],
      },
    });
  }
}

function toRow({ event, now, ...rest }: NewDelivery) {
  return { ...rest, payload: { at: event.at, data: { ...event.data } }, nextAttemptAt: now, createdAt: now };
}

function toDelivery({ payload, state, ...row }: Row): NotificationDelivery {
  return {
    ...row,
    event: payload as unknown as ToldEvent,
    state: state as NotificationDelivery["state"],
  };
}
