import { Buffer } from "node:buffer";
import type { Frame } from "./frame.js";
import { GrowingBuffer } from "./growing-buffer.js";

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const ONE_RETURN = Buffer.from("\r");

/**
 * Splits a byte stream into lines, as MCP frames messages over stdio. Ends are `\n` or `\r\n` and are not part of a line;
 * empty lines come out too, whole, with no bytes. A line that lies within one chunk is a view of it.
 */
export class LineFramer {
  readonly #wholeBytes: number;
  readonly #pending = new GrowingBuffer();
  #isLarge = false;
  /** Of a large line: a return that may be half of its end. */
  #heldReturn = false;

  /** `wholeBytes`: the longest line that comes whole, without its end. */
  constructor(wholeBytes: number) {
    this.#wholeBytes = wholeBytes;
  }

  push(chunk: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      this.#endLine(chunk.subarray(start, end), frames);
      start = end + 1;
    }
    if (start < chunk.length) this.#add(chunk.subarray(start), frames);
    return frames;
  }

  #endLine(rest: Uint8Array, frames: Frame[]): void {
    if (!this.#isLarge && this.#pending.length === 0 && this.#fits(rest)) {
      frames.push({ kind: "whole", bytes: withoutReturn(rest) });
      return;
    }
    this.#add(rest, frames);
    if (this.#isLarge) frames.push({ kind: "end" });
    else frames.push({ kind: "whole", bytes: withoutReturn(this.#pending.take()) });
    this.#isLarge = false;
    this.#heldReturn = false;
  }

  #add(bytes: Uint8Array, frames: Frame[]): void {
    if (this.#isLarge) {
      this.#addToLarge(bytes, frames);
      return;
    }
    this.#pending.append(bytes);
    if (this.#pending.length <= this.#wholeBytes) return;
    // One byte more may be the return of an end that is still to come.
    if (this.#pending.length === this.#wholeBytes + 1 && this.#pending.last() === RETURN) return;
    this.#isLarge = true;
    frames.push({ kind: "begin" });
    this.#addToLarge(this.#pending.take(), frames);
  }

  #addToLarge(bytes: Uint8Array, frames: Frame[]): void {
    if (bytes.length === 0) return;
    if (this.#heldReturn) frames.push({ kind: "part", bytes: ONE_RETURN });
    this.#heldReturn = bytes.at(-1) === RETURN;
    const part = withoutReturn(bytes);
    if (part.length > 0) frames.push({ kind: "part", bytes: part });
  }

  #fits(line: Uint8Array): boolean {
    return withoutReturn(line).length <= this.#wholeBytes;
  }
}

function withoutReturn(line: Uint8Array): Uint8Array {
  return line.at(-1) === RETURN ? line.subarray(0, -1) : line;
}
