import { Injectable } from "@nestjs/common";
import type pg from "pg";
import { Database } from "../platform/database.js";
import { fitsInMs, type StoredWindow, type WindowLimit } from "./sliding-window.js";

/** One statement that one counter is asked. What it asks for is had, or nothing of the whole call is. */
export type Step =
  | { readonly ask: "add"; readonly key: Buffer; readonly amount: number; readonly limit: WindowLimit }
  /** Nothing is counted yet: of results, before there is one. */
  | { readonly ask: "isLeft"; readonly key: Buffer; readonly limit: WindowLimit }
  | { readonly ask: "place"; readonly key: Buffer; readonly place: string; readonly most: number };

/** What was added to a counter, to take it back. */
export interface Added {
  readonly key: Buffer;
  readonly amount: number;
  readonly windowMs: number;
  readonly windowStart: Date;
}

/** `refused`: the step that was, with what its counter stood at; then none of them had an effect. */
export type Asked =
  | { readonly refused?: undefined; readonly added: readonly Added[] }
  | { readonly refused: Step; readonly stored?: StoredWindow | undefined };

// Whoever holds a place says so again long before. Shorter than anybody would wait for the places of a process that died.
const PLACE_LASTS_MS = 60_000;

const NOW_MS = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

// Who waited for the row may have looked at the clock before whoever wrote it.
const CARRIED_USED = "CASE WHEN usage.window_start >= excluded.window_start THEN usage.used ELSE 0 END";
const CARRIED_PREVIOUS = `CASE
  WHEN usage.window_start >= excluded.window_start THEN usage.previous
  WHEN usage.window_start = excluded.window_start - $2::bigint * interval '1 millisecond' THEN usage.used
  ELSE 0 END`;
const REMAINING = `1 - least(1, greatest(0, extract(epoch FROM
  clock_timestamp() - greatest(usage.window_start, excluded.window_start)) * 1000 / $2::bigint))`;

/** $1 key, $2 window in ms, $3 amount, $4 the most. No row: it does not fit. */
const ADD = `
INSERT INTO limit_usage AS usage (key, window_start, used, used_at)
SELECT $1::bytea,
       to_timestamp(floor(extract(epoch FROM moment.now) * 1000 / $2::bigint) * $2::bigint / 1000),
       $3::bigint, moment.now
FROM (SELECT clock_timestamp() AS now) AS moment
WHERE $3::bigint <= $4::numeric
ON CONFLICT (key) DO UPDATE SET
  window_start = greatest(usage.window_start, excluded.window_start),
  used = ${CARRIED_USED} + excluded.used,
  previous = ${CARRIED_PREVIOUS},
  used_at = excluded.used_at
WHERE ${CARRIED_USED} + (${CARRIED_PREVIOUS}) * (${REMAINING}) + $3::bigint <= $4::numeric
RETURNING window_start AS "windowStart"`;

/** $1 key, $2 place, $3 the most, $4 how long it lasts in ms. No row: there is none left. */
const PLACE = `
INSERT INTO limit_usage AS usage (key, window_start, places, used_at)
SELECT $1::bytea, clock_timestamp(), jsonb_build_object($2::text, ${NOW_MS} + $4::bigint), clock_timestamp()
ON CONFLICT (key) DO UPDATE SET
  places = coalesce((SELECT jsonb_object_agg(place.key, place.value) FROM jsonb_each(usage.places) AS place
                     WHERE place.value::text::bigint > ${NOW_MS}), '{}') || excluded.places,
  used_at = excluded.used_at
WHERE (SELECT count(*) FROM jsonb_each(usage.places) AS place
       WHERE place.key <> $2::text AND place.value::text::bigint > ${NOW_MS}) < $3::int
RETURNING key`;

const STORED = `
SELECT used::float8 AS used, previous::float8 AS previous,
       (extract(epoch FROM clock_timestamp() - window_start) * 1000)::float8 AS "ageMs"
FROM limit_usage WHERE key = $1`;

/** $1 key, $2 window in ms, $3 amount, $4 the window it was counted in. */
const TAKE_BACK = `
UPDATE limit_usage SET
  used = greatest(used - CASE WHEN window_start = $4 THEN $3::bigint ELSE 0 END, 0),
  previous = greatest(previous - CASE
    WHEN window_start = $4 + $2::bigint * interval '1 millisecond' THEN $3::bigint ELSE 0 END, 0)
WHERE key = $1`;

const LEAVE = `UPDATE limit_usage SET places = places - $2::text WHERE key = $1`;

const RENEW = `
UPDATE limit_usage SET
  places = places || (SELECT jsonb_object_agg(place, ${NOW_MS} + $3::bigint) FROM unnest($2::text[]) AS place),
  used_at = clock_timestamp()
WHERE key = $1`;

/** Their windows are past, and who held a place has not said so for long. What a call has just taken hold of is waited for by nobody. */
const FORGET = `
DELETE FROM limit_usage WHERE key IN (
  SELECT key FROM limit_usage WHERE used_at < clock_timestamp() - $1::bigint * interval '1 millisecond'
  FOR UPDATE SKIP LOCKED)`;

// Of the connections of the process: whoever waits for a counter that many want must leave some to the recording.
const MOST_CONNECTIONS = 3;

type Queryable = Pick<pg.Pool, "query">;

/**
 * What was used of limits, in Postgres, so that all control planes count together. Each counter is one row, changed by one
 * conditional statement; the clock is the database's.
 */
@Injectable()
export class LimitUsageRepository {
  private connections = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(private readonly database: Database) {}

  /** All of it, or nothing: of two calls that want the last of something, one gets it. */
  ask(steps: readonly Step[]): Promise<Asked> {
    return this.inTurn(() =>
      steps.length > 1 ? this.askTogether(steps) : this.askInOrder(this.database.pool, steps),
    );
  }

  private async askTogether(steps: readonly Step[]): Promise<Asked> {
    const client = await this.database.pool.connect();
    // The statement fails as well when the connection does; unheard, this would end the process.
    client.on("error", ignore);
    let failure: Error | undefined;
    try {
      await client.query("BEGIN");
      // In one order, so that two calls never wait for each other.
      const asked = await this.askInOrder(client, steps.toSorted(byKey));
      await client.query(asked.refused ? "ROLLBACK" : "COMMIT");
      return asked;
    } catch (error) {
      // The connection is closed, which takes back what it did.
      failure = error instanceof Error ? error : new Error(String(error));
      throw failure;
    } finally {
      client.off("error", ignore);
      client.release(failure);
    }
  }

  async takeBack({ key, amount, windowMs, windowStart }: Added): Promise<void> {
    await this.inTurn(() => this.database.pool.query(TAKE_BACK, [key, windowMs, amount, windowStart]));
  }

  async leave(key: Buffer, place: string): Promise<void> {
    await this.inTurn(() => this.database.pool.query(LEAVE, [key, place]));
  }

  /** For who is still there. */
  async renew(key: Buffer, places: readonly string[]): Promise<void> {
    await this.inTurn(() => this.database.pool.query(RENEW, [key, places, PLACE_LASTS_MS]));
  }

  async forgetUnused(ms: number): Promise<void> {
    await this.database.pool.query(FORGET, [ms]);
  }

  private async inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.connections < MOST_CONNECTIONS) this.connections += 1;
    // Whoever is done hands its connection on.
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.connections -= 1;
    }
  }

  private async askInOrder(on: Queryable, steps: readonly Step[]): Promise<Asked> {
    const added: Added[] = [];
    for (const step of steps) {
      if (step.ask === "add") {
        const { key, amount, limit } = step;
        const { rows } = await on.query<{ windowStart: Date }>({
          name: "limit-add",
          text: ADD,
          values: [key, limit.windowMs, amount, limit.most],
        });
        if (!rows[0]) return { refused: step, stored: await this.stored(on, key) };
        added.push({ key, amount, windowMs: limit.windowMs, windowStart: rows[0].windowStart });
      } else if (step.ask === "place") {
        const values = [step.key, step.place, step.most, PLACE_LASTS_MS];
        const { rows } = await on.query({ name: "limit-place", text: PLACE, values });
        if (!rows[0]) return { refused: step };
      } else {
        const stored = await this.stored(on, step.key);
        if (stored && isUsedUp(stored, step.limit)) return { refused: step, stored };
      }
    }
    return { added };
  }

  private async stored(on: Queryable, key: Buffer): Promise<StoredWindow | undefined> {
    const { rows } = await on.query<StoredWindow & pg.QueryResultRow>({
      name: "limit-stored",
      text: STORED,
      values: [key],
    });
    return rows[0];
  }
}

function ignore(): void {}

function isUsedUp(stored: StoredWindow, limit: WindowLimit): boolean {
  return (fitsInMs(stored, 1, limit) ?? 1) > 0;
}

function byKey(step: Step, other: Step): number {
  return Buffer.compare(step.key, other.key);
}
