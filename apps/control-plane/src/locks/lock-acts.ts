import { Injectable } from "@nestjs/common";
import { createMasker } from "@drawbridge/masking";
import { AuditLog } from "../audit/index.js";
import { EventLog } from "../events/index.js";
import type { Transaction } from "../platform/database.js";
import { LockableSubjects } from "./lockable-subjects.js";
import type { StoredLock } from "./locks.repository.js";

export interface LockAct {
  readonly action: "lock.set" | "lock.released";
  /** A principal's id, or `system`. */
  readonly actor: string;
}

/** Of a reason, in events. */
const SHOWN = 500;

/** What is written down of a lock that is set or released, as part of that: for the audit, and for who watches. */
@Injectable()
export class LockActs {
  // Events go to chat and e-mail, and audit events to every auditor.
  private readonly masker = createMasker();

  constructor(
    private readonly audit: AuditLog,
    private readonly events: EventLog,
    private readonly subjects: LockableSubjects,
  ) {}

  async record(transaction: Transaction, lock: StoredLock, { action, actor }: LockAct): Promise<void> {
    const { id, kind, subject, releasedBy } = lock;
    const about = { kind, subject, reason: this.shown(lock.reason) };
    const expiresAt = lock.expiresAt?.toISOString();
    const details = { ...about, ...(expiresAt === undefined ? {} : { expiresAt }) };
    await this.audit.record(transaction, { actor, action, subject: id, details });
    await this.events.append(transaction, {
      kind: action,
      subject: id,
      data: { ...about, by: releasedBy ?? actor, expiresAt: expiresAt ?? null },
      audience: {
        principals: await this.subjects.principalsOf(transaction, lock),
        permission: "lock:read",
      },
    });
  }

  private shown(reason: string): string {
    try {
      const masked = this.masker.maskText(reason).text;
      return masked.length > SHOWN ? `${masked.slice(0, SHOWN).toWellFormed()}…` : masked;
    } catch {
      return "[not shown]";
    }
  }

  /** When the transaction is over. */
  announce(): Promise<void> {
    return this.events.announce();
  }
}
