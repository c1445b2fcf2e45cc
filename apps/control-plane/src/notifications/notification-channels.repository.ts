import { Injectable } from "@nestjs/common";
import type { NotificationChannel as Row } from "../generated/prisma/client.js";
import { Database, type Transaction } from "../platform/database.js";
import { KeyEncryption } from "../platform/key-encryption.js";
import type { ChannelDocument, NotificationChannel } from "./notification-channel.js";

const PURPOSE = "notification-channel";

@Injectable()
export class NotificationChannelsRepository {
  constructor(
    private readonly database: Database,
    private readonly keys: KeyEncryption,
  ) {}

  async find(name: string, transaction?: Transaction): Promise<NotificationChannel | undefined> {
    const row = await this.in(transaction).notificationChannel.findUnique({ where: { name } });
    return row ? toChannel(row) : undefined;
  }

  async byId(id: string): Promise<NotificationChannel | undefined> {
    const row = await this.database.prisma.notificationChannel.findUnique({ where: { id } });
    return row ? toChannel(row) : undefined;
  }

  async byIds(ids: readonly string[]): Promise<NotificationChannel[]> {
    const rows = await this.database.prisma.notificationChannel.findMany({ where: { id: { in: [...ids] } } });
    return rows.map(toChannel);
  }

  async list(after: string | undefined, count: number): Promise<NotificationChannel[]> {
    const rows = await this.database.prisma.notificationChannel.findMany({
      where: after === undefined ? {} : { name: { gt: after } },
      orderBy: { name: "asc" },
      take: count,
    });
    return rows.map(toChannel);
  }

  async enabled(transaction: Transaction): Promise<Pick<NotificationChannel, "id" | "events">[]> {
    return transaction.notificationChannel.findMany({
      where: { enabled: true },
      select: { id: true, events: true },
    });
  }

  count(transaction: Transaction): Promise<number> {
    return transaction.notificationChannel.count();
  }

  /** Creates or replaces. */
  async put(
    transaction: Transaction,
    document: ChannelDocument,
    said: { readonly destination: string; readonly by: string; readonly now: Date },
  ): Promise<NotificationChannel> {
    const { name, kind, events, enabled } = document;
    const { destination, by, now } = said;
    const sealed = new Uint8Array(this.keys.seal(PURPOSE, name, Buffer.from(JSON.stringify(document))));
    const data = { kind, events, enabled, sealed, settings: { destination }, updatedAt: now };
    const row = await transaction.notificationChannel.upsert({
      where: { name },
      create: { name, ...data, createdBy: by, createdAt: now },
      update: data,
    });
    return toChannel(row);
  }

  unseal({ name, sealed, enabled }: NotificationChannel): ChannelDocument {
    const plain = this.keys.open(PURPOSE, name, sealed).toString("utf8");
    return { ...(JSON.parse(plain) as ChannelDocument), enabled };
  }

  /** True when it was enabled before. */
  async disable(transaction: Transaction, id: string, now: Date): Promise<boolean> {
    const { count } = await transaction.notificationChannel.updateMany({
      where: { id, enabled: true },
      data: { enabled: false, updatedAt: now },
    });
    return count > 0;
  }

  /** With all that was or is to be sent to it. False when there is none. */
  async delete(transaction: Transaction, name: string): Promise<boolean> {
    const channel = await transaction.notificationChannel.findUnique({
      where: { name },
      select: { id: true },
    });
    if (!channel) return false;
    await transaction.notificationDelivery.deleteMany({ where: { channelId: channel.id } });
    const { count } = await transaction.notificationChannel.deleteMany({ where: channel });
    return count > 0;
  }

  private in(transaction: Transaction | undefined): Transaction {
    return transaction ?? this.database.prisma;
  }
}

function toChannel(row: Row): NotificationChannel {
  const { settings, sealed, kind, ...rest } = row;
  return {
    ...rest,
    kind: kind as NotificationChannel["kind"],
    destination: (settings as { destination: string }).destination,
    sealed: sealed ?? new Uint8Array(),
  };
}
