import { ExchangeFailure, type SessionRequest_MessageChunk as Chunk } from "@drawbridge/protocol";

/** What one piece may hold; agents send 256 KiB. */
export const MAX_CHUNK_BYTES = 1024 * 1024;
/** What one response may hold, whatever its agent allows. */
export const MAX_TRANSFER_BYTES = 4 * 1024 ** 3;
/** How many responses of one session may be under way. */
export const MAX_TRANSFERS = 32;
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
const TOO_MUCH = tooLarge(`it exceeds ${MAX_TRANSFER_BYTES} bytes`);

/**
 * The large responses under way in one session. A refused one is remembered, so that what follows of it is not taken
 * for the beginning of another.
 */
export class SessionTransfers {
  /** With the bytes that came. */
  readonly #carried = new Map<number, number>();
  readonly #refused = new Map<number, TransferRefusal>();

  /** True when a piece of it was carried. */
  has(transfer: number): boolean {
    return this.#carried.has(transfer);
  }

  /** Undefined: the piece is to be carried. */
  refusalOf({ transfer, payload }: Chunk): TransferRefusal | undefined {
    const refusal = this.#refused.get(transfer) ?? this.#exceeded(transfer, payload.length);
    if (!refusal) this.#carried.set(transfer, (this.#carried.get(transfer) ?? 0) + payload.length);
    return refusal;
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

  #exceeded(transfer: number, bytes: number): TransferRefusal | undefined {
    const before = this.#carried.get(transfer);
    if (before === undefined && this.#carried.size >= MAX_TRANSFERS) return TOO_MANY;
    if (bytes > MAX_CHUNK_BYTES) return LARGE_PIECE;
    return (before ?? 0) + bytes > MAX_TRANSFER_BYTES ? TOO_MUCH : undefined;
  }
}

function tooLarge(message: string): TransferRefusal {
  return { failure: ExchangeFailure.RESULT_TOO_LARGE, message };
}
