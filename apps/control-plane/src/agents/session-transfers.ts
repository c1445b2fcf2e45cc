import { ExchangeFailure, type SessionRequest_MessageChunk as Chunk } from "@drawbridge/protocol";

/** What one piece may hold; agents send 256 KiB. */
export const MAX_CHUNK_BYTES = 1024 * 1024;
/** What the responses under way in one session may hold, whatever their agent allows. */
export const MAX_TRANSFER_BYTES = 4 * 1024 ** 3;
/** How many responses of one session may be under way. */
export const MAX_TRANSFERS = 8;
const MAX_REFUSED = 256;

/** Why a large response is not carried, as its caller is told. */
export interface TransferRefusal {
  readonly failure: ExchangeFailure;
  readonly message: string;
}

const CUT_OFF = {
  failure: ExchangeFailure.RESULT_CUT_OFF,
  message: "the connection to the agent broke",
} as const;
const TOO_MANY = tooLarge("too many large results of this session are under way");
const LARGE_PIECE = tooLarge(`its agent sent more than ${MAX_CHUNK_BYTES} bytes in one piece`);
const TOO_MUCH = tooLarge(`the large results of this session exceed ${MAX_TRANSFER_BYTES} bytes`);
const UNASKED = tooLarge("no request is under way that it could answer");

/**
 * The large responses under way in one session. A refused one is remembered, so that what follows of it is not taken
 * for the beginning of another. Each piece is recorded, and only the last one says what is answered: so that an agent
 * cannot fill the recording with what nobody asked for, what came to nothing counts until the next answer.
 */
export class SessionTransfers {
  /** With the bytes that came. */
  readonly #carried = new Map<number, number>();
  readonly #refused = new Map<number, TransferRefusal>();
  /** Of the carried ones, and of those that came to nothing since the last answer. */
  #bytes = 0;

  /** True when a piece of it was carried. */
  has(transfer: number): boolean {
    return this.#carried.has(transfer);
  }

  /** Undefined: the piece is to be carried. `asked`: the requests that are under way in the session. */
  refusalOf({ transfer, payload }: Chunk, asked: number): TransferRefusal | undefined {
    const refusal = this.#refused.get(transfer) ?? this.#exceeded(transfer, payload.length, asked);
    if (refusal) return refusal;
    this.#carried.set(transfer, (this.#carried.get(transfer) ?? 0) + payload.length);
    this.#bytes += payload.length;
    return undefined;
  }

  /** What follows of it is refused as well. */
  refuse(transfer: number, refusal: TransferRefusal): void {
    this.#carried.delete(transfer);
    this.#refused.set(transfer, refusal);
    for (const oldest of this.#refused.keys()) {
      if (this.#refused.size <= MAX_REFUSED) return;
      this.#refused.delete(oldest);
    }
  }

  /** All of it came, and it was asked for. */
  answered(transfer: number): void {
    this.over(transfer);
    this.#bytes = [...this.#carried.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Nothing of it follows. */
  over(transfer: number): void {
    this.#carried.delete(transfer);
    this.#refused.delete(transfer);
  }

  /** Their stream is gone: no other goes on with them. The answer names them. */
  cutOff(): readonly number[] {
    const transfers = [...this.#carried.keys()];
    for (const transfer of transfers) this.refuse(transfer, CUT_OFF);
    return transfers;
  }

  #exceeded(transfer: number, bytes: number, asked: number): TransferRefusal | undefined {
    if (asked === 0) return UNASKED;
    if (!this.#carried.has(transfer) && this.#carried.size >= MAX_TRANSFERS) return TOO_MANY;
    if (bytes > MAX_CHUNK_BYTES) return LARGE_PIECE;
    return this.#bytes + bytes > MAX_TRANSFER_BYTES ? TOO_MUCH : undefined;
  }
}

function tooLarge(message: string): TransferRefusal {
  return { failure: ExchangeFailure.RESULT_TOO_LARGE, message };
}
