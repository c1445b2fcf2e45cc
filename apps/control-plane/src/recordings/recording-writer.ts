import { Injectable, Logger, type OnModuleDestroy } from "@nestjs/common";
import { createRecordingKey, isFinal, type RecordedEvent, wrapKey } from "@drawbridge/recording";
import { Clock } from "../platform/clock.js";
import type { Transaction } from "../platform/database.js";
import { UUID } from "../platform/pagination.js";
import type { RecordEntry } from "./record-entry.js";
import { RecordingBatches } from "./recording-batches.js";
import { RecordingChains } from "./recording-chains.js";
import { type Durable, type Pending, RecordingQueue } from "./recording-queue.js";
import { RecordingUnavailableError } from "./recording-unavailable-error.js";
import { RecordingsRepository } from "./recordings.repository.js";

const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 10_000;
const FLUSH_WITHIN_MS = 5_000;

/**
 * Writes recordings: durable before anything is sent or delivered (ADR 0003).
 *
 * ```
 *  append, owe ──► queue ──► batch ──► sealed in order ──► one statement, one commit ──► callers go on
 *                    ▲        all that came while the                │
 *                    │        last commit ran; no timer              │ failed: what was appended is rejected
 *                    └───────────────────────────────────────────────┘ what is owed goes back to the front
 * ```
 * One batch at a time, so the order of calls is the order of events.
 *
 * Never wait for an event inside a transaction that has moved the authorization epoch (ended a session, changed a
 * policy or target): the commit of the event waits for that transaction to end.
 */
@Injectable()
export class RecordingWriter implements OnModuleDestroy {
  private readonly logger = new Logger("recordings");
  private readonly queue = new RecordingQueue();
  private running: Promise<void> | undefined;
  private retry: NodeJS.Timeout | undefined;
  private retryMs = FIRST_RETRY_MS;

  constructor(
    private readonly batches: RecordingBatches,
    private readonly chains: RecordingChains,
    private readonly recordings: RecordingsRepository,
    private readonly clock: Clock,
  ) {}

  /** Makes the recording of a session, with a key of its own, in the transaction that inserts the session. */
  async create(transaction: Transaction, recordingId: string): Promise<void> {
    const wrappedKey = wrapKey(this.chains.keyEncryptionKey, createRecordingKey(), recordingId);
    await this.recordings.insert(transaction, { id: recordingId, wrappedKey, startedAt: this.clock.now() });
  }

  /**
   * Resolves when the event is durable, with its index and the authorization epoch as of that commit: if it is not the
   * one a decision was made under, decide again. The order of calls is the order of events.
   * @throws RecordingUnavailableError when the event certainly or possibly is not durable
   */
  append(entry: RecordEntry): Promise<Durable> {
    return new Promise((resolve, reject) => {
      if (!UUID.test(entry.recordingId)) {
        reject(new RecordingUnavailableError("not_found", "there is no such recording"));
      } else if (this.queue.add({ entry, caller: { resolve, reject }, tried: [] })) {
        this.start();
      } else {
        reject(
          new RecordingUnavailableError("overloaded", "too much waits to be recorded; try again in a moment"),
        );
      }
    });
  }

  /**
   * For what must be told later when it cannot be told now (not_sent, outcome_unknown, session_closed): kept in memory,
   * written before anything newer of that recording, tried again until it is durable, written once. What a crash or a
   * full memory takes from here, RecordingRecovery finds by what is missing in the recording.
   */
  owe(entry: RecordEntry): void {
    const item = { entry, tried: [] };
    if (!UUID.test(entry.recordingId) || !this.queue.add(item)) this.giveUp(item, "overloaded");
    else if (!this.retry) this.start();
  }

  /**
   * Writes the last event of the recording (session_closed) and that it has ended. A recording that has its last event
   * already is left as it is. @throws RecordingUnavailableError
   */
  async close(recordingId: string, event: RecordedEvent): Promise<void> {
    if (!isFinal(event.kind)) throw new TypeError(`${event.kind} does not close a recording`);
    try {
      await this.append({ recordingId, event });
    } catch (error) {
      if (!(error instanceof RecordingUnavailableError) || error.reason !== "ended") throw error;
    }
    await this.recordings.end(recordingId, this.clock.now());
    this.chains.forget([recordingId]);
  }

  /** Whether something of the recording (of that exchange) waits to become durable. */
  isPending(recordingId: string, exchange?: number): boolean {
    return this.queue.has(recordingId, exchange);
  }

  async onModuleDestroy(): Promise<void> {
    const late = new Promise<void>((resolve) => setTimeout(resolve, FLUSH_WITHIN_MS).unref());
    if (!this.queue.isEmpty) this.start();
    await Promise.race([this.running, late]);
    clearTimeout(this.retry);
    if (!this.queue.isEmpty) this.logger.error("events that were owed to recordings are left to recovery");
  }

  private start(): void {
    clearTimeout(this.retry);
    this.retry = undefined;
    this.running ??= this.run();
  }

  private async run(): Promise<void> {
    // What is appended in the same turn shares the commit.
    await Promise.resolve();
    while (!this.queue.isEmpty) {
      const failed = await this.writeBatch(this.queue.takeBatch());
      if (!failed) this.retryMs = FIRST_RETRY_MS;
      else if (this.queue.isOnlyOwed) {
        this.retryLater();
        break;
      }
    }
    // In the same turn as the last look at the queue: what comes later starts anew.
    this.running = undefined;
  }

  /** True when the database failed. */
  private async writeBatch(batch: readonly Pending[]): Promise<boolean> {
    const outcomes = await this.batches.write(batch);
    const again: Pending[] = [];
    let failed = false;
    for (const [item, outcome] of outcomes) {
      const isDatabase = outcome instanceof RecordingUnavailableError && outcome.reason === "database";
      failed ||= isDatabase;
      if (isDatabase && !item.caller) {
        again.push(item);
        continue;
      }
      this.queue.settled(item);
      if (!(outcome instanceof RecordingUnavailableError)) item.caller?.resolve(outcome);
      else if (item.caller) item.caller.reject(outcome);
      else this.giveUp(item, outcome.reason);
    }
    this.queue.putBack(again);
    return failed;
  }

  private retryLater(): void {
    if (this.queue.isEmpty) return;
    this.retry = setTimeout(() => this.start(), this.retryMs);
    this.retry.unref();
    this.retryMs = Math.min(this.retryMs * 2, LAST_RETRY_MS);
  }

  private giveUp({ entry }: Pending, reason: string): void {
    const { recordingId, event } = entry;
    const { kind, exchange } = event;
    this.logger.error("an event that was owed to a recording is lost", {
      recordingId,
      kind,
      exchange,
      reason,
    });
  }
}
