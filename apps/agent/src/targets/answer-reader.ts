import {
  type Frame,
  FrameTooLargeError,
  HttpHeader,
  isEventStreamContentType,
  isJsonContentType,
  type McpRequest,
  SseFramer,
} from "@drawbridge/mcp";
import { ExchangeFailure } from "@drawbridge/protocol";
import type { HttpAnswer } from "./http-client.js";
import { errorOfStatus, errorResponseTo } from "./http-failures.js";
import { MessageFrames, type MessageReceiver, splittingBatches } from "./message-frames.js";
import type { TargetListener } from "./target.js";

/** A server should end a stream with the response; one that does not would use up its connections. */
const STREAM_GRACE_MS = 1_000;

/** Where to go on with an event stream that ended. */
export interface StreamPosition {
  readonly lastEventId: string | undefined;
  readonly retry: number | undefined;
}

export interface AnswerReaderOptions {
  readonly listener: TargetListener;
  /** Longest message that is kept whole. */
  readonly wholeMessageBytes: number;
  readonly splitsBatches: boolean;
}

/** Reads the messages that come as HTTP answers, and hands them to the listener with the exchange they came for. */
export class AnswerReader {
  readonly #options: AnswerReaderOptions;
  readonly #listener: TargetListener;

  constructor(options: AnswerReaderOptions) {
    this.#options = options;
    this.#listener = options.listener;
  }

  /** A body that is the answer. */
  async readResponse(answer: HttpAnswer, exchange: number): Promise<void> {
    const frames = this.#framesFor(exchange);
    try {
      await answer.readMessage(this.#options.wholeMessageBytes, (frame) =>
        this.#take(frames, frame, exchange),
      );
    } finally {
      frames.abort("the target's answer broke off");
    }
    // Had it been the response, the exchange would be over now; telling an ended exchange that it failed is nothing.
    this.#listener.exchangeFailed(
      exchange,
      ExchangeFailure.BAD_TARGET,
      "the target did not answer with the call's response",
    );
  }

  /** Every message of an event stream, as it comes, until the stream ends. */
  async readEvents(answer: HttpAnswer, exchange: number): Promise<StreamPosition> {
    const framer = new SseFramer(this.#options.wholeMessageBytes);
    const frames = this.#framesFor(exchange);
    let tooLate: NodeJS.Timeout | undefined;
    try {
      for await (const chunk of answer.chunks()) {
        for (const frame of framesOf(framer, chunk)) {
          if (!this.#take(frames, frame, exchange)) return framer;
        }
        if (exchange !== 0 && !this.#listener.isWaiting(exchange))
          tooLate ??= setTimeout(() => answer.abort(), STREAM_GRACE_MS);
      }
    } finally {
      clearTimeout(tooLate);
      frames.abort("the target's answer broke off");
    }
    return framer;
  }

  /** An answer that is neither: its error, where it is one of JSON-RPC, is the response. Throws ExchangeError otherwise. */
  async readFailure(answer: HttpAnswer, exchange: number, request: McpRequest): Promise<void> {
    if (answer.status < 400 || !isJson(answer)) {
      await answer.discard();
      throw errorOfStatus(answer.status);
    }
    const error = errorResponseTo(request, await answer.readWhole(this.#options.wholeMessageBytes));
    if (error) this.#listener.message(error, exchange);
    if (this.#listener.isWaiting(exchange)) throw errorOfStatus(answer.status);
  }

  /** False when nobody wants the rest: a large message whose exchange is over. */
  #take(frames: MessageFrames, frame: Frame, exchange: number): boolean {
    if (frame.kind !== "whole" || isMessage(frame)) frames.take(frame);
    return !frames.isLarge || exchange === 0 || this.#listener.isWaiting(exchange);
  }

  #framesFor(exchange: number): MessageFrames {
    const receiver: MessageReceiver = {
      message: (payload) => this.#listener.message(payload, exchange),
      large: () => this.#listener.large(exchange),
      rubbish: (reason) => this.#listener.rubbish(reason, exchange),
    };
    return new MessageFrames(this.#options.splitsBatches ? splittingBatches(receiver) : receiver);
  }
}

/** What came before an event that is too large still counts. */
function* framesOf(framer: SseFramer, chunk: Uint8Array): Generator<Frame> {
  try {
    yield* framer.push(chunk);
  } catch (error) {
    if (error instanceof FrameTooLargeError) yield* error.completeFrames;
    throw error;
  }
}

/** Of an event stream, events of type message; a priming event has no data. */
function isMessage(frame: Extract<Frame, { kind: "whole" }>): boolean {
  return frame.event === undefined || (frame.event === "message" && frame.bytes.length > 0);
}

export function isEventStream(answer: HttpAnswer): boolean {
  return answer.status === 200 && isEventStreamContentType(answer.header(HttpHeader.contentType));
}

export function isJson(answer: HttpAnswer): boolean {
  return isJsonContentType(answer.header(HttpHeader.contentType));
}
