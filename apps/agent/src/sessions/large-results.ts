import type { SessionRequest } from "@drawbridge/protocol";
import type { MaskedCounts, Masker } from "@drawbridge/masking";
import type { LargeMessageSink } from "../targets/target.js";
import type { Brake } from "./brake.js";
import { LargeMessage, type LargeMessageOwner } from "./large-message.js";
import type { Outbox } from "./outbox.js";
import { Transfer } from "./transfer.js";

const CHUNK_BYTES = 256 * 1024;

export interface LargeResultsOptions {
  readonly outbox: Outbox<SessionRequest>;
  readonly brake: Brake;
  readonly masker: Masker;
  /** Longest response, as the target sends it. */
  readonly maxBytes: number;
  /** What fits into one frame now. */
  readonly maxFrameBytes: () => number;
  readonly owner: LargeMessageOwner;
}

/** Something that goes to the control plane in pieces. */
interface Carried {
  readonly isDone: boolean;
  readonly isUnderWay: boolean;
  abort(reason: string): void;
  streamLost(): unknown;
}

/** All results of one session that are too large for a frame, each until its last piece has gone out. */
export class LargeResults {
  readonly #options: LargeResultsOptions;
  #carried: Carried[] = [];
  #transfers = 0;

  constructor(options: LargeResultsOptions) {
    this.#options = options;
  }

  /** A part of one has gone out on the present stream, and the rest has not. */
  get isUnderWay(): boolean {
    return this.#carried.some(({ isUnderWay }) => isUnderWay);
  }

  /** A message of the target begins that cannot be kept; `exchange` as far as the transport knows. */
  begin(exchange: number | undefined): LargeMessageSink {
    const { brake, masker, maxBytes, owner } = this.#options;
    const transfer = this.#newTransfer();
    return this.#keep(
      new LargeMessage({ exchange, mask: masker.maskStream(), transfer, brake, maxBytes, owner }),
    );
  }

  /** Sends a response that is here whole, masked. */
  send(exchange: number, { payload, masked }: { payload: Uint8Array; masked: MaskedCounts }): void {
    const transfer = this.#keep(this.#newTransfer());
    transfer.push([payload]);
    transfer.end(exchange, masked);
  }

  /** What the target has not finished it never will. */
  abort(reason: string): void {
    for (const carried of this.#carried) carried.abort(reason);
  }

  /** After the outbox was told: what had gone out in part is cut off. */
  streamLost(): void {
    for (const carried of this.#carried) carried.streamLost();
  }

  #newTransfer(): Transfer {
    this.#transfers += 1;
    const chunkBytes = Math.min(CHUNK_BYTES, this.#options.maxFrameBytes());
    return new Transfer({ number: this.#transfers, chunkBytes, outbox: this.#options.outbox });
  }

  #keep<T extends Carried>(carried: T): T {
    this.#carried = this.#carried.filter(({ isDone }) => !isDone);
    this.#carried.push(carried);
    return carried;
  }
}
