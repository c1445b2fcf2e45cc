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
  let last = 0;
  for await (const piece of message.pieces()) {
    if (piece.length === 0) continue;
    yield withoutLineEnds(last === RETURN && piece[0] === NEWLINE ? piece.subarray(1) : piece);
    last = piece.at(-1) ?? 0;
  }
  yield END_OF_EVENT;
}

/** Each line end is a new data line. JSON has line ends between its values only, and often none. */
function withoutLineEnds(piece: Uint8Array): Uint8Array {
  if (!piece.includes(NEWLINE) && !piece.includes(RETURN)) return piece;
  let ends = 0;
  for (const byte of piece) if (isLineEnd(byte)) ends += 1;
  const lines = Buffer.allocUnsafe(piece.length + ends * (NEXT_LINE.length - 1));
  let length = 0;
  for (let at = 0; at < piece.length; at += 1) {
    const byte = piece[at] ?? 0;
    if (!isLineEnd(byte)) {
      lines[length] = byte;
      length += 1;
      continue;
    }
    length += NEXT_LINE.copy(lines, length);
    if (byte === RETURN && piece[at + 1] === NEWLINE) at += 1;
  }
  return lines.subarray(0, length);
}

function isLineEnd(byte: number): boolean {
  return byte === NEWLINE || byte === RETURN;
}
