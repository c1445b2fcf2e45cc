import { type Frame, MalformedMessageError, parseBody } from "@drawbridge/mcp";
import type { LargeMessageSink } from "./target.js";

/** Who gets the messages of one server. */
export interface MessageReceiver {
  message(payload: Uint8Array): void;
  large(): LargeMessageSink;
  rubbish(reason: string): void;
}

const NOTHING: LargeMessageSink = { push: () => undefined, end: () => undefined, abort: () => undefined };

/** Makes messages of frames: whole ones as they are, larger ones through a sink. */
export class MessageFrames {
  readonly #receiver: MessageReceiver;
  /** Of the large message under way, from its first part on. */
  #sink: LargeMessageSink | undefined;
  #isLarge = false;

  constructor(receiver: MessageReceiver) {
    this.#receiver = receiver;
  }

  /** In the middle of a large message. */
  get isLarge(): boolean {
    return this.#isLarge;
  }

  take(frame: Frame): void {
    switch (frame.kind) {
      case "whole":
        this.#receiver.message(frame.bytes);
        return;
      case "begin":
        this.#isLarge = true;
        return;
      case "part":
        this.#sink ??= this.#sinkFor(frame.bytes);
        this.#sink.push(frame.bytes);
        return;
      case "end":
        this.#sink?.end();
        this.#finish();
        return;
      default:
        frame satisfies never;
    }
  }

  /** The rest of what is under way will not come. */
  abort(reason: string): void {
    this.#sink?.abort(reason);
    this.#finish();
  }

  #finish(): void {
    this.#sink = undefined;
    this.#isLarge = false;
  }

  #sinkFor(part: Uint8Array): LargeMessageSink {
    const first = firstVisible(part);
    if (first === OPEN_BRACE) return this.#receiver.large();
    const what = first === OPEN_BRACKET ? "a batch" : "text that is no message";
    this.#receiver.rubbish(`the target sent ${what} and far too much of it`);
    return NOTHING;
  }
}

/** A server of 2025-03-26 may put several messages into one array: each goes on by itself. */
export function splittingBatches(receiver: MessageReceiver): MessageReceiver {
  return {
    ...receiver,
    message: (payload) => {
      if (firstVisible(payload) === OPEN_BRACKET) splitBatch(payload, receiver);
      else receiver.message(payload);
    },
  };
}

function splitBatch(payload: Uint8Array, receiver: MessageReceiver): void {
  try {
    for (const message of parseBody(payload).messages) {
      if (message instanceof MalformedMessageError) receiver.rubbish(message.message);
      else receiver.message(message.bytes);
    }
  } catch (error) {
    receiver.rubbish(error instanceof MalformedMessageError ? error.message : "it could not be read");
  }
}

const RETURN = 0x0d;
const NEWLINE = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;
export const OPEN_BRACE = 0x7b;
export const OPEN_BRACKET = 0x5b;

/** The first byte that is not JSON's white space. */
export function firstVisible(bytes: Uint8Array): number | undefined {
  return bytes.find((byte) => byte !== SPACE && byte !== TAB && byte !== RETURN && byte !== NEWLINE);
}
