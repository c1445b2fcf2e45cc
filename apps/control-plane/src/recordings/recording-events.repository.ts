import { Injectable } from "@nestjs/common";
import { type EventKind, EXCHANGE_ENDS } from "@drawbridge/recording";
import pg from "pg";
import { Database } from "../platform/database.js";
import { KIND_NUMBER, kindName } from "./event-kind.js";

// A commit takes about a millisecond; the server gives up after 30 s. Whoever waits is a person's tool call.
const WRITE_TIMEOUT_MS = 10_000;
/** In UTF-16 units. What an index holds has an upper limit. */
export const CLEAR_LENGTH = { method: 256, name: 1024, decision: 64, rule: 256 };

export interface NewEventRow {
  readonly recordingId: string;
  readonly index: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly kind: EventKind;
  readonly exchange: number;
  readonly method: string | undefined;
  readonly name: string | undefined;
  readonly decision: string | undefined;
  readonly rule: string | undefined;
  readonly sealed: Uint8Array;
  readonly hash: Uint8Array;
}

/** Where a recording stands. Without `last` it has no event yet. */
export interface RecordingHead {
  readonly wrappedKey: Uint8Array;
  readonly last: { readonly index: number; readonly kind: string; readonly hash: Uint8Array } | undefined;
}

export interface OpenExchange {
  readonly recordingId: string;
  readonly exchange: number;
  readonly at: Date;
}

export interface EventRow {
  readonly index: number;
  readonly at: Date;
  readonly kind: string;
  readonly exchange: number;
  readonly method: string | null;
  readonly name: string | null;
  readonly decision: string | null;
  readonly rule: string | null;
  readonly sealed: Buffer;
  readonly hash: Buffer;
}

/** Which events are read: from `from` to below `to`, at most `count` and, unless the first alone is larger, about `bytes`. */
export interface Slice {
  readonly from: number;
  readonly to: number;
  readonly count: number;
  readonly bytes: number;
}

/** An event that is read alone. */
export interface LinkedRow extends EventRow {
  /** Null when the event before it is missing. */
  readonly previousHash: Uint8Array | null;
}

const EVENT_COLUMNS = "recording_id, index, at, kind, exchange, method, name, decision, rule, sealed, hash";

// FOR SHARE makes revocation exact. Whoever moves the epoch must wait until this statement has committed, so what it
// recorded came before the revocation; or moved it first, and then this statement waits for that commit and returns the
// new value. A plain SELECT would return the value of its snapshot while a revocation commits beside it, unseen.
// The one statement is the whole transaction.
const appendOf = (events: string) => `
  WITH epoch AS (SELECT value FROM authorization_epoch WHERE id = 1 FOR SHARE),
  inserted AS (INSERT INTO recording_event (${EVENT_COLUMNS}) ${events})
  SELECT value FROM epoch`;

// Sealed bytes and hashes come as one binary value each and are cut apart here: as arrays they would travel as
// hexadecimal text.
const APPEND_MANY = appendOf(`
  SELECT recording_id, index, to_timestamp(at / 1000.0), kind, exchange, method, name, decision, rule,
         substring($10::bytea FROM sealed_start FOR sealed_length),
         substring($11::bytea FROM (32 * (position - 1) + 1)::int FOR 32)
  FROM unnest($1::uuid[], $2::int[], $3::bigint[], $4::smallint[], $5::bigint[],
              $6::text[], $7::text[], $8::text[], $9::text[], $12::int[], $13::int[])
    WITH ORDINALITY AS event
      (recording_id, index, at, kind, exchange, method, name, decision, rule, sealed_start, sealed_length, position)`);

// Alone a call waits for each of its commits: without arrays one takes a fifth less time.
const APPEND_ONE = appendOf(
  "VALUES ($1, $2, to_timestamp($3::bigint / 1000.0), $4, $5, $6, $7, $8, $9, $10, $11)",
);

const HEADS = `
  SELECT recording.id, recording.wrapped_key, last.index, last.kind, last.hash
  FROM recording LEFT JOIN LATERAL (
    SELECT index, kind, hash FROM recording_event
    WHERE recording_id = recording.id ORDER BY index DESC LIMIT 1
  ) AS last ON true
  WHERE recording.id = ANY($1::uuid[])`;

const STORED = `
  SELECT tried.hash FROM unnest($1::uuid[], $2::int[], $3::text[]) AS tried(recording_id, index, hash)
  JOIN recording_event AS event
    ON event.recording_id = tried.recording_id AND event.index = tried.index
   AND event.hash = decode(tried.hash, 'hex')`;

const REQUEST = KIND_NUMBER.request;
const ENDS = numbers(EXCHANGE_ENDS);
const SAID = numbers(["notification", "server_request"]);
const CHUNK = KIND_NUMBER.response_chunk;
const MAX_INDEX = 2 ** 31 - 1;

// Another request of an exchange that was answered is none: exchange numbers are used once.
const OPEN_EXCHANGES = `
  SELECT request.recording_id, request.exchange, request.at
  FROM recording JOIN recording_event AS request ON request.recording_id = recording.id
  WHERE recording.ended_at IS NULL AND request.kind = ${REQUEST} AND request.exchange <> 0
    AND (recording.id, request.exchange) > ($1::uuid, $2::bigint)
    AND request.at < $3 AND (NOT $4 OR EXISTS (
      SELECT FROM session WHERE session.id = recording.id AND session.closed_at IS NOT NULL))
    AND NOT EXISTS (
      SELECT FROM recording_event AS ended
      WHERE ended.recording_id = request.recording_id AND ended.exchange = request.exchange
        AND ended.kind IN (${ENDS}))
  ORDER BY recording.id, request.exchange LIMIT $5`;

const WITHOUT_OPEN = `
  SELECT wanted.id FROM unnest($1::uuid[]) AS wanted(id)
  WHERE NOT EXISTS (
    SELECT FROM recording_event AS request
    WHERE request.recording_id = wanted.id AND request.kind = ${REQUEST} AND request.exchange <> 0
      AND NOT EXISTS (
        SELECT FROM recording_event AS ended
        WHERE ended.recording_id = request.recording_id AND ended.exchange = request.exchange
          AND ended.kind IN (${ENDS})))`;

const STILL_OPEN = `
  SELECT wanted.recording_id, wanted.exchange
  FROM unnest($1::uuid[], $2::bigint[]) AS wanted(recording_id, exchange)
  WHERE NOT EXISTS (
    SELECT FROM recording_event AS ended
    WHERE ended.recording_id = wanted.recording_id AND ended.exchange = wanted.exchange
      AND ended.kind IN (${ENDS}))`;

// Of a request that was not allowed at once, and waited, the decision that it may pass comes after it.
const NEVER_ALLOWED = `
  SELECT wanted.recording_id, wanted.exchange
  FROM unnest($1::uuid[], $2::bigint[]) AS wanted(recording_id, exchange)
  JOIN recording_event AS request
    ON request.recording_id = wanted.recording_id AND request.exchange = wanted.exchange AND request.exchange <> 0
   AND request.kind = ${REQUEST} AND request.decision IN ('require_approval', 'deny')
  WHERE NOT EXISTS (
    SELECT FROM recording_event AS decided
    WHERE decided.recording_id = request.recording_id AND decided.exchange = request.exchange
      AND decided.index > request.index AND decided.kind = ${KIND_NUMBER.decision} AND decided.decision = 'allow')`;

const SLICE = bounded(`
  SELECT index, at, kind, exchange, method, name, decision, rule, sealed, hash FROM recording_event
  WHERE recording_id = $1 AND index >= $2 AND index < $3 ORDER BY index LIMIT $4`);

// Each event with the hash of the one before it, which it is opened with.
const linked = (events: string, order: Order = "ASC") => `
  SELECT event.index, event.at, event.kind, event.exchange, event.method, event.name, event.decision, event.rule,
         event.sealed, event.hash, before.hash AS "previousHash"
  FROM (${events}) AS event
  LEFT JOIN recording_event AS before ON before.recording_id = $1 AND before.index = event.index - 1
  ORDER BY event.index ${order}`;

const WITHOUT_CHUNKS = linked(
  bounded(`
  SELECT * FROM recording_event
  WHERE recording_id = $1 AND index >= $2 AND index < $3 AND kind <> ${CHUNK} ORDER BY index LIMIT $4`),
);

// What a session asked, of some methods, and where it is wanted what it was answered.
const OPERATIONS = linked(
  bounded(`
  SELECT * FROM recording_event
  WHERE recording_id = $1 AND index >= $2 AND at < $3
    AND (kind = ${REQUEST} AND exchange <> 0 AND (method <> ALL($6::text[])) IS NOT FALSE
         OR $7::boolean AND kind = ${KIND_NUMBER.response})
  ORDER BY index LIMIT $4`),
);

const DECISIONS = linked(
  bounded(`
  SELECT * FROM recording_event
  WHERE recording_id = $1 AND index >= $2 AND at < $3 AND kind = ${KIND_NUMBER.decision} AND exchange <> 0
  ORDER BY index LIMIT $4`),
);

const FIRST_CHUNK = linked(`
  SELECT * FROM recording_event
  WHERE recording_id = $1 AND index >= $2 AND index <= $3 AND kind = ${CHUNK} ORDER BY index LIMIT 1`);

// Only what lies between the request and its end is looked at; an index finds both.
const TOLD_IN_EXCHANGE = linked(
  bounded(`
  SELECT * FROM recording_event
  WHERE recording_id = $1 AND exchange = $2 AND index > $3 AND kind IN (${SAID}, ${ENDS})
    AND index > (SELECT min(index) FROM recording_event
                 WHERE recording_id = $1 AND exchange = $2 AND exchange <> 0 AND kind = ${REQUEST})
    AND index <= coalesce((SELECT max(index) FROM recording_event
                           WHERE recording_id = $1 AND exchange = $2 AND kind IN (${ENDS})), ${MAX_INDEX})
  ORDER BY index LIMIT $4`),
);

const BEGINNING = linked(`
  SELECT * FROM recording_event
  WHERE recording_id = $1 AND exchange = $2 AND exchange <> 0 AND kind = ${REQUEST} ORDER BY index LIMIT 1`);

const QUESTIONS = linked(
  bounded(
    `
  SELECT * FROM recording_event
  WHERE recording_id = $1 AND index >= $2 AND index < $3 AND kind IN (${numbers(["server_request", "client_response"])})
  ORDER BY index DESC LIMIT $4`,
    "DESC",
  ),
  "DESC",
);

// By an index of its own.
// Those that came of it before a request was sent; some are decided about again and again while they wait.
const DECIDED_IN_EXCHANGE = linked(
  bounded(`
  SELECT * FROM recording_event
  WHERE recording_id = $1 AND exchange = $2 AND exchange <> 0 AND index > $3
    AND kind IN (${REQUEST}, ${KIND_NUMBER.decision})
  ORDER BY index LIMIT $4`),
);

const TOLD_OUTSIDE = linked(
  bounded(`
  SELECT * FROM recording_event
  WHERE recording_id = $1 AND exchange = $2 AND exchange = 0 AND index > $3 AND kind IN (${SAID})
  ORDER BY index LIMIT $4`),
);

// Every exchange begins with a request; what came of one whose request could not be stored has an end.
const LAST_EXCHANGE = `
  SELECT greatest(
    (SELECT max(exchange) FROM recording_event
     WHERE recording_id = $1 AND kind = ${REQUEST} AND exchange <> 0),
    (SELECT max(exchange) FROM recording_event WHERE recording_id = $1 AND kind IN (${ENDS})), 0) AS exchange`;

/** Those that a rule allowed, as lists show them; what is part of using a target has none. */
const CALLS_ALLOWED = `
  SELECT CASE WHEN method = 'tools/call' THEN name END AS tool, count(*)::int AS calls FROM recording_event
  WHERE recording_id = $1 AND kind = ${REQUEST} AND exchange <> 0 AND decision = 'allow' AND rule IS NOT NULL
  GROUP BY 1 ORDER BY 2 DESC`;

/** The rows are stored or not; whoever knows is gone. */
export class UnknownOutcomeError extends Error {
  override readonly name = "UnknownOutcomeError";
}

/** Postgres lived on and says that the statement was undone. A FATAL error may follow the commit. */
function isRefusal(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.severity === "ERROR";
}

/** A row with this recording and index is stored already; nothing of the batch is. */
export function isRowConflict(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === "23505";
}

/** The events of recordings. Raw SQL through `pg`: a batch costs half of what the ORM takes for it. */
@Injectable()
export class RecordingEventsRepository {
  constructor(private readonly database: Database) {}

  /** Stores all rows or none, durably, and returns the authorization epoch as of that commit. */
  async append(rows: readonly NewEventRow[]): Promise<bigint> {
    const client = await this.database.pool.connect();
    // The statement fails as well when the connection does; unheard, this would end the process.
    client.on("error", ignore);
    let failure: Error | undefined;
    try {
      const query = appendQuery(rows);
      const result = await client.query<{ value: string }>({
        ...query,
        query_timeout: WRITE_TIMEOUT_MS,
      } as typeof query);
      const epoch = result.rows[0]?.value;
      if (epoch === undefined) throw new Error("the table authorization_epoch has lost its row");
      return BigInt(epoch);
    } catch (error) {
      failure = isRefusal(error)
        ? undefined
        : new UnknownOutcomeError("the commit was not answered", { cause: error });
      throw failure ?? error;
    } finally {
      client.off("error", ignore);
      // A connection that may still be busy with the statement is closed, not used again.
      client.release(failure);
    }
  }

  /** Which of these rows, known by their hash, are stored: for a commit whose outcome nobody heard. */
  async stored(
    rows: readonly { recordingId: string; index: number; hash: Uint8Array }[],
  ): Promise<Set<string>> {
    const result = await this.database.pool.query<{ hash: string }>(STORED, [
      rows.map((row) => row.recordingId),
      rows.map((row) => row.index),
      rows.map((row) => Buffer.from(row.hash).toString("hex")),
    ]);
    return new Set(result.rows.map(({ hash }) => hash));
  }

  /** The heads of those recordings that exist. */
  async heads(recordingIds: readonly string[]): Promise<Map<string, RecordingHead>> {
    const { rows } = await this.database.pool.query<{
      id: string;
      wrapped_key: Buffer;
      index: number | null;
      kind: number;
      hash: Buffer;
    }>({ name: "recording-heads", text: HEADS, values: [recordingIds] });
    return new Map(
      rows.map(({ id, wrapped_key: wrappedKey, index, kind, hash }) => [
        id,
        { wrappedKey, last: index === null ? undefined : { index, kind: kindName(kind), hash } },
      ]),
    );
  }

  /** Requests without an end, begun before `before`, in recordings not ended; in order of (recording, exchange). */
  async openExchanges(query: {
    readonly after: { readonly recordingId: string; readonly exchange: number };
    readonly before: Date;
    readonly closedSessionsOnly: boolean;
    readonly limit: number;
  }): Promise<OpenExchange[]> {
    const { after, before, closedSessionsOnly, limit } = query;
    const { rows } = await this.database.pool.query<{ recording_id: string; exchange: string; at: Date }>(
      OPEN_EXCHANGES,
      [after.recordingId, after.exchange, before, closedSessionsOnly, limit],
    );
    return rows.map((row) => ({
      recordingId: row.recording_id,
      exchange: Number(row.exchange),
      at: row.at,
    }));
  }

  /** Those of the exchanges that have no end in this moment. */
  async stillOpen(exchanges: readonly OpenExchange[]): Promise<OpenExchange[]> {
    return this.those(STILL_OPEN, exchanges);
  }

  /** Those of the exchanges of which the recording says that they were not allowed: they were not sent. */
  async neverAllowed(exchanges: readonly OpenExchange[]): Promise<OpenExchange[]> {
    return this.those(NEVER_ALLOWED, exchanges);
  }

  private async those(query: string, exchanges: readonly OpenExchange[]): Promise<OpenExchange[]> {
    if (exchanges.length === 0) return [];
    const { rows } = await this.database.pool.query<{ recording_id: string; exchange: string }>(query, [
      exchanges.map(({ recordingId }) => recordingId),
      exchanges.map(({ exchange }) => exchange),
    ]);
    const found = new Set(rows.map((row) => `${row.recording_id}/${row.exchange}`));
    return exchanges.filter(({ recordingId, exchange }) => found.has(`${recordingId}/${exchange}`));
  }

  /** Those of the recordings in which every request has its end. */
  async withoutOpenExchanges(recordingIds: readonly string[]): Promise<Set<string>> {
    if (recordingIds.length === 0) return new Set();
    const { rows } = await this.database.pool.query<{ id: string }>(WITHOUT_OPEN, [recordingIds]);
    return new Set(rows.map(({ id }) => id));
  }

  async slice(recordingId: string, range: Slice): Promise<EventRow[]> {
    const { rows } = await this.database.pool.query<StoredEvent>(SLICE, [
      recordingId,
      range.from,
      range.to,
      range.count,
      range.bytes,
    ]);
    return rows.map(toRow);
  }

  /** What was said to the client in an exchange, or in none (0), after an index; bounded as a slice is. */
  async told(
    recordingId: string,
    range: {
      readonly exchange: number;
      readonly after: number;
      readonly count: number;
      readonly bytes: number;
    },
  ): Promise<LinkedRow[]> {
    const { exchange, after, count, bytes } = range;
    const [name, text] =
      exchange === 0 ? ["told-outside", TOLD_OUTSIDE] : ["told-in-exchange", TOLD_IN_EXCHANGE];
    return this.linkedRows({ name, text, values: [recordingId, exchange, after, count, bytes] });
  }

  /** The request of an exchange and what was decided about it, after an index; bounded as a slice is. */
  async decided(
    recordingId: string,
    range: {
      readonly exchange: number;
      readonly after: number;
      readonly count: number;
      readonly bytes: number;
    },
  ): Promise<LinkedRow[]> {
    const { exchange, after, count, bytes } = range;
    const values = [recordingId, exchange, after, count, bytes];
    return this.linkedRows({ name: "decided-in-exchange", text: DECIDED_IN_EXCHANGE, values });
  }

  /** The request of an exchange. */
  async beginning(recordingId: string, exchange: number): Promise<LinkedRow | undefined> {
    const query = { name: "beginning", text: BEGINNING, values: [recordingId, exchange] };
    return (await this.linkedRows(query))[0];
  }

  /** What targets asked and clients answered, before an index and newest first; bounded as a slice is. */
  async questions(
    recordingId: string,
    range: { readonly before: number; readonly count: number; readonly bytes: number },
  ): Promise<LinkedRow[]> {
    const values = [recordingId, 0, range.before, range.count, range.bytes];
    return this.linkedRows({ name: "questions", text: QUESTIONS, values });
  }

  /** A slice without chunks of large responses: there may be thousands. */
  async withoutChunks(recordingId: string, range: Slice): Promise<LinkedRow[]> {
    const { from, to, count, bytes } = range;
    const name = "without-chunks";
    return this.linkedRows({ name, text: WITHOUT_CHUNKS, values: [recordingId, from, to, count, bytes] });
  }

  /** Requests from an index on, and results if wanted, of before the end of a period; bounded as a slice is. */
  async operations(
    recordingId: string,
    wanted: {
      readonly from: number;
      readonly period: { readonly to: Date };
      readonly exceptMethods: readonly string[];
      readonly withResults: boolean;
      readonly count: number;
      readonly bytes: number;
    },
  ): Promise<LinkedRow[]> {
    const { from, period, count, bytes, exceptMethods, withResults } = wanted;
    const values = [recordingId, from, period.to, count, bytes, exceptMethods, withResults];
    return this.linkedRows({ name: "operations", text: OPERATIONS, values });
  }

  /** What was decided about requests once more, from an index on; bounded as a slice is. */
  async decisions(
    recordingId: string,
    range: {
      readonly from: number;
      readonly until: Date;
      readonly count: number;
      readonly bytes: number;
    },
  ): Promise<LinkedRow[]> {
    const { from, until, count, bytes } = range;
    return this.linkedRows({
      name: "decisions",
      text: DECISIONS,
      values: [recordingId, from, until, count, bytes],
    });
  }

  /** The first chunk in a range, both ends included. */
  async firstChunk(
    recordingId: string,
    { from, to }: { readonly from: number; readonly to: number },
  ): Promise<LinkedRow | undefined> {
    const name = "first-chunk";
    const [chunk] = await this.linkedRows({ name, text: FIRST_CHUNK, values: [recordingId, from, to] });
    return chunk;
  }

  /** The largest number of an exchange in a recording, 0 when there is none. */
  async lastExchange(recordingId: string): Promise<number> {
    const { rows } = await this.database.pool.query<{ exchange: string }>(LAST_EXCHANGE, [recordingId]);
    return Number(rows[0]?.exchange ?? 0);
  }

  /** How many requests rules allowed: of tools/call by tool, of all else together. */
  async callsAllowed(
    recordingId: string,
  ): Promise<{ readonly tool: string | null; readonly calls: number }[]> {
    const { rows } = await this.database.pool.query<{ tool: string | null; calls: number }>(CALLS_ALLOWED, [
      recordingId,
    ]);
    return rows;
  }

  private async linkedRows(query: { name: string; text: string; values: unknown[] }): Promise<LinkedRow[]> {
    const { rows } = await this.database.pool.query<StoredEvent & Pick<LinkedRow, "previousHash">>({
      ...query,
      name: `recording-${query.name}`,
    });
    return rows.map(toRow);
  }
}

function toRow<Row extends { kind: number; exchange: string }>(row: Row) {
  return { ...row, kind: kindName(row.kind), exchange: Number(row.exchange) };
}

/** Of the events the first and as many more as take about $5 bytes together. */
function bounded(events: string, order: Order = "ASC"): string {
  // octet_length reads no stored payload, so the bytes beyond the limit are never touched.
  return `
  SELECT * FROM (
    SELECT *, sum(octet_length(sealed)) OVER (ORDER BY index ${order}) - octet_length(sealed) AS bytes_before
    FROM (${events}) AS part
  ) AS counted
  WHERE bytes_before < $5 ORDER BY index ${order}`;
}

function numbers(kinds: readonly EventKind[]): string {
  return kinds.map((kind) => KIND_NUMBER[kind]).join(", ");
}

type Order = "ASC" | "DESC";

type StoredEvent = Omit<EventRow, "kind" | "exchange"> & { kind: number; exchange: string };

const ignore = () => undefined;

function appendQuery(rows: readonly NewEventRow[]): { name: string; text: string; values: unknown[] } {
  const [row] = rows;
  return row && rows.length === 1
    ? { name: "recording-append-one", text: APPEND_ONE, values: valuesOf(row) }
    : { name: "recording-append", text: APPEND_MANY, values: columnsOf(rows) };
}

function valuesOf(row: NewEventRow): unknown[] {
  return [
    row.recordingId,
    row.index,
    row.at,
    KIND_NUMBER[row.kind],
    row.exchange,
    clear(row.method, CLEAR_LENGTH.method),
    clear(row.name, CLEAR_LENGTH.name),
    clear(row.decision, CLEAR_LENGTH.decision),
    clear(row.rule, CLEAR_LENGTH.rule),
    row.sealed,
    row.hash,
  ];
}

function columnsOf(rows: readonly NewEventRow[]): unknown[] {
  let start = 1;
  const starts = rows.map(({ sealed }) => {
    const here = start;
    start += sealed.length;
    return here;
  });
  return [
    rows.map((row) => row.recordingId),
    rows.map((row) => row.index),
    rows.map((row) => row.at),
    rows.map((row) => KIND_NUMBER[row.kind]),
    rows.map((row) => row.exchange),
    rows.map((row) => clear(row.method, CLEAR_LENGTH.method)),
    rows.map((row) => clear(row.name, CLEAR_LENGTH.name)),
    rows.map((row) => clear(row.decision, CLEAR_LENGTH.decision)),
    rows.map((row) => clear(row.rule, CLEAR_LENGTH.rule)),
    Buffer.concat(rows.map((row) => row.sealed)),
    Buffer.concat(rows.map((row) => row.hash)),
    starts,
    rows.map((row) => row.sealed.length),
  ];
}

/**
 * The sealed event has the exact text; this is for lists. Postgres refuses NUL in text, and one client's odd tool name
 * must not fail the batch that holds everybody's events.
 */
export function clear(text: string | null | undefined, length: number): string | null {
  return text === undefined || text === null
    ? null
    : text.slice(0, length).toWellFormed().replaceAll("\0", "\uFFFD");
}
