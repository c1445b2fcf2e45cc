import { Injectable } from "@nestjs/common";
import type { EventKind } from "@drawbridge/contracts";
import type { Permission } from "../identity/index.js";
import { Database, type Transaction } from "../platform/database.js";
import { BEGINNING, type EventPosition } from "./event-position.js";
import type { NewEvent } from "./new-event.js";

export interface LiveEvent {
  readonly position: EventPosition;
  readonly at: Date;
  readonly kind: EventKind;
  readonly subject: string;
  readonly data: NewEvent["data"];
  readonly principals: readonly string[];
  readonly groups: readonly string[];
  readonly permission: Permission;
}

export interface EventsRead {
  readonly events: readonly LiveEvent[];
  /** Up to here everything is read. */
  readonly through: EventPosition;
  /** Whether more was there at that moment. */
  readonly more: boolean;
}

interface Row {
  readonly horizon: string;
  readonly transaction: string | null;
  readonly id: string;
  readonly at: Date;
  readonly kind: string;
  readonly subject: string;
  readonly data: NewEvent["data"];
  readonly principals: string[];
  readonly groups: string[];
  readonly permission: string;
}

@Injectable()
export class LiveEventsRepository {
  constructor(private readonly database: Database) {}

  async insert(
    transaction: Transaction | undefined,
    { kind, subject, data, audience }: NewEvent,
  ): Promise<void> {
    const { principals = [], groups = [], permission } = audience;
    await (transaction ?? this.database.prisma).liveEvent.create({
      data: {
        kind,
        subject,
        data: { ...data },
        principals: [...principals],
        groups: [...groups],
        permission,
      },
    });
  }

  /**
   * The next events behind a position. Only of transactions before the oldest that is still open: what commits later has
   * its place later, so nobody who goes on from `through` misses anything or reads it twice, however commits interleave.
   */
  async after(position: EventPosition, count: number, transaction?: Transaction): Promise<EventsRead> {
    const rows = await (transaction ?? this.database.prisma).$queryRaw<Row[]>`
      SELECT snapshot.horizon::text AS horizon, event.transaction::text AS transaction, event.id::text AS id, event.at,
        event.kind, event.subject, event.data, event.principals, event.groups, event.permission
      FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::numeric AS horizon) AS snapshot
      LEFT JOIN LATERAL (
        SELECT * FROM live_event
        WHERE transaction < snapshot.horizon
          AND (transaction, id) > (${String(position.transaction)}::numeric, ${String(position.id)}::bigint)
        ORDER BY transaction, id
        LIMIT ${count}
      ) AS event ON true
      ORDER BY event.transaction, event.id`;
    const horizon = { transaction: BigInt(rows[0]?.horizon ?? 0), id: 0n };
    const events = rows.filter(({ transaction: of }) => of !== null).map(toEvent);
    const more = events.length === count;
    return { events, more, through: more ? (events.at(-1)?.position ?? BEGINNING) : horizon };
  }

  /** Behind all that is over by now. */
  async now(): Promise<EventPosition> {
    const rows = await this.database.prisma.$queryRaw<{ horizon: string }[]>`
      SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS horizon`;
    return { transaction: BigInt(rows[0]?.horizon ?? 0), id: 0n };
  }

  async deleteBefore(before: Date): Promise<number> {
    const { count } = await this.database.prisma.liveEvent.deleteMany({ where: { at: { lt: before } } });
    return count;
  }
}

function toEvent(row: Row): LiveEvent {
  const { at, subject, data, principals, groups } = row;
  return {
    position: { transaction: BigInt(row.transaction ?? 0), id: BigInt(row.id) },
    at,
    kind: row.kind as EventKind,
    subject,
    data,
    principals,
    groups,
    permission: row.permission as Permission,
  };
}
