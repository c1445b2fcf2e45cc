import { Injectable } from "@nestjs/common";
import type { LockKind } from "@drawbridge/contracts";
import type { Transaction } from "../platform/database.js";
import type { LiveLock } from "./live-locks.js";

@Injectable()
export class LocksRepository {
  /** Those that nobody has released. */
  async inForce(transaction: Transaction): Promise<LiveLock[]> {
    const rows = await transaction.lock.findMany({ where: { releasedAt: null } });
    return rows.map(({ id, kind, subject, reason, expiresAt }) => ({
      id,
      kind: kind as LockKind,
      subject,
      reason,
      expiresAt: expiresAt ?? undefined,
    }));
  }
}
