import type { GatewayError } from "../gateway-error.js";
import type { LargeMessage } from "./large-message.js";
import type { ExchangeReply, Reply } from "./reply.js";

// From then on what is answered is not kept waiting for what is not.
const STREAM_AFTER_MS = 1_000;
// What is held for one array.
const MAX_HELD_BYTES = 1024 * 1024;

const COMMA = Buffer.from(",");

/**
 * The answer to a batch: one array when all of it is there soon and small, else an event stream with an event for each
 * message, as they come. Its events have no ids: a stream of many exchanges cannot be taken up again.
 */
export class BatchReply {
  private readonly held: Uint8Array[] = [];
  private heldBytes = 0;
  private isStream = false;
  private refusal: GatewayError | undefined;
  private readonly timer: NodeJS.Timeout;
  private isLate = false;

  constructor(
    private readonly reply: Reply,
    private pending: number,
  ) {
    this.timer = setTimeout(() => this.hurry(), STREAM_AFTER_MS);
  }

  get open(): boolean {
    return this.reply.open;
  }

  whenClosed(closed: () => void): void {
    this.reply.whenClosed(closed);
  }

  /** Where one message of the batch is answered. */
  element(): BatchedReply {
    return new BatchedReply(this);
  }

  async push(message: Uint8Array): Promise<void> {
    await this.stream();
    await this.reply.push(message);
  }

  async answer(message: Uint8Array): Promise<void> {
    this.held.push(message);
    this.heldBytes += message.length;
    if (this.isStream || this.isLate || this.heldBytes > MAX_HELD_BYTES) await this.stream();
    await this.settle();
  }

  async answerLarge(message: LargeMessage): Promise<void> {
    await this.stream();
    try {
      await this.reply.pushLarge(message);
    } finally {
      await this.settle();
    }
  }

  /** One message less to answer. `refusal`: why something that has no answer was not accepted. */
  async settle(refusal?: GatewayError): Promise<void> {
    this.refusal ??= refusal;
    this.pending -= 1;
    if (this.pending > 0) return;
    clearTimeout(this.timer);
    if (this.isStream) this.reply.abandon();
    else if (this.held.length > 0) await this.reply.finish(arrayOf(this.held));
    else if (this.refusal) {
      const { status, headers } = this.refusal;
      await this.reply.refuse(status, this.refusal.body(null), headers);
    } else this.reply.finishEmpty(202);
  }

  private hurry(): void {
    this.isLate = true;
    if (this.held.length > 0) void this.stream();
  }

  private async stream(): Promise<void> {
    this.isStream = true;
    // All of it at once: it is held anyway, and what comes last ends the stream.
    await Promise.all(this.held.splice(0).map((message) => this.reply.push(message)));
  }
}

/** The answer to one message of a batch. */
export class BatchedReply implements ExchangeReply {
  readonly resumable = false;
  private done = false;

  constructor(private readonly batch: BatchReply) {}

  get open(): boolean {
    return !this.done && this.batch.open;
  }

  whenClosed(closed: () => void): void {
    this.batch.whenClosed(closed);
  }

  begin(): void {}

  async push(message: Uint8Array): Promise<void> {
    if (this.open) await this.batch.push(message);
  }

  async finish(message: Uint8Array): Promise<void> {
    if (this.isOver()) return;
    await this.batch.answer(message);
  }

  async finishLarge(message: LargeMessage): Promise<void> {
    if (this.isOver()) return;
    await this.batch.answerLarge(message);
  }

  /** There is no answer to what is no request. */
  async refuse(refusal: GatewayError): Promise<void> {
    if (this.isOver()) return;
    await this.batch.settle(refusal);
  }

  finishEmpty(): void {
    this.abandon();
  }

  abandon(): void {
    if (!this.isOver()) void this.batch.settle();
  }

  forgetSession(): void {}

  /** Also that from here on it is. */
  private isOver(): boolean {
    if (this.done) return true;
    this.done = true;
    return false;
  }
}

function arrayOf(messages: readonly Uint8Array[]): Uint8Array {
  const parts = messages.flatMap((message, index) => (index === 0 ? [message] : [COMMA, message]));
  return Buffer.concat([Buffer.from("["), ...parts, Buffer.from("]")]);
}
