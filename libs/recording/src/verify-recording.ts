import { Buffer } from "node:buffer";
import { DamagedRecordingError, type RecordingProblem } from "./damaged-recording-error.js";
import { isEventKind } from "./recorded-event.js";
import type { RecordingKey } from "./recording-key.js";
import { checkRow, genesisHash, isFinal, openEvent, type SealedRow } from "./sealed-event.js";

export interface VerifyOptions {
  /** With it every event is also opened; without it the chain alone is checked, which a forger could rebuild. */
  readonly key?: RecordingKey;
  /** The event at this index must have this hash; later events may follow. Finds a cut that nothing else shows. */
  readonly expectedHead?: { readonly index: number; readonly hash: Uint8Array };
  /** True: the recording must be closed. */
  readonly final?: boolean;
}

/** A row as verification reads it; a stored previous hash, where there is one, must agree. */
export interface VerifiableRow extends SealedRow {
  readonly previousHash?: Uint8Array | undefined;
}

export type RecordingVerification =
  | {
      readonly ok: true;
      readonly events: number;
      /** The hash of the last event, of genesis when there is none. */
      readonly head: Uint8Array;
      /** Whether the last event closed the recording. */
      readonly final: boolean;
    }
  | {
      readonly ok: false;
      /** How many events before the problem are sound. */
      readonly events: number;
      /** The first problem, with its place. */
      readonly damage: DamagedRecordingError;
    };

/** Reads rows in index order, one at a time. Damage is the result, not an exception; an error of the source is thrown. */
export async function verifyRecording(
  recordingId: string,
  rows: AsyncIterable<VerifiableRow> | Iterable<VerifiableRow>,
  options: VerifyOptions = {},
): Promise<RecordingVerification> {
  const chain = new ChainVerifier(recordingId, options);
  try {
    for await (const row of rows) chain.append(row);
    chain.end();
  } catch (error) {
    if (!(error instanceof DamagedRecordingError)) throw error;
    return { ok: false, events: chain.events, damage: error };
  }
  return { ok: true, events: chain.events, head: chain.head, final: chain.final };
}

class ChainVerifier {
  readonly #recordingId: string;
  readonly #options: VerifyOptions;
  events = 0;
  head: Uint8Array;
  final = false;

  constructor(recordingId: string, options: VerifyOptions) {
    this.#recordingId = recordingId;
    this.#options = options;
    this.head = genesisHash(recordingId);
  }

  append(row: VerifiableRow): void {
    this.#checkPlace(row);
    if (row.previousHash !== undefined && !sameBytes(row.previousHash, this.head)) {
      throw this.#damage("previous_hash_mismatch", "does not continue the event before it");
    }
    const { key } = this.#options;
    if (key) openEvent({ key, recordingId: this.#recordingId, previousHash: this.head, row });
    else checkRow(this.#recordingId, this.head, row);
    this.#checkExpectedHead(row);

    this.head = row.hash;
    this.final = isEventKind(row.kind) && isFinal(row.kind);
    this.events += 1;
  }

  end(): void {
    const { expectedHead, final } = this.#options;
    if (expectedHead && this.events <= expectedHead.index) {
      throw this.#damage("truncated", `is missing; the recording had events up to ${expectedHead.index}`);
    }
    if (final === true && !this.final) {
      throw this.#damage("not_final", "is missing; the recording was never closed or its end was cut off");
    }
  }

  #checkPlace(row: VerifiableRow): void {
    if (this.final) throw this.#damage("after_final", "follows the event that closed the recording");
    if (row.index === this.events) return;
    if (row.index > this.events) {
      throw this.#damage("gap", `is missing; the next one is ${row.index}`);
    }
    throw this.#damage("out_of_order", "is not where it belongs; an event is repeated or out of order");
  }

  #checkExpectedHead(row: VerifiableRow): void {
    const { expectedHead } = this.#options;
    if (expectedHead?.index === row.index && !sameBytes(expectedHead.hash, row.hash)) {
      throw this.#damage("head_mismatch", "differs from the head this recording is known to have had");
    }
  }

  #damage(problem: RecordingProblem, message: string): DamagedRecordingError {
    return new DamagedRecordingError(
      { recordingId: this.#recordingId, index: this.events, problem },
      message,
    );
  }
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left instanceof Uint8Array && Buffer.compare(left, right) === 0;
}
