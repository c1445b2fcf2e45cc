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

interface Sized<Frame> {
  readonly frame: Frame;
  readonly bytes: number;
}

/** What has to be said when a frame may have been lost with the stream it was written to. */
export interface Repeat<Frame> extends Sized<Frame> {
  /** What has to be heard before the frame: it goes on the same stream, right before it. */
  readonly before?: readonly Sized<Frame>[];
}

export interface Entry<Frame> extends Repeat<Frame> {
  /** It ends an exchange: this is said on the next stream if the frame may have been lost, itself where that does no harm. */
  readonly ifLost?: Repeat<Frame>;
  /** Frames that are worth something only together, on one stream. */
  readonly train?: Train;
}

/** A run of frames of which the first may be on the wire while the last does not exist yet. */
export class Train {
  /** Frames of it that no stream has taken. */
  waiting = 0;
  /** A stream has taken some of it. */
  isUnderWay = false;
}

interface Unconfirmed<Frame> extends Repeat<Frame> {
  readonly writtenAt: number;
}

/**
 * What a session has to say, in order, while its stream comes and goes. A frame waits here until a stream takes it. The
 * wire does not acknowledge, so what ends an exchange and was written shortly before a stream broke is said again on the
 * next one; the control plane ignores the end of an exchange that has ended. Nothing else is ever written twice.
 */
export class Outbox<Frame> {
  readonly #options: OutboxOptions;
  #waiting: Entry<Frame>[] = [];
  #waitingBytes = 0;
  #unconfirmed: Unconfirmed<Frame>[] = [];
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

  push(entry: Entry<Frame>): void {
    this.#waiting.push(entry);
    this.#waitingBytes += sizeOf(entry);
    if (entry.train) entry.train.waiting += 1;
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
    this.#waiting = [...this.#unconfirmed.map(again), ...this.#waiting];
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

  /** Forgets what waits of a train that will not be completed. */
  derail(train: Train): void {
    const kept = this.#waiting.filter((entry) => entry.train !== train);
    this.#waitingBytes = kept.reduce((sum, entry) => sum + sizeOf(entry), 0);
    this.#waiting = kept;
    train.waiting = 0;
    this.#judgeCongestion();
  }

  #flush(): void {
    while (this.#sink && this.#sinkIsReady) {
      const sink = this.#sink;
      const entry = this.#waiting.shift();
      if (!entry) break;
      this.#waitingBytes -= sizeOf(entry);
      if (entry.train) depart(entry.train);
      if (entry.ifLost) this.#keepUnconfirmed(entry.ifLost);
      for (const { frame, bytes } of entry.before ?? []) sink(frame, bytes);
      this.#sinkIsReady = sink(entry.frame, entry.bytes);
    }
    this.#forgetConfirmed();
    this.#judgeCongestion();
  }

  #keepUnconfirmed(repeat: Repeat<Frame>): void {
    this.#unconfirmed.push({ ...repeat, writtenAt: this.#options.now() });
    this.#unconfirmedBytes += sizeOf(repeat);
  }

  #forgetConfirmed(): void {
    const oldest = this.#options.now() - this.#options.repeatWindowMs;
    for (let first = this.#unconfirmed[0]; first; first = this.#unconfirmed[0]) {
      const fits = this.#unconfirmedBytes <= this.#options.highWaterBytes;
      if (first.writtenAt >= oldest && fits) break;
      this.#unconfirmed.shift();
      this.#unconfirmedBytes -= sizeOf(first);
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

function again<Frame>({ frame, bytes, before = [] }: Repeat<Frame>): Entry<Frame> {
  const repeat = { frame, bytes, before };
  return { ...repeat, ifLost: repeat };
}

function sizeOf<Frame>({ bytes, before = [] }: Repeat<Frame>): number {
  return before.reduce((sum, each) => sum + each.bytes, bytes);
}

function depart(train: Train): void {
  train.isUnderWay = true;
  train.waiting -= 1;
}
