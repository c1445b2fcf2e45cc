/** What may be under way at once before nothing more is read. */
const MAX_BESIDE = 64;
const MAX_BESIDE_BYTES = 4 * 1024 * 1024;

/**
 * In which order a session's frames are dealt with. Within an exchange always as they came. Everything else waits for all
 * that came before it, except where exchanges are told to go on beside each other.
 */
export class SessionTurns {
  readonly #onFailure: (error: unknown) => void;
  readonly #beside = new Map<number, Promise<void>>();
  #last: Promise<void> = Promise.resolve();
  #count = 0;
  #bytes = 0;

  /** `onFailure`: for work that fails; what comes after goes on. */
  constructor(onFailure: (error: unknown) => void) {
    this.#onFailure = onFailure;
  }

  /** After everything before it. Resolves when it is done. */
  inTurn(work: () => Promise<void> | undefined): Promise<void> {
    this.#last = this.#after([this.#last, ...this.#beside.values()], work);
    return this.#last;
  }

  /**
   * After what came before it of the same exchange, and beside the other exchanges. Resolves when more may be read: at
   * once, as long as not too much is under way.
   */
  async besideOthers(
    { exchange, bytes }: { exchange: number; bytes: number },
    work: () => Promise<void> | undefined,
  ): Promise<void> {
    const before = this.#beside.get(exchange);
    const turn = this.#after(before ? [this.#last, before] : [this.#last], work).finally(() => {
      this.#count -= 1;
      this.#bytes -= bytes;
      if (this.#beside.get(exchange) === turn) this.#beside.delete(exchange);
    });
    this.#beside.set(exchange, turn);
    this.#count += 1;
    this.#bytes += bytes;
    while (this.#count >= MAX_BESIDE || this.#bytes >= MAX_BESIDE_BYTES) {
      await Promise.race(this.#beside.values());
    }
  }

  /** After what came in turn, whatever is under way beside it; all that comes later waits for it. Resolves when it is done. */
  beforeOthers(work: () => Promise<void> | undefined): Promise<void> {
    this.#last = this.#after([this.#last], work);
    return this.#last;
  }

  #after(before: readonly Promise<void>[], work: () => Promise<void> | undefined): Promise<void> {
    return Promise.all(before)
      .then(() => work())
      .catch((error: unknown) => this.#onFailure(error));
  }
}
