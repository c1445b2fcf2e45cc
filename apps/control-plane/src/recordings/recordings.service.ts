import { Injectable } from "@nestjs/common";
import type {
  Page,
  PageQuery,
  RecordingEventView,
  RecordingQuery,
  RecordingVerification,
  RecordingView,
} from "@drawbridge/contracts";
import {
  DamagedRecordingError,
  genesisHash,
  isFinal,
  type RecordedEvent,
  type RecordingKey,
  toExport,
  unwrapKey,
  verifyRecording,
} from "@drawbridge/recording";
import { AuditLog } from "../audit/index.js";
import { isPermitted, type Principal } from "../identity/index.js";
import { DomainError } from "../platform/errors.js";
import { pageFrom, readCursor, UUID, writeCursor } from "../platform/pagination.js";
import { RecordingChains } from "./recording-chains.js";
import { type LinkedRow, RecordingEventsRepository, type Slice } from "./recording-events.repository.js";
import { type OpenedEvent, openEvents, openRow, type RowToOpen } from "./recording-opening.js";
import { RecordingReader } from "./recording-reader.js";
import { RecordingsRepository, type StoredRecording } from "./recordings.repository.js";
import { storedResponse } from "./stored-response.js";

/** A page of opened events is cut before it holds more than this, stored. */
const PAGE_BYTES = 8 * 1024 * 1024;

/** What one event says. */
export interface EventPayload {
  readonly bytes: number;
  readonly pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** Reading recordings: one's own, or everybody's for auditors. Whoever reads content is in the audit log first. */
@Injectable()
export class RecordingsService {
  constructor(
    private readonly recordings: RecordingsRepository,
    private readonly stored: RecordingEventsRepository,
    private readonly chains: RecordingChains,
    private readonly reader: RecordingReader,
    private readonly audit: AuditLog,
  ) {}

  async list(principal: Principal, query: RecordingQuery): Promise<Page<RecordingView>> {
    const { limit, cursor, target, principal: of } = query;
    const filter = {
      owner: ownerSeenBy(principal),
      principal: of,
      target,
      before: readCursor(cursor, UUID),
    };
    const rows = await this.recordings.list(filter, limit + 1);
    return pageFrom(rows, limit, { key: ({ id }) => id, view: toView });
  }

  async get(principal: Principal, id: string): Promise<RecordingView> {
    return toView(await this.find(principal, id));
  }

  /** Without the chunks of large responses: their `response` says how large it is, and `payload` has it. */
  async events(principal: Principal, id: string, query: PageQuery): Promise<Page<RecordingEventView>> {
    const recording = await this.find(principal, id);
    const from = Number(readCursor(query.cursor, /^\d{1,10}$/) ?? 0);
    const rows = await this.rowsToShow(recording, { from, count: query.limit, bytes: PAGE_BYTES });
    const next = (rows.at(-1)?.index ?? recording.events) + 1;
    await this.recordReading(principal, recording, { from, to: next });
    const key = this.keyOf(recording);
    const items = rows.map((row) => toEventView({ row, event: openOrRefuse({ recordingId: id, key, row }) }));
    return { items, ...(next < recording.events ? { nextCursor: writeCursor(String(next)) } : {}) };
  }

  /** What one event says, however large, as it was delivered. Its chunks are read as the reader asks for them. */
  async payload(principal: Principal, id: string, index: number): Promise<EventPayload> {
    const recording = await this.find(principal, id);
    const [row] = await this.rowsToShow(recording, { from: index, count: 1, bytes: 1 });
    if (row?.index !== index)
      throw new DomainError("recording_not_found", `recording ${id} has no event ${index} to show`);
    await this.recordReading(principal, recording, { from: index, to: index + 1 });
    const { attributes, payload } = openOrRefuse({ recordingId: id, key: this.keyOf(recording), row });
    const stored = storedResponse(attributes);
    return stored
      ? { bytes: stored.bytes, pieces: this.reader.chunks(id, stored) }
      : { bytes: payload.length, pieces: [payload] };
  }

  /**
   * JSON Lines: a header that says how many events follow, then one line each. A recording that is found damaged on
   * the way ends with a line of the type `damaged` instead; a download that ends with fewer lines is not whole.
   */
  async export(principal: Principal, id: string): Promise<AsyncGenerator<string>> {
    const recording = await this.find(principal, id);
    await this.recordReading(principal, recording, { from: 0, to: recording.events, export: true });
    return this.exportLines(recording, this.open(recording, 0, recording.events));
  }

  async verify(principal: Principal, id: string): Promise<RecordingVerification> {
    const recording = await this.find(principal, id);
    let head = genesisHash(recording.id);
    let final = false;
    const rows = async function* (opened: AsyncIterable<OpenedEvent>) {
      for await (const { row, event } of opened) {
        yield row;
        head = row.hash;
        final = isFinal(event.kind);
      }
    };
    const result = await verifyRecording(recording.id, rows(this.open(recording, 0, recording.events)), {
      final: recording.endedAt !== null,
    });
    return {
      ok: result.ok,
      events: result.events,
      head: Buffer.from(head).toString("hex"),
      final,
      ...(result.ok ? {} : { problem: result.damage.message }),
    };
  }

  /** What one may not read looks like what does not exist. */
  private async find(principal: Principal, id: string): Promise<StoredRecording> {
    const [recording] = await this.recordings.list({ id, owner: ownerSeenBy(principal) }, 1);
    if (!recording) throw new DomainError("recording_not_found", `there is no recording ${id} for you`);
    return recording;
  }

  private async rowsToShow(
    { id, events: to }: StoredRecording,
    part: Omit<Slice, "to">,
  ): Promise<LinkedRow[]> {
    return part.from < to ? this.stored.withoutChunks(id, { ...part, to }) : [];
  }

  private async *exportLines(
    recording: StoredRecording,
    events: AsyncIterable<OpenedEvent>,
  ): AsyncGenerator<string> {
    yield line({ type: "recording", format: "drawbridge/recording/export/1", ...toView(recording) });
    try {
      for await (const { row, event } of events) {
        yield line({ type: "event", index: row.index, hash: row.hash.toString("hex"), ...toExport(event) });
      }
    } catch (error) {
      if (!(error instanceof DamagedRecordingError)) throw error;
      yield line({ type: "damaged", index: error.index, problem: error.message });
    }
  }

  private open(recording: StoredRecording, from: number, to: number): AsyncGenerator<OpenedEvent> {
    const { id: recordingId } = recording;
    return openEvents(this.stored, { recordingId, key: this.keyOf(recording), from, to });
  }

  private keyOf({ id, wrappedKey }: StoredRecording): RecordingKey {
    try {
      return unwrapKey(this.chains.keyEncryptionKey, wrappedKey, id);
    } catch (error) {
      const why = error instanceof Error ? error.message : "it is unusable";
      throw new DomainError("recording_damaged", `the recording's key cannot be used: ${why}`);
    }
  }

  private recordReading(
    principal: Principal,
    { id, principal: owner }: StoredRecording,
    { export: exported, ...range }: { from: number; to: number; export?: boolean },
  ): Promise<void> {
    return this.audit.record(undefined, {
      actor: principal.id,
      action: exported ? "recording.exported" : "recording.read",
      subject: id,
      details: { owner, ...range },
    });
  }
}

function openOrRefuse(row: RowToOpen): RecordedEvent {
  try {
    return openRow(row);
  } catch (error) {
    if (error instanceof DamagedRecordingError) throw new DomainError("recording_damaged", error.message);
    throw error;
  }
}

function ownerSeenBy(principal: Principal): string | undefined {
  return isPermitted(principal.roles, "recording:read_all") ? undefined : principal.id;
}

function line(value: object): string {
  return `${JSON.stringify(value)}\n`;
}

function toEventView({ row, event }: OpenedEvent): RecordingEventView {
  const { time, payload, payloadEncoding, ...exported } = toExport(event);
  return {
    index: row.index,
    ...exported,
    at: time,
    attributes: { ...exported.attributes },
    ...(payload === "" ? {} : { payload, payloadEncoding }),
  };
}

function toView(recording: StoredRecording): RecordingView {
  const { wrappedKey: _, openedAt, lastActivityAt, closedAt, endedAt, ...rest } = recording;
  return {
    ...rest,
    openedAt: openedAt.toISOString(),
    lastActivityAt: lastActivityAt.toISOString(),
    closedAt: closedAt?.toISOString() ?? null,
    endedAt: endedAt?.toISOString() ?? null,
  };
}
