/** What a server over HTTP was sent and has not begun to answer: bounded, for one that takes nothing must not fill memory. */
export class Backlog {
  readonly #maximum: number;
  #bytes = 0;

  /** What there is when nothing more is taken; one message more can have come by then. */
  constructor(maximumBytes: number) {
    this.#maximum = maximumBytes;
  }

  /** In words why nothing more can be sent now, or undefined. */
  get problem(): string | undefined {
    if (this.#bytes <= this.#maximum) return undefined;
    return "the target does not take what it is sent: wait for its other calls to end";
  }

  /** Counts the bytes until `work` has ended. */
  async hold<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    this.#bytes += bytes;
    try {
      return await work();
    } finally {
      this.#bytes -= bytes;
    }
  }
}
