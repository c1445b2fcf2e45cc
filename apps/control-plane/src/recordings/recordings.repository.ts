import { Injectable } from "@nestjs/common";
import { Database, type Transaction } from "../platform/database.js";

// Any constant will do as long as nothing else in the database uses it: "recover." in ASCII.
const RECOVERY_LOCK = "8243107353866302510";

export interface ClosedSession {
  readonly id: string;
  readonly closeReason: string | null;
}

@Injectable()
export class RecordingsRepository {
  constructor(private readonly database: Database) {}

  async insert(transaction: Transaction, id: string, wrappedKey: Uint8Array): Promise<void> {
    await transaction.recording.create({ data: { id, wrappedKey: Uint8Array.from(wrappedKey) } });
  }

  /** The first time counts. */
  async end(id: string, endedAt: Date): Promise<void> {
    await this.database.prisma.recording.updateMany({ where: { id, endedAt: null }, data: { endedAt } });
  }

  /** Recordings above `after` that have not ended though their session was closed before `before`. */
  async closedNotEnded(after: string, before: Date, limit: number): Promise<ClosedSession[]> {
    const { rows } = await this.database.pool.query<{ id: string; close_reason: string | null }>(
      `SELECT session.id, session.close_reason
       FROM recording JOIN session ON session.id = recording.id
       WHERE recording.ended_at IS NULL AND recording.id > $1 AND session.closed_at < $2
       ORDER BY recording.id LIMIT $3`,
      [after, before, limit],
    );
    return rows.map((row) => ({ id: row.id, closeReason: row.close_reason }));
  }

  /** Runs `work` unless another process of ours does, and then not at all. */
  async alone(work: () => Promise<void>): Promise<void> {
    const client = await this.database.pool.connect();
    let failure: Error | undefined;
    const onError = (error: Error) => {
      failure = error;
    };
    // Unheard, a connection that breaks would end the process. Its lock is gone with it.
    client.on("error", onError);
    try {
      const { rows } = await client.query<{ locked: boolean }>("SELECT pg_try_advisory_lock($1) AS locked", [
        RECOVERY_LOCK,
      ]);
      if (!rows[0]?.locked) return;
      await work();
      await client.query("SELECT pg_advisory_unlock($1)", [RECOVERY_LOCK]);
    } catch (error) {
      failure = error as Error;
      throw error;
    } finally {
      client.off("error", onError);
      // Closed rather than reused when the lock may still be held.
      client.release(failure);
    }
  }
}
