import { Injectable } from "@nestjs/common";
import type { Era } from "@drawbridge/mcp";
import type { Session as Row } from "../../generated/prisma/client.js";
import { EventLog, type NewEvent } from "../../events/index.js";
import { Database, type Transaction } from "../../platform/database.js";
import { moveEpoch } from "../../platform/epoch-snapshot.js";

export type StoredSession = Row;

export interface NewSession {
  readonly id: string;
  /** Of a legacy session. */
  readonly idHash: Uint8Array<ArrayBuffer> | null;
  readonly era: Era;
  /** Of a modern session. */
  readonly replica: string | null;
  readonly principal: string;
  readonly email: string | null;
  readonly oauthClient: string;
  readonly clientName: string | null;
  readonly targetId: string;
  readonly targetName: string;
  readonly targetRevision: number;
  readonly protocolVersion: string | null;
}

/** There is at most one open modern session of each. */
export interface ModernSessionOwner {
  readonly principal: string;
  readonly oauthClient: string;
  readonly targetId: string;
  readonly replica: string;
}

export interface SessionFilter {
  readonly principal?: string | undefined;
  /** Sessions with a smaller id, which are older. */
  readonly before?: string | undefined;
}

@Injectable()
export class SessionsRepository {
  constructor(
    private readonly database: Database,
    private readonly events: EventLog,
  ) {}

  /** False when the modern session it would be is open already. */
  async create(transaction: Transaction, session: NewSession): Promise<boolean> {
    const { count } = await transaction.session.createMany({ data: [session], skipDuplicates: true });
    if (count > 0) await this.events.append(transaction, openedEvent(session));
    return count > 0;
  }

  findOpenModern(owner: ModernSessionOwner): Promise<StoredSession | null> {
    return this.database.prisma.session.findFirst({ where: { ...owner, era: "modern", closedAt: null } });
  }

  findOpenByHash(idHash: Uint8Array<ArrayBuffer>): Promise<StoredSession | null> {
    return this.database.prisma.session.findFirst({ where: { idHash, closedAt: null } });
  }

  /** Those that are closed. */
  async closedOf(ids: readonly string[]): Promise<string[]> {
    const where = { id: { in: [...ids] }, closedAt: { not: null } };
    const rows = await this.database.prisma.session.findMany({ where, select: { id: true } });
    return rows.map(({ id }) => id);
  }

  find(id: string): Promise<StoredSession | null> {
    return this.database.prisma.session.findUnique({ where: { id } });
  }

  async isOpen(id: string): Promise<boolean> {
    return (await this.database.prisma.session.count({ where: { id, closedAt: null } })) > 0;
  }

  /** Until the transaction ends, nobody else opens or counts the principal's sessions: the limit cannot be raced. */
  async countOpen(transaction: Transaction, principal: string): Promise<number> {
    await transaction.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`sessions of ${principal}`}, 0))`;
    return transaction.session.count({ where: { principal, closedAt: null } });
  }

  list({ principal, before }: SessionFilter, count: number): Promise<StoredSession[]> {
    return this.database.prisma.session.findMany({
      where: {
        ...(principal === undefined ? {} : { principal }),
        ...(before === undefined ? {} : { id: { lt: before } }),
      },
      orderBy: { id: "desc" },
      take: count,
    });
  }

  async negotiated(
    id: string,
    values: { agentId?: string; targetRevision?: number; protocolVersion?: string },
  ): Promise<void> {
    await this.database.prisma.session.update({ where: { id }, data: values });
  }

  async touch(ids: string[], at: Date): Promise<void> {
    await this.database.prisma.session.updateMany({
      where: { id: { in: ids } },
      data: { lastActivityAt: at },
    });
  }

  /** True when this call ended the session, false when it had ended before. */
  async close(id: string, reason: string): Promise<boolean> {
    const isClosed = await this.database.transaction((transaction) => this.closeIn(transaction, id, reason));
    if (isClosed) void this.events.announce();
    return isClosed;
  }

  private async closeIn(transaction: Transaction, id: string, reason: string): Promise<boolean> {
    const [closed] = await transaction.session.updateManyAndReturn({
      where: { id, closedAt: null },
      data: { closedAt: new Date(), closeReason: reason },
    });
    if (closed) await this.events.append(transaction, closedEvent(closed, reason));
    return closed !== undefined;
  }

  /** When the last grant ends, or has ended, under which the session may have been used. */
  async grantedUntil({
    id,
    principal,
    targetId,
    openedAt,
  }: Pick<StoredSession, "id" | "principal" | "targetId" | "openedAt">): Promise<Date | undefined> {
    const { _max } = await this.database.prisma.accessGrant.aggregate({
      where: {
        principal,
        targetId,
        kind: { not: "repeat" },
        startsAt: { lte: new Date() },
        AND: [
          { OR: [{ sessionId: null }, { sessionId: id }] },
          { OR: [{ endedAt: null }, { endedAt: { gt: openedAt } }] },
        ],
      },
      _max: { endsAt: true },
    });
    return _max.endsAt ?? undefined;
  }

  /** Ends somebody's session from outside: the epoch moves, so that no replica acts on it any more. */
  async closeByOperator(transaction: Transaction, id: string, reason: string): Promise<boolean> {
    const isClosed = await this.closeIn(transaction, id, reason);
    if (isClosed) await moveEpoch(transaction);
    return isClosed;
  }

  /** Those last used before the moment that counts for their era. */
  async findIdle(before: Readonly<Record<Era, Date>>): Promise<string[]> {
    const unused = (era: Era) => ({ era, lastActivityAt: { lt: before[era] } });
    const rows = await this.database.prisma.session.findMany({
      where: { closedAt: null, OR: [unused("legacy"), unused("modern")] },
      select: { id: true },
      take: 1000,
    });
    return rows.map(({ id }) => id);
  }
}

function openedEvent({ id, principal, oauthClient, targetName }: NewSession): NewEvent {
  return aboutSession("session.opened", { id, principal, target: targetName, client: oauthClient }, {});
}

function closedEvent({ id, principal, oauthClient, targetName }: StoredSession, reason: string): NewEvent {
  const session = { id, principal, target: targetName, client: oauthClient };
  return aboutSession("session.closed", session, { reason });
}

function aboutSession(
  kind: "session.opened" | "session.closed",
  { id, ...session }: Readonly<Record<"id" | "principal" | "target" | "client", string>>,
  more: { readonly reason?: string },
): NewEvent {
  return {
    kind,
    subject: id,
    data: { ...session, ...more },
    audience: { principals: [session.principal], permission: "session:read_all" },
  };
}
