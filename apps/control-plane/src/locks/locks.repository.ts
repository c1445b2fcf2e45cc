import { Injectable } from "@nestjs/common";
import type { LockKind } from "@drawbridge/contracts";
import type { Lock as Row } from "../generated/prisma/client.js";
import { Database, type Transaction } from "../platform/database.js";
import type { LiveLock } from "./locks.js";

export type StoredLock = Row;

export interface NewLock {
  readonly id: string;
  readonly kind: LockKind;
  readonly subject: string;
  readonly reason: string;
  readonly createdBy: string;
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
}

export interface LockFilter {
  readonly kind?: LockKind | undefined;
  /** Those in force at this moment; all when undefined. */
  readonly inForceAt?: Date | undefined;
  /** Locks with a smaller id, which are older. */
  readonly before?: string | undefined;
}

@Injectable()
export class LocksRepository {
  constructor(private readonly database: Database) {}

  /** Those that nobody has released, the agents' by the ids that their names have now. */
  async inForce(transaction: Transaction): Promise<LiveLock[]> {
    const rows = await transaction.lock.findMany({ where: { releasedAt: null } });
    const names = rows.flatMap(({ kind, subject }) => (kind === "agent" ? [subject] : []));
    const agents = await transaction.agent.findMany({
      where: { name: { in: names } },
      select: { id: true, name: true },
    });
    const idOf = new Map(agents.map(({ id, name }) => [name, id]));
    return rows.map((row) => liveLock(row, row.kind === "agent" ? idOf.get(row.subject) : undefined));
  }

  /** The lock in force on an agent of this name: also on one that has only just joined. */
  async onAgent(name: string, at: Date): Promise<LiveLock | undefined> {
    const where = { kind: "agent", subject: name, ...inForceAt(at) };
    const row = await this.database.prisma.lock.findFirst({ where });
    return row ? liveLock(row) : undefined;
  }

  find(id: string, transaction: Transaction = this.database.prisma): Promise<StoredLock | null> {
    return transaction.lock.findUnique({ where: { id } });
  }

  findInForce({ kind, subject }: Pick<NewLock, "kind" | "subject">): Promise<StoredLock | null> {
    return this.database.prisma.lock.findFirst({ where: { kind, subject, releasedAt: null } });
  }

  list({ kind, inForceAt: at, before }: LockFilter, count: number): Promise<StoredLock[]> {
    return this.database.prisma.lock.findMany({
      where: {
        ...(kind === undefined ? {} : { kind }),
        ...(before === undefined ? {} : { id: { lt: before } }),
        ...(at === undefined ? {} : inForceAt(at)),
      },
      orderBy: { id: "desc" },
      take: count,
    });
  }

  /** @throws a unique violation when there is one in force, or that nobody has released though it is over */
  insert(transaction: Transaction, lock: NewLock): Promise<StoredLock> {
    return transaction.lock.create({ data: lock });
  }

  /** Undefined when somebody else has released it. */
  async release(
    transaction: Transaction,
    id: string,
    values: { releasedAt: Date; releasedBy: string },
  ): Promise<StoredLock | undefined> {
    const { count } = await transaction.lock.updateMany({ where: { id, releasedAt: null }, data: values });
    return count > 0 ? transaction.lock.findUniqueOrThrow({ where: { id } }) : undefined;
  }

  /** Those that are over and that nobody has released. */
  overdue(at: Date, count: number): Promise<StoredLock[]> {
    const where = { releasedAt: null, expiresAt: { lte: at } };
    return this.database.prisma.lock.findMany({ where, orderBy: { id: "asc" }, take: count });
  }

  async hasAgent(transaction: Transaction, name: string): Promise<boolean> {
    return (await transaction.agent.count({ where: { name, state: { not: "removed" } } })) > 0;
  }

  async hasTarget(transaction: Transaction, name: string): Promise<boolean> {
    return (await transaction.target.count({ where: { name } })) > 0;
  }

  /** Undefined when there is no such session. */
  async session(
    transaction: Transaction,
    id: string,
  ): Promise<{ readonly principal: string; readonly isOpen: boolean } | undefined> {
    const select = { principal: true, closedAt: true };
    const row = await transaction.session.findUnique({ where: { id }, select });
    return row ? { principal: row.principal, isOpen: row.closedAt === null } : undefined;
  }
}

function inForceAt(at: Date) {
  return { releasedAt: null, OR: [{ expiresAt: null }, { expiresAt: { gt: at } }] };
}

function liveLock({ id, kind, subject, reason, expiresAt }: StoredLock, agentId?: string): LiveLock {
  return {
    id,
    kind: kind as LockKind,
    subject: kind === "agent" ? (agentId ?? `name:${subject}`) : subject,
    reason,
    expiresAt: expiresAt ?? undefined,
  };
}
