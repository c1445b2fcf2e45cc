import { Buffer } from "node:buffer";
import { GrowingBuffer } from "./growing-buffer.js";

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const COLON = 0x3a;
const SPACE = 0x20;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const LINE_BREAK = Buffer.from("\n");
const EMPTY = Buffer.alloc(0);
const DATA = Buffer.from("data");
const EVENT = Buffer.from("event");
const ID = Buffer.from("id");
const RETRY = Buffer.from("retry");

export interface SseEvent {
  /** `message` unless the stream says otherwise. */
  readonly event: string;
  /** The bytes as sent, lines joined by `\n`: whether they are UTF-8 is for the reader of the data to check. */
  readonly data: Uint8Array;
  /** Only when this event has one. See SseParser.lastEventId for the one to resume from. */
  readonly id: string | undefined;
  /** Milliseconds. */
  readonly retry: number | undefined;
}

/** An event or a line of the stream is longer than allowed. The parser stays refused. */
export class SseEventTooLargeError extends Error {
  override readonly name = "SseEventTooLargeError";
  /** The events of the same chunk that were complete before it. */
  readonly completeEvents: readonly SseEvent[];

  constructor(maxBytes: number, completeEvents: readonly SseEvent[]) {
    super(`server-sent event too large: the limit is ${maxBytes} bytes`);
    this.completeEvents = completeEvents;
  }
}

/**
 * Reads an event stream (WHATWG HTML §9.2.6) in chunks that may be split anywhere. Lines end in `\n`, `\r\n` or `\r`.
 * As the standard has it, an event without a data field is none, though its id and retry count.
 */
export class SseParser {
  readonly #maxBytes: number;
  readonly #line = new GrowingBuffer();
  #block = new EventBlock();
  #afterReturn = false;
  #firstLine = true;
  #refused = false;
  #lastEventId: string | undefined;
  #retry: number | undefined;

  /** `maxBytes`: the largest event, all its lines together without their ends. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The id to send as Last-Event-ID when resuming. */
  get lastEventId(): string | undefined {
    return this.#lastEventId;
  }

  /** How many milliseconds the server asks to wait before reconnecting. */
  get retry(): number | undefined {
    return this.#retry;
  }

  /** The events this chunk completes. Throws SseEventTooLargeError. */
  push(chunk: Uint8Array): SseEvent[] {
    const events: SseEvent[] = [];
    if (this.#refused) throw new SseEventTooLargeError(this.#maxBytes, events);
    let start = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i];
      if (byte !== NEWLINE && byte !== RETURN) {
        this.#afterReturn = false;
        continue;
      }
      if (!this.#secondHalfOfEnd(byte)) this.#endLine(chunk.subarray(start, i), events);
      start = i + 1;
    }
    if (start < chunk.length) this.#collect(chunk.subarray(start), events);
    return events;
  }

  /** The newline of a `\r\n` whose return has ended the line already. */
  #secondHalfOfEnd(byte: number): boolean {
    const second = this.#afterReturn && byte === NEWLINE;
    this.#afterReturn = byte === RETURN;
    return second;
  }

  #endLine(rest: Uint8Array, events: SseEvent[]): void {
    let line = this.#wholeLine(rest, events);
    if (this.#firstLine && BYTE_ORDER_MARK.equals(line.subarray(0, 3))) line = line.subarray(3);
    this.#firstLine = false;
    if (line.length > 0) this.#block.add(line);
    else if (this.#block.bytes > 0) this.#endBlock(events);
  }

  #wholeLine(rest: Uint8Array, events: readonly SseEvent[]): Uint8Array {
    if (this.#line.length === 0) {
      this.#checkSize(rest, events);
      return rest;
    }
    this.#collect(rest, events);
    return this.#line.take();
  }

  #endBlock(events: SseEvent[]): void {
    const block = this.#block;
    this.#block = new EventBlock();
    this.#lastEventId = block.id ?? this.#lastEventId;
    this.#retry = block.retry ?? this.#retry;
    const event = block.event();
    if (event !== undefined) events.push(event);
  }

  #collect(bytes: Uint8Array, events: readonly SseEvent[]): void {
    this.#checkSize(bytes, events);
    this.#line.append(bytes);
  }

  #checkSize(more: Uint8Array, events: readonly SseEvent[]): void {
    if (this.#block.bytes + this.#line.length + more.length <= this.#maxBytes) return;
    this.#refused = true;
    throw new SseEventTooLargeError(this.#maxBytes, events);
  }
}

/** The lines up to the next empty one. */
class EventBlock {
  id: string | undefined;
  retry: number | undefined;
  /** How long its lines are so far. */
  bytes = 0;
  readonly #data = new GrowingBuffer();
  #hasData = false;
  #name = "";

  add(line: Uint8Array): void {
    this.bytes += line.length;
    const colon = line.indexOf(COLON);
    if (colon === -1) this.#setField(line, EMPTY);
    else
      this.#setField(
        line.subarray(0, colon),
        line.subarray(line[colon + 1] === SPACE ? colon + 2 : colon + 1),
      );
  }

  event(): SseEvent | undefined {
    if (!this.#hasData) return undefined;
    return {
      event: this.#name === "" ? "message" : this.#name,
      data: this.#data.take(),
      id: this.id,
      retry: this.retry,
    };
  }

  #setField(field: Uint8Array, value: Uint8Array): void {
    if (DATA.equals(field)) {
      if (this.#hasData) this.#data.append(LINE_BREAK);
      this.#data.append(value);
      this.#hasData = true;
    } else if (EVENT.equals(field)) {
      this.#name = utf8(value);
    } else if (ID.equals(field)) {
      if (!value.includes(0)) this.id = utf8(value);
    } else if (RETRY.equals(field)) {
      const digits = utf8(value);
      if (/^[0-9]{1,15}$/.test(digits)) this.retry = Number(digits);
    }
  }
}

function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("utf8");
}
