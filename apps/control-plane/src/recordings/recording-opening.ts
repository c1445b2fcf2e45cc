import {
  DamagedRecordingError,
  genesisHash,
  openEvent,
  type RecordedEvent,
  type RecordingKey,
} from "@drawbridge/recording";
import { sealedDecision } from "./record-entry.js";
import {
  clear,
  CLEAR_LENGTH,
  type EventRow,
  type LinkedRow,
  RecordingEventsRepository,
} from "./recording-events.repository.js";

/** One read of stored events: what a process holds of a recording at a time, whatever the recording's size. */
const PAGE = { count: 200, bytes: 8 * 1024 * 1024 };

export interface OpenedEvent {
  readonly row: EventRow;
  readonly event: RecordedEvent;
}

export interface RowToOpen {
  readonly recordingId: string;
  readonly key: RecordingKey;
  readonly row: LinkedRow;
}

export interface Opening {
  readonly recordingId: string;
  readonly key: RecordingKey;
  readonly from: number;
  /** The first index that is not read. */
  readonly to: number;
}

/** Opens one event on the strength of the one before it. @throws DamagedRecordingError */
export function openRow({ recordingId, key, row }: RowToOpen): RecordedEvent {
  const previousHash = row.index === 0 ? genesisHash(recordingId) : row.previousHash;
  if (!previousHash) throw gap(recordingId, row.index - 1);
  const event = openEvent({ key, recordingId, previousHash, row });
  checkClearColumns(recordingId, row, event);
  return event;
}

/** Opens events in order, a bounded part at a time. @throws DamagedRecordingError at the first that is not sound */
export async function* openEvents(
  events: RecordingEventsRepository,
  { recordingId, key, from, to }: Opening,
): AsyncGenerator<OpenedEvent> {
  if (from >= to) return;
  let previousHash = await hashBefore(events, recordingId, from);
  for (let next = from; next < to;) {
    const rows = await events.slice(recordingId, { from: next, to, ...PAGE });
    if (rows.length === 0) throw gap(recordingId, next);
    for (const row of rows) {
      if (row.index !== next) throw gap(recordingId, next);
      const event = openEvent({ key, recordingId, previousHash, row });
      checkClearColumns(recordingId, row, event);
      yield { row, event };
      previousHash = row.hash;
      next += 1;
    }
  }
}

async function hashBefore(
  events: RecordingEventsRepository,
  recordingId: string,
  from: number,
): Promise<Uint8Array> {
  if (from === 0) return genesisHash(recordingId);
  const [before] = await events.slice(recordingId, { from: from - 1, to: from, count: 1, bytes: 1 });
  if (!before) throw gap(recordingId, from - 1);
  return before.hash;
}

/** Lists and filters are made from these columns; only the sealed event proves what they said. */
function checkClearColumns(recordingId: string, row: EventRow, event: RecordedEvent): void {
  const { effect, rule } = sealedDecision(event.attributes);
  const expected = [
    event.at,
    clear(event.method, CLEAR_LENGTH.method),
    clear(event.name, CLEAR_LENGTH.name),
    clear(effect, CLEAR_LENGTH.decision),
    clear(rule, CLEAR_LENGTH.rule),
  ];
  const stored = [row.at.getTime(), row.method, row.name, row.decision, row.rule];
  if (expected.every((value, column) => value === stored[column])) return;
  throw new DamagedRecordingError(
    { recordingId, index: row.index, problem: "malformed" },
    "is listed with another time, method, name or decision than was sealed",
  );
}

function gap(recordingId: string, index: number): DamagedRecordingError {
  return new DamagedRecordingError({ recordingId, index, problem: "gap" }, "is missing");
}
