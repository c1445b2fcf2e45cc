import { Injectable } from "@nestjs/common";
import { RecordingChains } from "./recording-chains.js";
import {
  isRowConflict,
  type NewEventRow,
  RecordingEventsRepository,
  UnknownOutcomeError,
} from "./recording-events.repository.js";
import type { Durable, Pending } from "./recording-queue.js";
import { RecordingUnavailableError } from "./recording-unavailable-error.js";

/** What became of each entry: where it is, or why it is not durable. */
export type Outcomes = Map<Pending, Durable | RecordingUnavailableError>;

interface Sealed {
  readonly item: Pending;
  readonly row: NewEventRow;
}

/** Seals batches and stores them. One at a time: the ends of the chains move with each. */
@Injectable()
export class RecordingBatches {
  constructor(
    private readonly chains: RecordingChains,
    private readonly events: RecordingEventsRepository,
  ) {}

  /** Never rejects: every entry has an outcome. */
  async write(batch: readonly Pending[]): Promise<Outcomes> {
    const outcomes: Outcomes = new Map();
    if (await this.writeTogether(batch, outcomes)) return outcomes;
    // Another process wrote to one of the recordings. Which one does not matter: each is read again and written alone.
    for (const part of Map.groupBy(batch, ({ entry }) => entry.recordingId).values()) {
      if (await this.writeTogether(part, outcomes)) continue;
      const error = new RecordingUnavailableError("database", "another process writes the same recording");
      for (const item of part) outcomes.set(item, error);
    }
    return outcomes;
  }

  /** False when a row was in the way, and then nothing was stored. */
  private async writeTogether(batch: readonly Pending[], outcomes: Outcomes): Promise<boolean> {
    let sealed: Sealed[] = [];
    try {
      const missing = await this.withoutStored(batch, outcomes);
      const unusable = await this.chains.load(missing.map(({ entry }) => entry.recordingId));
      sealed = this.sealAll(missing, unusable, outcomes);
      if (sealed.length === 0) return true;
      const epoch = await this.events.append(sealed.map(({ row }) => row));
      for (const { item, row } of sealed) outcomes.set(item, { epoch, index: row.index });
    } catch (error) {
      this.chains.forget(batch.map(({ entry }) => entry.recordingId));
      if (isRowConflict(error)) return false;
      if (error instanceof UnknownOutcomeError) rememberTried(sealed);
      const why = new RecordingUnavailableError("database", "the recording cannot be written now", {
        cause: error,
      });
      for (const item of batch) if (!outcomes.has(item)) outcomes.set(item, why);
    }
    return true;
  }

  /** What is tried again may have been stored the first time: then it is not written twice. */
  private async withoutStored(batch: readonly Pending[], outcomes: Outcomes): Promise<Pending[]> {
    const tried = batch.flatMap((item) => item.tried);
    if (tried.length === 0) return [...batch];
    const stored = await this.events.stored(tried);
    return batch.filter((item) => {
      const found = item.tried.find(({ hash }) => stored.has(Buffer.from(hash).toString("hex")));
      // Of what is tried again nobody waits to hear the epoch.
      if (found) outcomes.set(item, { epoch: 0n, index: found.index });
      return !found;
    });
  }

  /** In order. What cannot be sealed has its outcome at once and fails nobody else. */
  private sealAll(
    items: readonly Pending[],
    unusable: ReadonlyMap<string, RecordingUnavailableError>,
    outcomes: Outcomes,
  ): Sealed[] {
    const sealed: Sealed[] = [];
    for (const item of items) {
      const row = unusable.get(item.entry.recordingId) ?? this.sealOrRefuse(item);
      if (row instanceof RecordingUnavailableError) outcomes.set(item, row);
      else sealed.push({ item, row });
    }
    return sealed;
  }

  private sealOrRefuse(item: Pending): NewEventRow | RecordingUnavailableError {
    try {
      return this.chains.seal(item.entry);
    } catch (error) {
      if (error instanceof RecordingUnavailableError) return error;
      throw error;
    }
  }
}

/** Only the place and the hash: the row itself may be large and this is kept until the database is back. */
function rememberTried(sealed: readonly Sealed[]): void {
  for (const { item, row } of sealed) {
    const { recordingId, index, hash } = row;
    item.tried.push({ recordingId, index, hash });
  }
}
