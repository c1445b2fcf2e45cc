import { Buffer } from "node:buffer";
import { GrowingBuffer } from "./growing-buffer.js";

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const COLON = 0x3a;
const SPACE = 0x20;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const EMPTY = Buffer.alloc(0);
/** Of the names that count. */
const LONGEST_NAME = "event".length;
/** Longest value of event, id and retry, in bytes. */
const MAX_VALUE_BYTES = 8192;

export interface SseLineSink {
  /** A data line begins; its value follows in pieces. */
  dataLine(): void;
  data(bytes: Uint8Array): void;
  field(name: "event" | "id" | "retry", value: string): void;
  endOfEvent(): void;
  tooLong(message: string): never;
}

type Field = "data" | "event" | "id" | "retry";
const FIELDS: ReadonlySet<string> = new Set<Field>(["data", "event", "id", "retry"]);

/** The lines of an event stream, read without keeping more of them than the value of a short field. */
export class SseLines {
  readonly #sink: SseLineSink;
  /** The name while it is not known yet, then the value of event, id or retry. */
  readonly #collected = new GrowingBuffer();
  #place: "name" | "blank" | "value" | "ignored" = "name";
  #field: Field = "data";
  #isEmpty = true;
  #isFirst = true;
  #afterReturn = false;

  constructor(sink: SseLineSink) {
    this.#sink = sink;
  }

  push(chunk: Uint8Array): void {
    let start = 0;
    let newline = chunk.indexOf(NEWLINE);
    let carriageReturn = chunk.indexOf(RETURN);
    while (newline !== -1 || carriageReturn !== -1) {
      const end =
        newline === -1 || (carriageReturn !== -1 && carriageReturn < newline) ? carriageReturn : newline;
      this.#read(chunk.subarray(start, end));
      this.#end(chunk[end] === RETURN);
      start = end + 1;
      if (newline === end) newline = chunk.indexOf(NEWLINE, start);
      if (carriageReturn === end) carriageReturn = chunk.indexOf(RETURN, start);
    }
    this.#read(chunk.subarray(start));
  }

  #read(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#afterReturn = false;
    this.#isEmpty = false;
    let rest = bytes;
    if (this.#place === "name") rest = this.#readName(rest);
    if (this.#place === "blank") rest = this.#skipBlank(rest);
    if (this.#place === "value") this.#readValue(rest);
  }

  /** What is left after the colon, if that has come. */
  #readName(bytes: Uint8Array): Uint8Array {
    const longest = LONGEST_NAME + (this.#isFirst ? BYTE_ORDER_MARK.length : 0);
    for (let i = 0; i < bytes.length; i++) {
      if (bytes[i] === COLON) {
        this.#collected.append(bytes.subarray(0, i));
        this.#beginValue();
        return bytes.subarray(i + 1);
      }
      if (this.#collected.length + i >= longest) {
        this.#collected.clear();
        this.#place = "ignored";
        return EMPTY;
      }
    }
    this.#collected.append(bytes);
    return EMPTY;
  }

  #beginValue(): void {
    const name = this.#takeName();
    this.#place = isField(name) ? "blank" : "ignored";
    if (!isField(name)) return;
    this.#field = name;
    if (name === "data") this.#sink.dataLine();
  }

  #takeName(): string {
    const name = Buffer.from(this.#collected.peek());
    this.#collected.clear();
    const hasMark = this.#isFirst && BYTE_ORDER_MARK.equals(name.subarray(0, BYTE_ORDER_MARK.length));
    return name.toString("latin1", hasMark ? BYTE_ORDER_MARK.length : 0);
  }

  #skipBlank(bytes: Uint8Array): Uint8Array {
    if (bytes.length === 0) return bytes;
    this.#place = "value";
    return bytes[0] === SPACE ? bytes.subarray(1) : bytes;
  }

  #readValue(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (this.#field === "data") {
      this.#sink.data(bytes);
    } else if (this.#collected.length + bytes.length > MAX_VALUE_BYTES) {
      this.#sink.tooLong(`field ${this.#field} of an event too long: the limit is ${MAX_VALUE_BYTES} bytes`);
    } else {
      this.#collected.append(bytes);
    }
  }

  #end(isReturn: boolean): void {
    const isSecondHalf = this.#afterReturn && !isReturn;
    this.#afterReturn = isReturn;
    if (isSecondHalf) return;
    const isEmpty = this.#endLine();
    this.#place = "name";
    this.#isEmpty = true;
    this.#isFirst = false;
    if (isEmpty) this.#sink.endOfEvent();
  }

  /** Whether it was an empty line. A line without a colon is a field with an empty value. */
  #endLine(): boolean {
    if (this.#place === "name") {
      if (this.#isEmpty) return true;
      const hasOnlyMark = this.#isFirst && BYTE_ORDER_MARK.equals(this.#collected.peek());
      this.#beginValue();
      if (hasOnlyMark) return true;
    }
    if (this.#place !== "ignored" && this.#field !== "data") {
      this.#sink.field(this.#field, Buffer.from(this.#collected.peek()).toString("utf8"));
      this.#collected.clear();
    }
    return false;
  }
}

function isField(name: string): name is Field {
  return FIELDS.has(name);
}
