import type { RecordEntry } from "./record-entry.js";
import type { RecordingUnavailableError } from "./recording-unavailable-error.js";

const MIB = 1024 * 1024;
const BATCH = { events: 512, bytes: 8 * MIB };
/** What an event takes beside its payload, roughly. */
const EVENT_BYTES = 1024;

/** A row that an entry was sealed as. */
export interface TriedRow {
  readonly recordingId: string;
  readonly index: number;
  readonly hash: Uint8Array;
}

/** Where an event stands in its recording, and the authorization epoch as of the commit that made it durable. */
export interface Durable {
  readonly epoch: bigint;
  readonly index: number;
}

/** One entry until it is settled. */
export interface Pending {
  readonly entry: RecordEntry;
  /** Who waits for it. Nobody waits for what is owed: it stays until it is durable. */
  readonly caller?: {
    resolve(durable: Durable): void;
    reject(error: RecordingUnavailableError): void;
  };
  /** What it may be stored as already: commits whose outcome nobody heard. */
  readonly tried: TriedRow[];
}

interface Bound {
  readonly events: number;
  readonly bytes: number;
}

/** What waits to be written, first come, first written. Bounded by number and bytes, for both kinds apart. */
export class RecordingQueue {
  private readonly unsettled = new Set<Pending>();
  private waiting: Pending[] = [];
  private readonly appended: Level;
  private readonly owed: Level;

  constructor(
    bounds: { readonly appended: Bound; readonly owed: Bound } = {
      appended: { events: 8_192, bytes: 128 * MIB },
      owed: { events: 4_096, bytes: 16 * MIB },
    },
  ) {
    this.appended = new Level(bounds.appended);
    this.owed = new Level(bounds.owed);
  }

  /** False when there is no room. */
  add(item: Pending): boolean {
    if (!this.levelOf(item).raise(bytesOf(item))) return false;
    this.unsettled.add(item);
    this.waiting.push(item);
    return true;
  }

  /** The oldest entries, as many as one statement takes; one at least, however large. */
  takeBatch(): Pending[] {
    let bytes = 0;
    let count = 0;
    for (const item of this.waiting) {
      bytes += bytesOf(item);
      if (count > 0 && (count >= BATCH.events || bytes > BATCH.bytes)) break;
      count += 1;
    }
    return this.waiting.splice(0, count);
  }

  /** Before everything that came later. */
  putBack(items: readonly Pending[]): void {
    this.waiting = [...items, ...this.waiting];
  }

  settled(item: Pending): void {
    if (this.unsettled.delete(item)) this.levelOf(item).lower(bytesOf(item));
  }

  get isEmpty(): boolean {
    return this.waiting.length === 0;
  }

  get isOnlyOwed(): boolean {
    return this.waiting.every((item) => item.caller === undefined);
  }

  /** Whether something of the recording (of that exchange) is neither durable nor given up. */
  has(recordingId: string, exchange?: number): boolean {
    for (const { entry } of this.unsettled) {
      if (entry.recordingId !== recordingId) continue;
      if (exchange === undefined || entry.event.exchange === exchange) return true;
    }
    return false;
  }

  private levelOf(item: Pending): Level {
    return item.caller ? this.appended : this.owed;
  }
}

class Level {
  private events = 0;
  private bytes = 0;

  constructor(private readonly bound: Bound) {}

  /** One entry is always let in, so that none is too large for an idle system. */
  raise(bytes: number): boolean {
    const fits = this.events < this.bound.events && this.bytes + bytes <= this.bound.bytes;
    if (!fits && this.events > 0) return false;
    this.events += 1;
    this.bytes += bytes;
    return true;
  }

  lower(bytes: number): void {
    this.events -= 1;
    this.bytes -= bytes;
  }
}

function bytesOf({ entry }: Pending): number {
  return entry.event.payload.length + EVENT_BYTES;
}
