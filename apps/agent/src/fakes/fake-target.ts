import type { JsonRpcId } from "@drawbridge/mcp";
import type { OutgoingMessage, Target, TargetListener } from "../targets/target.js";

/** A target in the hands of the test, which speaks for it through the listener. */
export class FakeTarget implements Target {
  readonly listener: TargetListener;
  readonly sent: OutgoingMessage[] = [];
  readonly cancelled: number[] = [];
  isPaused = false;
  isClosed = false;

  constructor(listener: TargetListener) {
    this.listener = listener;
  }

  /** The ids it was sent, as JSON text. */
  get sentIds(): (string | undefined)[] {
    return this.sent.map(({ parsed }) => ("id" in parsed ? (parsed.id as JsonRpcId).text : undefined));
  }

  /** Speaks in pieces, and only while it is not paused; resolves when all of it was taken. */
  async sayLarge(pieces: Iterable<Uint8Array>, exchange?: number): Promise<void> {
    const sink = this.listener.large(exchange);
    for (const piece of pieces) {
      while (this.isPaused) await new Promise((resolve) => setImmediate(resolve));
      sink.push(piece);
    }
    sink.end();
  }

  send(message: OutgoingMessage): void {
    this.sent.push(message);
  }

  cancel(exchange: number): void {
    this.cancelled.push(exchange);
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}
