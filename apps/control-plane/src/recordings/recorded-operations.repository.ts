import { Injectable } from "@nestjs/common";
import { Database } from "../platform/database.js";
import { KIND_NUMBER } from "./event-kind.js";

export interface Period {
  readonly from: Date;
  /** Not in it any more. */
  readonly to: Date;
}

/** A session and the key to its recording. */
export interface RecordedSessionRow {
  readonly id: string;
  readonly wrappedKey: Buffer;
  readonly principal: string;
  readonly targetId: string;
  readonly target: string;
  readonly openedAt: Date;
}

// In the order of their beginning: the ids are UUIDs of version 7.
const OVERLAPPING = `
  SELECT recording.id, recording.wrapped_key AS "wrappedKey", session.principal, session.target_id AS "targetId",
         session.target_name AS target, session.opened_at AS "openedAt"
  FROM recording JOIN session ON session.id = recording.id
  WHERE recording.id > $1::uuid AND recording.started_at < $3
    AND (recording.ended_at IS NULL OR recording.ended_at >= $2)
  ORDER BY recording.id LIMIT $4`;

// By the index of requests.
const COUNT = `
  SELECT count(*)::int AS count FROM recording_event
  WHERE recording_id = ANY($1::uuid[]) AND kind = ${KIND_NUMBER.request} AND exchange <> 0
    AND at >= $2 AND at < $3 AND (method <> ALL($4::text[])) IS NOT FALSE`;

/** Which recordings hold operations of a period, and how many. */
@Injectable()
export class RecordedOperationsRepository {
  constructor(private readonly database: Database) {}

  /** Those after an id whose time overlaps the period. */
  async overlapping({ from, to }: Period, after: string, count: number): Promise<RecordedSessionRow[]> {
    const { rows } = await this.database.pool.query<RecordedSessionRow>({
      name: "recordings-overlapping",
      text: OVERLAPPING,
      values: [after, from, to, count],
    });
    return rows;
  }

  /** How many requests of these recordings are in the period, but for some methods. */
  async count(
    recordingIds: readonly string[],
    { from, to }: Period,
    exceptMethods: readonly string[],
  ): Promise<number> {
    const { rows } = await this.database.pool.query<{ count: number }>({
      name: "recordings-count-requests",
      text: COUNT,
      values: [recordingIds, from, to, exceptMethods],
    });
    return rows[0]?.count ?? 0;
  }
}
