import { Injectable } from "@nestjs/common";
import { DamagedRecordingError, type RecordedEvent } from "@drawbridge/recording";
import { openRow } from "./recording-opening.js";
import { RecordingChains } from "./recording-chains.js";
import { RecordingEventsRepository } from "./recording-events.repository.js";
import type { StoredResponse } from "./stored-response.js";

/** One read of stored events. Many clients may read at once. */
const PAGE = { count: 100, bytes: 1024 * 1024 };

const MAX_INDEX = 2 ** 31 - 1;

/** Which part of a recording is read. */
export interface ReadRange {
  /** 0: what belongs to no exchange. */
  readonly exchange: number;
  /** Only events with a larger index. */
  readonly after: number;
  /** Without it also what was told to nobody, such as the end that recovery wrote. */
  readonly direction?: "target_to_client";
}

export interface ReadEvent {
  readonly index: number;
  readonly event: RecordedEvent;
}

/** Reads back what is durable, for those who deliver it. Whoever may see it was asked before. */
@Injectable()
export class RecordingReader {
  constructor(
    private readonly stored: RecordingEventsRepository,
    private readonly chains: RecordingChains,
  ) {}

  /**
   * The messages of an exchange, up to its end or what is stored by now, in order. Of a large response comes the
   * `response` event, which says where its chunks are. Holds a page in memory, of about 1 MiB unless one event is larger.
   * @throws DamagedRecordingError at the first that is not sound, RecordingUnavailableError without a usable key
   */
  async *events(recordingId: string, { exchange, after, direction }: ReadRange): AsyncGenerator<ReadEvent> {
    const key = await this.chains.keyOf(recordingId);
    for (let last = after; ;) {
      const rows = await this.stored.told(recordingId, { exchange, after: last, ...PAGE });
      for (const row of rows) {
        const event = openRow({ recordingId, key, row });
        if (direction === undefined || event.direction === direction) yield { index: row.index, event };
        last = row.index;
      }
      if (rows.length === 0) return;
    }
  }

  /** The request of an exchange and all that was decided about it. @throws as `events` */
  async *decisions(recordingId: string, exchange: number): AsyncGenerator<RecordedEvent> {
    const key = await this.chains.keyOf(recordingId);
    for (let after = -1; ;) {
      const rows = await this.stored.decided(recordingId, { exchange, after, ...PAGE });
      for (const row of rows) {
        yield openRow({ recordingId, key, row });
        after = row.index;
      }
      if (rows.length === 0) return;
    }
  }

  /** The request of an exchange; undefined when there is none. @throws as `events` */
  async request(recordingId: string, exchange: number): Promise<RecordedEvent | undefined> {
    const row = await this.stored.beginning(recordingId, exchange);
    return row && openRow({ recordingId, key: await this.chains.keyOf(recordingId), row });
  }

  /** What the target asked of the client and what that answered, newest first. @throws as `events` */
  async *questions(recordingId: string): AsyncGenerator<ReadEvent> {
    const key = await this.chains.keyOf(recordingId);
    for (let before = MAX_INDEX; ;) {
      const rows = await this.stored.questions(recordingId, { before, ...PAGE });
      for (const row of rows) {
        yield { index: row.index, event: openRow({ recordingId, key, row }) };
        before = row.index;
      }
      if (rows.length === 0) return;
    }
  }

  /**
   * A large response, one chunk in memory at a time. The next one is read when it is asked for.
   * @throws DamagedRecordingError as soon as a chunk is not sound, at the end when not all of them came
   */
  async *chunks(
    recordingId: string,
    { transfer, first, last, bytes }: StoredResponse,
  ): AsyncGenerator<Uint8Array> {
    const key = await this.chains.keyOf(recordingId);
    let missing = bytes;
    for (let next = first; next <= last;) {
      const row = await this.stored.firstChunk(recordingId, { from: next, to: last });
      if (!row) break;
      const { attributes, payload } = openRow({ recordingId, key, row });
      next = row.index + 1;
      if (attributes["transfer"] !== transfer) continue;
      missing -= payload.length;
      yield payload;
    }
    if (missing !== 0) {
      throw new DamagedRecordingError(
        { recordingId, index: last, problem: "gap" },
        `ends a response of which chunks are missing: ${missing} of ${bytes} bytes`,
      );
    }
  }

  /** How many requests rules allowed so far, and how many calls of which tool among them. */
  async callsAllowed(
    recordingId: string,
  ): Promise<{ readonly calls: number; readonly byTool: ReadonlyMap<string, number> }> {
    const rows = await this.stored.callsAllowed(recordingId);
    const byTool = rows.flatMap(({ tool, calls }) => (tool === null ? [] : [[tool, calls] as const]));
    return { calls: rows.reduce((sum, { calls }) => sum + calls, 0), byTool: new Map(byTool) };
  }

  /** The largest number of an exchange in it, 0 when there is none. */
  lastExchange(recordingId: string): Promise<number> {
    return this.stored.lastExchange(recordingId);
  }
}
