import { Injectable } from "@nestjs/common";
import type { GrantView } from "@drawbridge/contracts";
import type { AccessGrant as Row } from "../generated/prisma/client.js";
import { Database, type Transaction } from "../platform/database.js";
import type { Onlooker } from "./access-requests.repository.js";

export type StoredGrant = Row;
export type GrantState = GrantView["state"];
export type GrantKind = GrantView["kind"];

export interface NewGrant {
  readonly kind: GrantKind;
  readonly principal: string;
  readonly email: string | null;
  readonly targetId: string;
  readonly targetName: string;
  readonly tools: readonly string[];
  readonly policy: string;
  readonly requestId?: string;
  readonly sessionId?: string;
  readonly reason?: string | null;
  readonly ticket?: string | null;
  readonly reviewState?: "open";
  readonly startsAt: Date;
  readonly endsAt: Date;
}

export interface GrantFilter {
  readonly state?: GrantState | undefined;
  readonly target?: string | undefined;
  readonly principal?: string | undefined;
  readonly mine?: boolean | undefined;
  readonly review?: "open" | undefined;
  readonly before?: string | undefined;
}

export interface GrantEnd {
  readonly state: "returned" | "revoked";
  readonly now: Date;
  readonly by: string;
  readonly reason: string | undefined;
}

const LIST = `
  SELECT g.id FROM access_grant g LEFT JOIN access_request r ON r.id = g.request_id
  WHERE ($1 OR g.principal = $2 OR r.terms->'groups' ?| $4::text[])
    AND (NOT $3 OR g.principal = $2)
    AND ($5::text IS NULL OR $5 = CASE WHEN g.state <> 'active' THEN g.state
      WHEN g.ends_at <= $6 THEN 'ended' WHEN g.starts_at > $6 THEN 'scheduled' ELSE 'active' END)
    AND ($7::text IS NULL OR g.target_name = $7)
    AND ($8::text IS NULL OR g.principal = $8)
    AND ($9::text IS NULL OR g.review_state = $9)
    AND ($10::uuid IS NULL OR g.id < $10)
  ORDER BY g.id DESC LIMIT $11`;

const OF_CLOSED_SESSIONS = `
  SELECT DISTINCT g.session_id FROM access_grant g JOIN session s ON s.id = g.session_id
  WHERE g.state = 'active' AND s.closed_at IS NOT NULL LIMIT $1`;

@Injectable()
export class GrantsRepository {
  constructor(private readonly database: Database) {}

  /** Of access: what lets an approved operation run again opens nothing by itself. */
  active(transaction: Transaction): Promise<StoredGrant[]> {
    return transaction.accessGrant.findMany({ where: { state: "active", kind: { not: "repeat" } } });
  }

  /** How many there are that have not ended. */
  countOf(transaction: Transaction, principal: string, now: Date): Promise<number> {
    return transaction.accessGrant.count({ where: { principal, state: "active", endsAt: { gt: now } } });
  }

  async find(id: string): Promise<StoredGrant | undefined> {
    return (await this.database.prisma.accessGrant.findUnique({ where: { id } })) ?? undefined;
  }

  insert(transaction: Transaction, { tools, ...grant }: NewGrant): Promise<StoredGrant> {
    return transaction.accessGrant.create({ data: { ...grant, tools: [...tools] } });
  }

  /** Those of which the session has none of its own yet. */
  insertForSession(transaction: Transaction, grants: readonly NewGrant[]): Promise<StoredGrant[]> {
    return transaction.accessGrant.createManyAndReturn({
      data: grants.map(({ tools, ...grant }) => ({ ...grant, tools: [...tools] })),
      skipDuplicates: true,
    });
  }

  /** Nobody else changes it until the transaction is over. */
  async lock(transaction: Transaction, id: string): Promise<StoredGrant | undefined> {
    await transaction.$queryRaw`SELECT 1 FROM access_grant WHERE id = ${id}::uuid FOR UPDATE`;
    return (await transaction.accessGrant.findUnique({ where: { id } })) ?? undefined;
  }

  /** Never shortens one, and gives no life to one that is over. */
  async extend(
    transaction: Transaction,
    id: string,
    { endsAt, now }: { readonly endsAt: Date; readonly now: Date },
  ): Promise<StoredGrant | undefined> {
    const [row] = await transaction.accessGrant.updateManyAndReturn({
      where: { id, state: "active", AND: [{ endsAt: { gt: now } }, { endsAt: { lt: endsAt } }] },
      data: { endsAt },
    });
    return row;
  }

  /** active → returned or revoked, once. */
  async end(
    transaction: Transaction,
    id: string,
    { state, now, by, reason }: GrantEnd,
  ): Promise<StoredGrant | undefined> {
    const [row] = await transaction.accessGrant.updateManyAndReturn({
      where: { id, state: "active", endsAt: { gt: now } },
      data: { state, endedAt: now, endedBy: by, endReason: reason ?? null },
    });
    return row;
  }

  /** To be asked before endOver: an update of no row moves the authorization epoch, too. */
  async hasOver(now: Date): Promise<boolean> {
    const over = { state: "active", endsAt: { lte: now } };
    return (await this.database.prisma.accessGrant.findFirst({ where: over, select: { id: true } })) !== null;
  }

  /** Those whose time is over. */
  async endOver(transaction: Transaction, now: Date, count: number): Promise<StoredGrant[]> {
    const over = { state: "active", endsAt: { lte: now } };
    const rows = await transaction.accessGrant.findMany({
      where: over,
      orderBy: { endsAt: "asc" },
      select: { id: true },
      take: count,
    });
    return transaction.accessGrant.updateManyAndReturn({
      where: { ...over, id: { in: rows.map(({ id }) => id) } },
      data: { state: "ended", endedAt: now, endedBy: "system", endReason: "its time was over" },
    });
  }

  /** To be asked before endOfSession, for the same reason. */
  async hasOfSession(sessionId: string): Promise<boolean> {
    const ofSession = { sessionId, state: "active" };
    return (await this.database.prisma.accessGrant.count({ where: ofSession })) > 0;
  }

  endOfSession(transaction: Transaction, sessionId: string, now: Date): Promise<StoredGrant[]> {
    return transaction.accessGrant.updateManyAndReturn({
      where: { sessionId, state: "active" },
      data: { state: "ended", endedAt: now, endedBy: "system", endReason: "its session has ended" },
    });
  }

  /** Sessions that have ended and still have grants. */
  async closedSessions(count: number): Promise<string[]> {
    const { rows } = await this.database.pool.query<{ session_id: string }>(OF_CLOSED_SESSIONS, [count]);
    return rows.map(({ session_id }) => session_id);
  }

  /** open → accepted or objected, once. */
  async review(
    transaction: Transaction,
    id: string,
    review: {
      readonly state: "accepted" | "objected";
      readonly by: string;
      readonly now: Date;
      readonly comment: string;
    },
  ): Promise<StoredGrant | undefined> {
    const [row] = await transaction.accessGrant.updateManyAndReturn({
      where: { id, reviewState: "open" },
      data: {
        reviewState: review.state,
        reviewedBy: review.by,
        reviewedAt: review.now,
        reviewComment: review.comment,
      },
    });
    return row;
  }

  /** Newest first. */
  async list(
    onlooker: Onlooker,
    { state, target, principal, mine = false, review, before }: GrantFilter,
    { now, count }: { readonly now: Date; readonly count: number },
  ): Promise<StoredGrant[]> {
    const { rows } = await this.database.pool.query<{ id: string }>(LIST, [
      onlooker.seesAll,
      onlooker.principal,
      mine,
      onlooker.groups,
      state ?? null,
      now,
      target ?? null,
      principal ?? null,
      review ?? null,
      before ?? null,
      count,
    ]);
    return this.database.prisma.accessGrant.findMany({
      where: { id: { in: rows.map(({ id }) => id) } },
      orderBy: { id: "desc" },
    });
  }
}
