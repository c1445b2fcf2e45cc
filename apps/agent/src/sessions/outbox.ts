/** Hands a frame of so many bytes to the wire. False: it took it, and wants no more until it is ready again. */
export type Sink<Frame> = (frame: Frame, bytes: number) => boolean;

export interface OutboxOptions {
  /** What may wait before the target is paused. One message more can arrive after that. */
  readonly highWaterBytes: number;
  /** How long a written result may still have been lost with its connection. */
  readonly repeatWindowMs: number;
  readonly now: () => number;
  /** True: stop the target. False: let it go on. */
  readonly onCongestion: (congested: boolean) => void;
}

interface Entry<Frame> {
  readonly frame: Frame;
  readonly bytes: number;
  readonly isResult: boolean;
  readonly writtenAt?: number;
}

/**
 * What a session has to say, in order, while its stream comes and goes. A frame waits here until a stream takes it. The
 * wire does not acknowledge, so results written shortly before a stream broke are written again on the next one; the
 * control plane ignores the result of an exchange that has ended. Nothing else is ever written twice.
 */
export class Outbox<Frame> {
  readonly #options: OutboxOptions;
  #waiting: Entry<Frame>[] = [];
  #waitingBytes = 0;
  #unconfirmed: Entry<Frame>[] = [];
  #unconfirmedBytes = 0;
  #sink: Sink<Frame> | undefined;
  #sinkIsReady = false;
  #congested = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  get isCongested(): boolean {
    return this.#congested;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** `isResult`: it ends an exchange, so it may be repeated on the next stream. */
  push(frame: Frame, bytes: number, isResult: boolean): void {
    this.#waiting.push({ frame, bytes, isResult });
    this.#waitingBytes += bytes;
    this.#flush();
  }

  connect(sink: Sink<Frame>): void {
    this.#sink = sink;
    this.#sinkIsReady = true;
    this.#flush();
  }

  /** The stream is gone: what may have been lost with it goes first on the next one. */
  disconnect(): void {
    this.#sink = undefined;
    this.#sinkIsReady = false;
    this.#forgetConfirmed();
    this.#waiting = [...this.#unconfirmed, ...this.#waiting];
    this.#waitingBytes += this.#unconfirmedBytes;
    this.#unconfirmed = [];
    this.#unconfirmedBytes = 0;
    this.#judgeCongestion();
  }

  /** The stream wants more. */
  ready(): void {
    this.#sinkIsReady = true;
    this.#flush();
  }

  #flush(): void {
    while (this.#sink && this.#sinkIsReady) {
      const entry = this.#waiting.shift();
      if (!entry) break;
      this.#waitingBytes -= entry.bytes;
      if (entry.isResult) this.#keepUnconfirmed(entry);
      this.#sinkIsReady = this.#sink(entry.frame, entry.bytes);
    }
    this.#forgetConfirmed();
    this.#judgeCongestion();
  }

  #keepUnconfirmed(entry: Entry<Frame>): void {
    this.#unconfirmed.push({ ...entry, writtenAt: this.#options.now() });
    this.#unconfirmedBytes += entry.bytes;
  }

  #forgetConfirmed(): void {
    const oldest = this.#options.now() - this.#options.repeatWindowMs;
    for (let first = this.#unconfirmed[0]; first; first = this.#unconfirmed[0]) {
      const fits = this.#unconfirmedBytes <= this.#options.highWaterBytes;
      if ((first.writtenAt ?? 0) >= oldest && fits) break;
      this.#unconfirmed.shift();
      this.#unconfirmedBytes -= first.bytes;
    }
  }

  #judgeCongestion(): void {
    const limit = this.#congested ? this.#options.highWaterBytes / 2 : this.#options.highWaterBytes;
    const congested = this.#waitingBytes > limit;
    if (congested === this.#congested) return;
    this.#congested = congested;
    this.#options.onCongestion(congested);
  }
}
