import { Buffer } from "node:buffer";
import { type Frame, FrameTooLargeError } from "./frame.js";
import { GrowingBuffer } from "./growing-buffer.js";
import { SseLines, type SseLineSink } from "./sse-lines.js";

const LINE_BREAK = Buffer.from("\n");
const MESSAGE = "message";

/**
 * Reads an event stream (WHATWG HTML §9.2.6) in chunks that may be split anywhere. Lines end in `\n`, `\r\n` or `\r`; data
 * lines are joined by `\n`. As the standard has it, an event without a data field is none, though its id and retry count.
 * Large is only what is an event of type `message`: whatever else is longer than allowed throws FrameTooLargeError.
 */
export class SseFramer {
  readonly #wholeBytes: number;
  readonly #lines: SseLines;
  readonly #data = new GrowingBuffer();
  #frames: Frame[] = [];
  #refused: string | undefined;
  #hasData = false;
  #isLarge = false;
  #event = "";
  #id: string | undefined;
  #nextRetry: number | undefined;
  #lastEventId: string | undefined;
  #retry: number | undefined;

  /** `wholeBytes`: the longest data that comes whole, and the longest of an event that is no message. */
  constructor(wholeBytes: number) {
    this.#wholeBytes = wholeBytes;
    const sink: SseLineSink = {
      data: (bytes) => this.#addData(bytes),
      dataLine: () => this.#beginDataLine(),
      field: (name, value) => this.#setField(name, value),
      endOfEvent: () => this.#endEvent(),
      tooLong: (message) => this.#refuse(message),
    };
    this.#lines = new SseLines(sink);
  }

  /** The id to send as Last-Event-ID when resuming. */
  get lastEventId(): string | undefined {
    return this.#lastEventId;
  }

  /** How many milliseconds the server asks to wait before reconnecting. */
  get retry(): number | undefined {
    return this.#retry;
  }

  push(chunk: Uint8Array): Frame[] {
    if (this.#refused !== undefined) throw new FrameTooLargeError(this.#refused, []);
    this.#frames = [];
    this.#lines.push(chunk);
    return this.#frames;
  }

  #beginDataLine(): void {
    if (this.#hasData) this.#addData(LINE_BREAK);
    this.#hasData = true;
  }

  #addData(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (this.#isLarge) {
      this.#frames.push({ kind: "part", bytes });
    } else if (this.#data.length + bytes.length <= this.#wholeBytes) {
      this.#data.append(bytes);
    } else {
      this.#beginLarge(bytes);
    }
  }

  #beginLarge(bytes: Uint8Array): void {
    if (this.#type() !== MESSAGE)
      this.#refuse(`server-sent event too large: the limit is ${this.#wholeBytes} bytes`);
    this.#isLarge = true;
    this.#frames.push({ kind: "begin" });
    if (this.#data.length > 0) this.#frames.push({ kind: "part", bytes: this.#data.take() });
    this.#frames.push({ kind: "part", bytes });
  }

  #setField(name: "event" | "id" | "retry", value: string): void {
    if (name === "event") {
      this.#event = value;
      // Too late: what has been given out as a message is none.
      if (this.#isLarge && this.#type() !== MESSAGE)
        this.#refuse("server-sent event too large: it is no message");
    } else if (name === "id") {
      if (!value.includes("\0")) this.#id = value;
    } else if (/^[0-9]{1,15}$/.test(value)) {
      this.#nextRetry = Number(value);
    }
  }

  #endEvent(): void {
    this.#lastEventId = this.#id ?? this.#lastEventId;
    this.#retry = this.#nextRetry ?? this.#retry;
    if (this.#isLarge) this.#frames.push({ kind: "end" });
    else if (this.#hasData) this.#frames.push(this.#whole());
    this.#hasData = false;
    this.#isLarge = false;
    this.#event = "";
    this.#id = undefined;
    this.#nextRetry = undefined;
  }

  #whole(): Frame {
    const bytes = this.#data.take();
    const event = this.#type();
    return { kind: "whole", bytes, event, ...(this.#id !== undefined && { id: this.#id }) };
  }

  #type(): string {
    return this.#event === "" ? MESSAGE : this.#event;
  }

  #refuse(message: string): never {
    this.#refused = message;
    throw new FrameTooLargeError(message, this.#frames);
  }
}
