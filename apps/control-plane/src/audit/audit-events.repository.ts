import { Injectable } from "@nestjs/common";
import { Database, type Transaction } from "../platform/database.js";
import type { AuditEntry } from "./audit-entry.js";

export interface AuditEventRow {
  readonly id: string;
  readonly at: Date;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly details: unknown;
}

export interface AuditFilter {
  readonly actor?: string | undefined;
  readonly action?: string | undefined;
  readonly subject?: string | undefined;
}

@Injectable()
export class AuditEventsRepository {
  constructor(private readonly database: Database) {}

  async insert(transaction: Transaction | undefined, entry: AuditEntry): Promise<void> {
    await (transaction ?? this.database.prisma).auditEvent.create({
      data: { ...entry, details: { ...entry.details } },
    });
  }

  /** Newest first, starting below `before`. */
  list(filter: AuditFilter, before: string | undefined, count: number): Promise<AuditEventRow[]> {
    const { actor, action, subject } = filter;
    return this.database.prisma.auditEvent.findMany({
      where: {
        ...(actor === undefined ? {} : { actor }),
        ...(action === undefined ? {} : { action }),
        ...(subject === undefined ? {} : { subject }),
        ...(before === undefined ? {} : { id: { lt: before } }),
      },
      orderBy: { id: "desc" },
      take: count,
    });
  }
}
