import { Injectable } from "@nestjs/common";
import { Database, type Transaction } from "../platform/database.js";
import { KIND_NUMBER } from "./event-kind.js";

// Any constant will do as long as nothing else in the database uses it: "recover." in ASCII.
const RECOVERY_LOCK = "8243107353866302510";

export interface NewRecording {
  readonly id: string;
  readonly wrappedKey: Uint8Array;
  readonly startedAt: Date;
}

export interface ClosedSession {
  readonly id: string;
  readonly closeReason: string | null;
}

/** A recording with the session it is of. */
export interface StoredRecording {
  readonly id: string;
  readonly wrappedKey: Buffer;
  readonly endedAt: Date | null;
  readonly events: number;
  readonly calls: number;
  readonly principal: string;
  readonly email: string | null;
  readonly oauthClient: string;
  readonly clientName: string | null;
  readonly target: string;
  readonly era: "legacy" | "modern";
  readonly agentId: string | null;
  readonly protocolVersion: string | null;
  readonly openedAt: Date;
  readonly lastActivityAt: Date;
  readonly closedAt: Date | null;
  readonly closeReason: string | null;
}

export interface RecordingFilter {
  readonly id?: string | undefined;
  /** Whose it must be for the reader to see it. */
  readonly owner?: string | undefined;
  readonly principal?: string | undefined;
  readonly target?: string | undefined;
  /** Only what is older than this recording. */
  readonly before?: string | undefined;
}

// Both counts come from an index alone, for the listed recordings only.
const LIST = `
  SELECT recording.id, recording.wrapped_key AS "wrappedKey", recording.ended_at AS "endedAt",
         (SELECT coalesce(max(index) + 1, 0)::int FROM recording_event WHERE recording_id = recording.id) AS events,
         (SELECT count(*)::int FROM recording_event
          WHERE recording_id = recording.id AND kind = ${KIND_NUMBER.request} AND exchange <> 0 AND method = 'tools/call') AS calls,
         principal, email, oauth_client AS "oauthClient", client_name AS "clientName", target_name AS target, era,
         agent_id AS "agentId", protocol_version AS "protocolVersion", opened_at AS "openedAt",
         last_activity_at AS "lastActivityAt", closed_at AS "closedAt", close_reason AS "closeReason"
  FROM recording JOIN session ON session.id = recording.id
  WHERE ($1::uuid IS NULL OR recording.id = $1)
    AND ($2::text IS NULL OR principal = $2)
    AND ($3::text IS NULL OR principal = $3)
    AND ($4::text IS NULL OR target_name = $4)
    AND ($5::uuid IS NULL OR recording.id < $5)
  ORDER BY recording.id DESC LIMIT $6`;

@Injectable()
export class RecordingsRepository {
  constructor(private readonly database: Database) {}

  async insert(transaction: Transaction, { id, wrappedKey, startedAt }: NewRecording): Promise<void> {
    await transaction.recording.create({ data: { id, wrappedKey: Uint8Array.from(wrappedKey), startedAt } });
  }

  /** The first time counts. */
  async end(id: string, endedAt: Date): Promise<void> {
    await this.database.prisma.recording.updateMany({ where: { id, endedAt: null }, data: { endedAt } });
  }

  /** Newest first. */
  async list(filter: RecordingFilter, count: number): Promise<StoredRecording[]> {
    const { id, owner, principal, target, before } = filter;
    const { rows } = await this.database.pool.query<StoredRecording>(LIST, [
      id,
      owner,
      principal,
      target,
      before,
      count,
    ]);
    return rows;
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
