import { ExchangeFailure, type SessionRequest } from "@drawbridge/protocol";
import type { MaskedCounts } from "@drawbridge/masking";
import { frameBytes } from "./frame-size.js";
import { type Outbox, Train } from "./outbox.js";

export interface TransferOptions {
  /** Unique in the session. */
  readonly number: number;
  readonly chunkBytes: number;
  readonly outbox: Outbox<SessionRequest>;
}

/** How one masked response that is too large for a frame goes to the control plane: chunk by chunk, on one stream. */
export class Transfer {
  readonly #options: TransferOptions;
  readonly #train = new Train();
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #isOver = false;
  /** The exchange it answers, once that is known. */
  #answered: number | undefined;

  constructor(options: TransferOptions) {
    this.#options = options;
  }

  /** Nothing of it waits here any more, and nothing more of it will come. */
  get isDone(): boolean {
    return this.#isOver && this.#train.waiting === 0;
  }

  /** A part of it went out and the rest is to follow on the same stream. */
  get isUnderWay(): boolean {
    return this.#train.isUnderWay && !this.isDone;
  }

  push(pieces: readonly Uint8Array[]): void {
    if (this.#isOver) return;
    for (const piece of pieces) this.#bytes += piece.length;
    this.#pieces.push(...pieces);
    if (this.#bytes >= this.#options.chunkBytes) this.#sayChunks();
  }

  end(exchange: number, masked: MaskedCounts): void {
    if (this.#isOver) return;
    if (this.#bytes > this.#options.chunkBytes) this.#sayChunks();
    this.#isOver = true;
    this.#answered = exchange;
    const chunk = this.#chunk({ payload: this.#rest(), end: { exchange, masked } });
    const ifLost = cutOff(exchange);
    this.#options.outbox.push({
      frame: chunk,
      bytes: frameBytes(chunk),
      ifLost: { frame: ifLost, bytes: frameBytes(ifLost) },
      train: this.#train,
    });
  }

  /** The rest will not come, and what has not gone out yet need not. */
  abort(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#derail();
  }

  /**
   * To be called when the stream is gone, after the outbox was told. "cut_off": a part of it went out and the rest can
   * only go where that part is not; where the exchange is known, this has been said.
   */
  streamLost(): "cut_off" | "intact" {
    if (!this.isUnderWay) return "intact";
    this.#isOver = true;
    this.#derail();
    if (this.#answered !== undefined) {
      const frame = cutOff(this.#answered);
      const bytes = frameBytes(frame);
      this.#options.outbox.push({ frame, bytes, ifLost: { frame, bytes } });
    }
    return "cut_off";
  }

  #derail(): void {
    this.#pieces = [];
    this.#bytes = 0;
    this.#options.outbox.derail(this.#train);
    if (!this.#train.isUnderWay) return;
    const frame = this.#chunk({ payload: Buffer.alloc(0), aborted: true });
    this.#options.outbox.push({ frame, bytes: frameBytes(frame) });
  }

  #sayChunks(): void {
    const { chunkBytes, outbox } = this.#options;
    const all = this.#rest();
    let start = 0;
    for (; all.length - start >= chunkBytes; start += chunkBytes) {
      const frame = this.#chunk({ payload: all.subarray(start, start + chunkBytes) });
      outbox.push({ frame, bytes: frameBytes(frame), train: this.#train });
    }
    this.#pieces = [all.subarray(start)];
    this.#bytes = all.length - start;
  }

  #rest(): Buffer {
    const [only] = this.#pieces;
    const rest =
      this.#pieces.length === 1 && only
        ? Buffer.from(only.buffer, only.byteOffset, only.byteLength)
        : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#bytes = 0;
    return rest;
  }

  #chunk({ payload, end, aborted = false }: Piece): SessionRequest {
    const value = { transfer: this.#options.number, payload, end, aborted };
    return { frame: { $case: "messageChunk", value } };
  }
}

interface Piece {
  readonly payload: Buffer;
  readonly end?: { exchange: number; masked: MaskedCounts };
  readonly aborted?: boolean;
}

function cutOff(exchange: number): SessionRequest {
  const failure = ExchangeFailure.RESULT_CUT_OFF;
  return {
    frame: { $case: "exchangeFailed", value: { exchange, failure, message: "", supportedVersions: [] } },
  };
}
