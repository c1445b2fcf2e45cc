import { Buffer } from "node:buffer";

export interface SseFields {
  readonly id?: string;
  readonly event?: string;
  readonly data: string | Uint8Array;
  /** Milliseconds. */
  readonly retry?: number;
}

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const DATA = Buffer.from("data: ");
const END_OF_LINE = Buffer.from("\n");

/**
 * One event of an event stream. Data with line ends goes out on several data lines, each end read back as `\n`.
 * Throws RangeError for an id or event that has a line end or NUL in it, or a retry that is not a whole number.
 */
export function encodeSse({ id, event, data, retry }: SseFields): Uint8Array {
  const head =
    field("id", id) + field("event", event) + field("retry", retry === undefined ? undefined : wait(retry));
  const pieces: Uint8Array[] = [Buffer.from(head)];
  const bytes = typeof data === "string" ? Buffer.from(data) : data;
  // Most messages are one line, and finding that out natively is quicker than to look at each byte.
  const isOneLine = !bytes.includes(NEWLINE) && !bytes.includes(RETURN);
  for (const line of isOneLine ? [bytes] : linesOf(bytes)) pieces.push(DATA, line, END_OF_LINE);
  pieces.push(END_OF_LINE);
  return Buffer.concat(pieces);
}

/** A line that readers ignore, to keep a connection alive or to be the first byte of it. */
export function sseComment(text = ""): Uint8Array {
  return Buffer.from(`: ${singleLine(text)}\n\n`);
}

function field(name: string, value: string | undefined): string {
  return value === undefined ? "" : `${name}: ${singleLine(value)}\n`;
}

function wait(retry: number): string {
  if (!Number.isSafeInteger(retry) || retry < 0)
    throw new RangeError("retry has to be a whole number of milliseconds");
  return String(retry);
}

function singleLine(text: string): string {
  if (/[\r\n\0]/.test(text))
    throw new RangeError("a field of an event must not have a line end or NUL in it");
  return text;
}

function* linesOf(data: Uint8Array): Generator<Uint8Array> {
  let start = 0;
  for (let i = 0; i < data.length; i++) {
    const byte = data[i];
    if (byte !== NEWLINE && byte !== RETURN) continue;
    yield data.subarray(start, i);
    if (byte === RETURN && data[i + 1] === NEWLINE) i++;
    start = i + 1;
  }
  yield data.subarray(start);
}
