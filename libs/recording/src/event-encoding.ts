import { Buffer } from "node:buffer";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { isEventDirection, isEventKind, type EventAttributes, type RecordedEvent } from "./recorded-event.js";

// One event before it is sealed, version 1. Integers are big-endian.
//
//    0         1         2                6                 10
//   ┌─────────┬─────────┬────────────────┬─────────────────┬─────────────┬─────────────────┐
//   │ version │ flags   │ header length  │ payload length  │ header      │ payload         │
//   │ u8 = 1  │ u8      │ u32            │ u32, unpacked   │ JSON, UTF-8 │ raw, or zstd    │
//   └─────────┴─────────┴────────────────┴─────────────────┴─────────────┴─────────────────┘
//   flags: bit 0: the payload is one zstd frame. All others are 0.
//   header: {kind, direction, exchange, at, method?, name?, attributes?}; empty attributes are left out.
const VERSION = 1;
const FIXED_BYTES = 10;
const FLAG_ZSTD = 1;

/** The header (method, name and attributes) may take this much: content belongs into the payload. */
export const MAX_EVENT_HEADER_BYTES = 64 * 1024;
/** Bounds one payload, and what decompressing an event may allocate. */
export const MAX_EVENT_PAYLOAD_BYTES = 64 * 1024 * 1024;

const MAX_ATTRIBUTE_DEPTH = 16;
/** The last millisecond a Date can name. */
const MAX_TIMESTAMP = 8_640_000_000_000_000;
/** Starting zstd costs about 30 µs, more than a short message is worth. */
const COMPRESS_ABOVE_BYTES = 1024;
const COMPRESSION = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
/** Level 1 looks back 512 KiB at most; a frame that wants more than 8 MiB is not ours. */
const MAX_WINDOW_LOG = 23;

const HEADER_FIELDS = new Set(["kind", "direction", "exchange", "at", "method", "name", "attributes"]);

/** An event that cannot be encoded, or bytes that are no event. The message never quotes content. */
export class EventFormatError extends Error {
  override readonly name = "EventFormatError";
}

/** Throws EventFormatError for an event that breaks the contract of its type or is too large: it must not be sent. */
export function encodeEvent(event: RecordedEvent): Uint8Array {
  checkFields(event);
  if (!isPlainObject(event.attributes)) throw new EventFormatError("attributes must be a plain object");
  checkJson(event.attributes, 0);
  if (!(event.payload instanceof Uint8Array)) throw new EventFormatError("payload must be a Uint8Array");
  if (event.payload.length > MAX_EVENT_PAYLOAD_BYTES) {
    throw new EventFormatError(`payload exceeds ${MAX_EVENT_PAYLOAD_BYTES} bytes`);
  }

  const header = JSON.stringify({
    kind: event.kind,
    direction: event.direction,
    exchange: event.exchange,
    at: event.at,
    method: event.method,
    name: event.name,
    attributes: Object.keys(event.attributes).length === 0 ? undefined : event.attributes,
  });
  const headerLength = Buffer.byteLength(header);
  if (headerLength > MAX_EVENT_HEADER_BYTES) {
    throw new EventFormatError(
      `method, name and attributes exceed ${MAX_EVENT_HEADER_BYTES} bytes; put content into the payload`,
    );
  }

  const packed = compress(event.payload);
  const stored = packed ?? event.payload;
  const encoded = Buffer.allocUnsafe(FIXED_BYTES + headerLength + stored.length);
  encoded[0] = VERSION;
  encoded[1] = packed ? FLAG_ZSTD : 0;
  encoded.writeUInt32BE(headerLength, 2);
  encoded.writeUInt32BE(event.payload.length, 6);
  encoded.write(header, FIXED_BYTES, "utf8");
  encoded.set(stored, FIXED_BYTES + headerLength);
  return encoded;
}

/** The inverse of encodeEvent. Throws EventFormatError and nothing else, whatever the bytes. */
export function decodeEvent(encoded: Uint8Array): RecordedEvent {
  const bytes = Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  if (bytes.length < FIXED_BYTES) throw new EventFormatError("event is cut short");
  if (bytes[0] !== VERSION) throw new EventFormatError(`event has unknown format version ${bytes[0]}`);
  const flags = bytes[1];
  if (flags !== 0 && flags !== FLAG_ZSTD) throw new EventFormatError("event has unknown flags");

  const headerLength = bytes.readUInt32BE(2);
  const payloadLength = bytes.readUInt32BE(6);
  if (headerLength > MAX_EVENT_HEADER_BYTES || payloadLength > MAX_EVENT_PAYLOAD_BYTES) {
    throw new EventFormatError("event claims to be larger than an event may be");
  }
  const payloadStart = FIXED_BYTES + headerLength;
  if (bytes.length < payloadStart) throw new EventFormatError("event is cut short");

  const header = parseHeader(bytes.subarray(FIXED_BYTES, payloadStart));
  const stored = bytes.subarray(payloadStart);
  const payload = flags === FLAG_ZSTD ? decompress(stored, payloadLength) : stored;
  if (payload.length !== payloadLength) throw new EventFormatError("event payload has the wrong length");
  return { ...header, payload: new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength) };
}

function compress(payload: Uint8Array): Uint8Array | undefined {
  if (payload.length <= COMPRESS_ABOVE_BYTES) return undefined;
  const packed = zstdCompressSync(payload, COMPRESSION);
  return packed.length < payload.length ? packed : undefined;
}

function decompress(packed: Uint8Array, length: number): Uint8Array {
  if (length === 0) throw new EventFormatError("event has a compressed payload of no length");
  try {
    return zstdDecompressSync(packed, {
      maxOutputLength: length,
      params: { [constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG },
    });
  } catch (cause) {
    throw new EventFormatError("event payload does not decompress", { cause });
  }
}

function parseHeader(bytes: Buffer): Omit<RecordedEvent, "payload"> {
  let header: unknown;
  try {
    header = JSON.parse(bytes.toString("utf8"));
  } catch {
    // The parser's message quotes the text, which may be what somebody wanted unread.
    throw new EventFormatError("event header is not JSON");
  }
  if (!isObject(header)) throw new EventFormatError("event header is not an object");
  if (!Object.keys(header).every((field) => HEADER_FIELDS.has(field))) {
    throw new EventFormatError("event header has an unknown field");
  }
  const { attributes = {}, ...fields } = header;
  if (!isObject(attributes)) throw new EventFormatError("event attributes are not an object");
  checkFields(fields);
  return { ...fields, attributes: attributes as EventAttributes };
}

function checkFields(
  fields: object,
): asserts fields is Pick<RecordedEvent, "kind" | "direction" | "exchange" | "at" | "method" | "name"> {
  const { kind, direction, exchange, at, method, name } = fields as Record<string, unknown>;
  if (!isEventKind(kind)) throw new EventFormatError("event has an unknown kind");
  if (!isEventDirection(direction)) throw new EventFormatError("event has an unknown direction");
  if (!isCount(exchange, Number.MAX_SAFE_INTEGER)) {
    throw new EventFormatError("exchange must be a safe integer of 0 or more");
  }
  if (!isCount(at, MAX_TIMESTAMP)) throw new EventFormatError("at must be whole milliseconds since 1970");
  if (!isOptionalString(method)) throw new EventFormatError("method must be a string");
  if (!isOptionalString(name)) throw new EventFormatError("name must be a string");
}

/** JSON.stringify would drop or change what JSON has no word for; a recording must not lose it in silence. */
function checkJson(value: unknown, depth: number): void {
  if (depth > MAX_ATTRIBUTE_DEPTH) throw new EventFormatError("attributes are nested too deep");
  if (isJsonScalar(value)) return;
  if (!Array.isArray(value) && !isPlainObject(value)) {
    throw new EventFormatError("attributes must be plain JSON");
  }
  const items: Iterable<unknown> = Array.isArray(value) ? value : Object.values(value);
  for (const item of items) checkJson(item, depth + 1);
}

function isJsonScalar(value: unknown): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  return value === null || typeof value === "string" || typeof value === "boolean";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (!isObject(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function isCount(value: unknown, max: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= max;
}

function isOptionalString(value: unknown): boolean {
  return value === undefined || typeof value === "string";
}
