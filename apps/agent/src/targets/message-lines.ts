import { LineReader, LineTooLongError } from "@drawbridge/mcp";

const NEWLINE = 0x0a;
const EXCERPT_BYTES = 256;

/** One line of a target's stdout, or the ends of one that was too long to keep. */
export type MessageLine =
  | { readonly kind: "line"; readonly bytes: Uint8Array }
  | { readonly kind: "oversized"; readonly excerpt: string };

/** Frames the messages of a stdio target. A line over the limit is thrown away and reading goes on with the next. */
export class MessageLines {
  readonly #maxBytes: number;
  #reader: LineReader;
  /** First bytes of the line that is not complete yet. */
  #head = Buffer.alloc(0);
  /** Last bytes of a line that is being thrown away. */
  #tail: Buffer | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#reader = new LineReader(maxBytes);
  }

  push(chunk: Uint8Array): MessageLine[] {
    const found: MessageLine[] = [];
    let rest = chunk;
    while (rest.length > 0) {
      rest = this.#tail ? this.#discard(rest, found) : this.#read(rest, found);
    }
    return found;
  }

  #read(chunk: Uint8Array, found: MessageLine[]): Uint8Array {
    const startedBefore = this.#reader.pendingBytes > 0;
    try {
      const lines = this.#reader.push(chunk);
      found.push(...lines.map(asLine));
      if (lines.length > 0 || !startedBefore)
        this.#rememberHead(chunk.subarray(afterLines(chunk, lines.length)));
      return chunk.subarray(chunk.length);
    } catch (error) {
      if (!(error instanceof LineTooLongError)) throw error;
      const complete = error.completeLines;
      found.push(...complete.map(asLine));
      const tooLong = chunk.subarray(afterLines(chunk, complete.length));
      if (complete.length > 0 || !startedBefore) this.#rememberHead(tooLong);
      this.#tail = Buffer.alloc(0);
      this.#reader = new LineReader(this.#maxBytes);
      return tooLong;
    }
  }

  #discard(chunk: Uint8Array, found: MessageLine[]): Uint8Array {
    const end = chunk.indexOf(NEWLINE);
    const part = end === -1 ? chunk : chunk.subarray(0, end);
    this.#tail = Buffer.concat([this.#tail ?? Buffer.alloc(0), part.subarray(-EXCERPT_BYTES)]).subarray(
      -EXCERPT_BYTES,
    );
    if (end === -1) return chunk.subarray(chunk.length);
    found.push({
      kind: "oversized",
      excerpt: `${this.#head.toString("latin1")}\n${this.#tail.toString("latin1")}`,
    });
    this.#tail = undefined;
    return chunk.subarray(end + 1);
  }

  #rememberHead(line: Uint8Array): void {
    this.#head = Buffer.from(line.subarray(0, EXCERPT_BYTES));
  }
}

function asLine(bytes: Uint8Array): MessageLine {
  return { kind: "line", bytes };
}

/** Where the bytes after the first `count` line ends begin. */
function afterLines(chunk: Uint8Array, count: number): number {
  let position = 0;
  for (let line = 0; line < count; line++) position = chunk.indexOf(NEWLINE, position) + 1;
  return position;
}
