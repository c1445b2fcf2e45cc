import { eventId, type EventStream } from "./event-stream.js";
import type { LargeMessage } from "./large-message.js";
import type { ExchangeReply } from "./reply.js";

/** A message of an exchange as it is read from the recording. */
export interface Replayed {
  readonly index: number;
  readonly message: Uint8Array | LargeMessage;
  /** Nothing follows it. */
  readonly isLast: boolean;
}

/**
 * The stream of an exchange for a client that has come back. First it is read what it missed; what is said meanwhile
 * waits, and is left out when the reading has brought it already. So each message comes once, in order.
 */
export class ResumedReply implements ExchangeReply {
  readonly resumable = true;
  private readonly caughtUp = Promise.withResolvers<void>();
  private done = false;

  constructor(
    private readonly stream: EventStream,
    private readonly exchange: number,
    private last: number,
  ) {}

  get open(): boolean {
    return !this.done && this.stream.open;
  }

  /** The last index that the client has. */
  get position(): number {
    return this.last;
  }

  whenClosed(closed: () => void): void {
    this.stream.whenClosed(closed);
  }

  begin(): void {}

  /** Reads out what was missed. True when the end was among it: the stream has ended then. */
  async replay(missed: AsyncIterable<Replayed>): Promise<boolean> {
    for await (const { index, message, isLast } of missed) {
      if (!this.open) return false;
      const id = eventId(this.exchange, index);
      this.last = index;
      if (message instanceof Uint8Array) await this.stream.send(message, id);
      else await this.stream.sendLarge(message, id);
      if (!isLast) continue;
      this.abandon();
      return true;
    }
    return false;
  }

  /** From here on the client is told what happens when it happens. */
  goOn(): void {
    this.caughtUp.resolve();
  }

  async push(message: Uint8Array, index?: number): Promise<void> {
    await this.caughtUp.promise;
    if (this.open && this.isNew(index)) await this.stream.send(message, this.idOf(index));
  }

  async finish(message: Uint8Array, _status?: number, index?: number): Promise<void> {
    await this.caughtUp.promise;
    if (!this.open) return;
    this.done = true;
    if (this.isNew(index)) await this.stream.send(message, this.idOf(index));
    this.stream.end();
  }

  async finishLarge(message: LargeMessage, index?: number): Promise<void> {
    await this.caughtUp.promise;
    if (!this.open) return;
    this.done = true;
    if (this.isNew(index)) await this.stream.sendLarge(message, this.idOf(index));
    this.stream.end();
  }

  finishEmpty(): void {
    this.abandon();
  }

  abandon(): void {
    this.done = true;
    this.stream.end();
    this.caughtUp.resolve();
  }

  /** Its client has another stream: whatever it has not read of this one it is read there. */
  replace(): void {
    this.done = true;
    this.stream.cut();
    this.caughtUp.resolve();
  }

  forgetSession(): void {}

  private isNew(index: number | undefined): boolean {
    return index === undefined || index > this.last;
  }

  private idOf(index: number | undefined): string | undefined {
    return index === undefined ? undefined : eventId(this.exchange, index);
  }
}
