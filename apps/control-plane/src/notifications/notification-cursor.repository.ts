import { Injectable } from "@nestjs/common";
import type { EventPosition } from "../events/index.js";
import { Database, type Transaction } from "../platform/database.js";

interface Row {
  readonly transaction: string;
  readonly id: string;
}

/** Up to which event deliveries were made. */
@Injectable()
export class NotificationCursorRepository {
  constructor(private readonly database: Database) {}

  async read(): Promise<EventPosition> {
    const rows = await this.database.prisma.$queryRaw<Row[]>`
      SELECT transaction::text AS transaction, event_id::text AS id FROM notification_cursor WHERE id = 1`;
    return toPosition(rows[0]);
  }

  /** For this transaction alone; undefined while another process has it. */
  async take(transaction: Transaction): Promise<EventPosition | undefined> {
    const rows = await transaction.$queryRaw<Row[]>`
      SELECT transaction::text AS transaction, event_id::text AS id FROM notification_cursor
      WHERE id = 1 FOR UPDATE SKIP LOCKED`;
    return rows[0] && toPosition(rows[0]);
  }

  async move(transaction: Transaction, to: EventPosition): Promise<void> {
    await transaction.notificationCursor.update({
      where: { id: 1 },
      data: { transaction: String(to.transaction), eventId: to.id },
    });
  }
}

function toPosition(row: Row | undefined): EventPosition {
  return { transaction: BigInt(row?.transaction ?? 0), id: BigInt(row?.id ?? 0) };
}
