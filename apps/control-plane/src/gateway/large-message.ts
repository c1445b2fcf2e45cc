/** A message that is too large to hold: it is in the recording and is read from there, a piece at a time. */
export interface LargeMessage {
  /** Its length. */
  readonly bytes: number;
  /** Its bytes, from the first on. @throws when they cannot be read */
  readonly pieces: () => AsyncIterable<Uint8Array>;
}

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const NEXT_LINE = Buffer.from("\ndata: ");
const END_OF_EVENT = Buffer.from("\n\n");

/** The message as one event of an event stream. */
export async function* dataLines(message: LargeMessage, id: string | undefined): AsyncGenerator<Uint8Array> {
  yield Buffer.from(id === undefined ? "data: " : `id: ${id}\ndata: `);
  let afterReturn = false;
  for await (const piece of message.pieces()) {
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    yield* linesOf(afterReturn && bytes[0] === NEWLINE ? bytes.subarray(1) : bytes);
    if (bytes.length > 0) afterReturn = bytes.at(-1) === RETURN;
  }
  yield END_OF_EVENT;
}

/** JSON has line ends between its values only, and often none. */
function* linesOf(bytes: Buffer): Generator<Uint8Array> {
  let start = 0;
  for (let end = lineEnd(bytes, 0); end !== -1; end = lineEnd(bytes, start)) {
    yield bytes.subarray(start, end);
    yield NEXT_LINE;
    start = bytes[end] === RETURN && bytes[end + 1] === NEWLINE ? end + 2 : end + 1;
  }
  if (start < bytes.length) yield bytes.subarray(start);
}

function lineEnd(bytes: Buffer, from: number): number {
  const newline = bytes.indexOf(NEWLINE, from);
  const end = newline === -1 ? bytes.length : newline;
  const turn = bytes.subarray(from, end).indexOf(RETURN);
  return turn === -1 ? newline : from + turn;
}
