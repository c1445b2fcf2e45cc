import type { JsonRpcId } from "@drawbridge/mcp";
import { encodeMessage, resultMessage } from "@drawbridge/testing";
import { isOwnExchange } from "../sessions/own-request.js";
import type { OutgoingMessage, Target, TargetListener } from "../targets/target.js";

/** A target in the hands of the test, which speaks for it through the listener. */
export class FakeTarget implements Target {
  readonly listener: TargetListener;
  /** Messages of the client. */
  readonly sent: OutgoingMessage[] = [];
  /** Requests of the agent's own. */
  readonly asked: OutgoingMessage[] = [];
  /** What the agent is answered at once when it asks for the tools; undefined: it waits. */
  tools: readonly object[] | undefined = [];
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

  /** The id of what the agent asked last, as JSON text. */
  get askedId(): string {
    const asked = this.asked.at(-1);
    if (asked?.parsed.kind !== "request") throw new Error("the agent has asked nothing");
    return asked.parsed.id.text;
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
    if (!isOwnExchange(message.exchange)) {
      this.sent.push(message);
      return;
    }
    this.asked.push(message);
    if (this.tools) this.answerAsked({ tools: this.tools });
  }

  /** Answers what the agent asked last. */
  answerAsked(result: object): void {
    const id = JSON.parse(this.askedId) as string;
    this.listener.message(encodeMessage(resultMessage(id, { ...result })), this.asked.at(-1)?.exchange);
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
