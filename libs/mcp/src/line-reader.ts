import { GrowingBuffer } from "./growing-buffer.js";

const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** A line is longer than allowed. The reader stays refused: where the next line starts would be a guess. */
export class LineTooLongError extends Error {
  override readonly name = "LineTooLongError";
  /** The lines of the same chunk that were complete before it. */
  readonly completeLines: readonly Uint8Array[];

  constructor(maxBytes: number, completeLines: readonly Uint8Array[]) {
    super(`line too long: the limit is ${maxBytes} bytes`);
    this.completeLines = completeLines;
  }
}

/**
 * Splits a byte stream into lines, as MCP frames messages over stdio. Ends are `\n` or `\r\n` and are not part of a line;
 * empty lines come out too. A line that lies within one chunk is a view of that chunk, not a copy.
 */
export class LineReader {
  readonly #maxBytes: number;
  #pending = new GrowingBuffer();
  #refused = false;

  /** `maxBytes`: the longest line, without its end. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes of the line that is not complete yet. */
  get pendingBytes(): number {
    return this.#pending.length;
  }

  /** The lines this chunk completes. Throws LineTooLongError, for finished and unfinished lines alike. */
  push(chunk: Uint8Array): Uint8Array[] {
    const lines: Uint8Array[] = [];
    if (this.#refused) throw new LineTooLongError(this.#maxBytes, lines);
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      const line = withoutReturn(this.#complete(chunk.subarray(start, end), lines));
      if (line.length > this.#maxBytes) throw this.#tooLong(lines);
      lines.push(line);
      start = end + 1;
    }
    this.#keep(chunk.subarray(start), lines);
    return lines;
  }

  #complete(rest: Uint8Array, lines: readonly Uint8Array[]): Uint8Array {
    if (this.#pending.length === 0) return rest;
    this.#keep(rest, lines);
    return this.#pending.take();
  }

  #keep(rest: Uint8Array, lines: readonly Uint8Array[]): void {
    const length = this.#pending.length + rest.length;
    // One more may be the return of an end that is still to come.
    if (length > this.#maxBytes + 1) throw this.#tooLong(lines);
    if (rest.length > 0) this.#pending.append(rest);
    if (length > this.#maxBytes && this.#pending.last() !== RETURN) throw this.#tooLong(lines);
  }

  #tooLong(lines: readonly Uint8Array[]): LineTooLongError {
    this.#refused = true;
    this.#pending = new GrowingBuffer();
    return new LineTooLongError(this.#maxBytes, lines);
  }
}

function withoutReturn(line: Uint8Array): Uint8Array {
  return line.at(-1) === RETURN ? line.subarray(0, -1) : line;
}
