import type { OutgoingMessage } from "../targets/target.js";

const MAX_MESSAGES = 100;

/** Messages of the client that wait for something, in order, so many and no more. */
export class HeldMessages<Message extends OutgoingMessage> {
  readonly #maxBytes: number;
  #messages: Message[] = [];
  #bytes = 0;

  /** One message may be longer than `maxBytes`. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get isEmpty(): boolean {
    return this.#messages.length === 0;
  }

  /** False: too much waits already; the message was not taken. */
  push(message: Message): boolean {
    const bytes = this.#bytes + message.parsed.bytes.length;
    if (!this.isEmpty && bytes > this.#maxBytes) return false;
    if (this.#messages.length >= MAX_MESSAGES) return false;
    this.#messages.push(message);
    this.#bytes = bytes;
    return true;
  }

  /** True when the request of this exchange was here. */
  remove(exchange: number): boolean {
    const index = this.#messages.findIndex((message) => message.exchange === exchange);
    if (index < 0) return false;
    for (const { parsed } of this.#messages.splice(index, 1)) this.#bytes -= parsed.bytes.length;
    return true;
  }

  takeAll(): Message[] {
    return this.takeWhile(() => true);
  }

  /** The first ones, up to one that is not wanted. */
  takeWhile(isWanted: (message: Message) => boolean): Message[] {
    const end = this.#messages.findIndex((message) => !isWanted(message));
    const taken = this.#messages.splice(0, end < 0 ? this.#messages.length : end);
    for (const { parsed } of taken) this.#bytes -= parsed.bytes.length;
    return taken;
  }
}
