import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv, createHash, hash, randomFillSync } from "node:crypto";
import { DamagedRecordingError, type RecordingProblem } from "./damaged-recording-error.js";
import { decodeEvent, encodeEvent } from "./event-encoding.js";
import { isEventKind, type EventKind, type RecordedEvent } from "./recorded-event.js";
import { recordingIdBytes } from "./recording-id.js";
import type { RecordingKey } from "./recording-key.js";

// One sealed event, version 1.
//
//    0         1         2        14                        n-16     n
//   ┌─────────┬─────────┬────────┬─────────────────────────┬────────┐
//   │ version │ flags   │ nonce  │ ciphertext              │ tag    │   AES-256-GCM under the recording's key
//   │ u8 = 1  │ u8      │ random │ of one encoded event    │        │   flags: bit 0: final (kind session_closed)
//   └─────────┴─────────┴────────┴─────────────────────────┴────────┘
//
// What it is bound to (AAD), none of it stored here; integers are big-endian:
//
//   ┌─────────┬───────┬───────┬──────────┬───────────────┬──────┬──────┬──────┬──────────────┐
//   │ version │ flags │ index │ exchange │ previous hash │ len  │ kind │ len  │ recording id │
//   │ u8      │ u8    │ u64   │ u64      │ 32            │ u8   │      │ u8   │              │
//   └─────────┴───────┴───────┴──────────┴───────────────┴──────┴──────┴──────┴──────────────┘
//
//   hash    = SHA-256("drawbridge/recording/event/1" ‖ NUL ‖ AAD ‖ sealed)
//   genesis = SHA-256("drawbridge/recording/genesis/1" ‖ NUL ‖ recording id), the previous hash of event 0
//
// The nonce is 96 random bits, never the index: after a crash the same index may be sealed again with other content.
// 2^31 events, each sealed twice, stay within the 2^32 random nonces a key may have (collision below 2^-32).
const VERSION = 1;
const FLAG_FINAL = 1;
const NONCE_START = 2;
const NONCE_BYTES = 12;
const CIPHERTEXT_START = NONCE_START + NONCE_BYTES;
const TAG_BYTES = 16;
const HASH_BYTES = 32;
const AAD_FIXED_BYTES = 2 + 8 + 8 + HASH_BYTES;

/** The first index a recording cannot have: beyond it random nonces are no longer safe. */
export const MAX_RECORDED_EVENTS = 2 ** 31;

const EVENT_DOMAIN = Buffer.from("drawbridge/recording/event/1\0");
const GENESIS_DOMAIN = "drawbridge/recording/genesis/1\0";

/** One stored event as it is found: nothing in it is trusted before it was opened or verified. */
export interface SealedRow {
  readonly index: number;
  /** Stored in the clear so that recovery needs no key; changing it is found. */
  readonly kind: string;
  readonly exchange: number;
  readonly sealed: Uint8Array;
  readonly hash: Uint8Array;
}

export interface SealInput {
  readonly key: RecordingKey;
  readonly recordingId: string;
  /** 0 for the first event, then one more for each. */
  readonly index: number;
  /** The hash of the event before, genesisHash(recordingId) for the first. */
  readonly previousHash: Uint8Array;
  readonly event: RecordedEvent;
}

export interface OpenInput {
  readonly key: RecordingKey;
  readonly recordingId: string;
  readonly previousHash: Uint8Array;
  readonly row: SealedRow;
}

/** The previous hash of event 0. */
export function genesisHash(recordingId: string): Uint8Array {
  return createHash("sha256").update(GENESIS_DOMAIN).update(recordingIdBytes(recordingId)).digest();
}

/** Throws EventFormatError for an event that cannot be recorded, RangeError for a place that does not exist. */
export function sealEvent(input: SealInput): { sealed: Uint8Array; hash: Uint8Array } {
  const { key, recordingId, index, previousHash, event } = input;
  if (!isIndex(index)) throw new RangeError(`index must be an integer from 0 to ${MAX_RECORDED_EVENTS - 1}`);
  if (previousHash.length !== HASH_BYTES) throw new RangeError(`previous hash must have ${HASH_BYTES} bytes`);

  const encoded = encodeEvent(event);
  const { kind, exchange } = event;
  const aad = additionalData(recordingId, previousHash, { index, kind, exchange });
  // What is hashed lies in one piece, the sealed event at its end: hashed in one call, and nothing is copied.
  const hashed = Buffer.allocUnsafe(
    EVENT_DOMAIN.length + aad.length + CIPHERTEXT_START + encoded.length + TAG_BYTES,
  );
  hashed.set(EVENT_DOMAIN);
  hashed.set(aad, EVENT_DOMAIN.length);
  const sealed = hashed.subarray(EVENT_DOMAIN.length + aad.length);
  sealed[0] = VERSION;
  sealed[1] = flagsOf(kind);
  takeNonce(sealed, NONCE_START);

  const nonce = sealed.subarray(NONCE_START, CIPHERTEXT_START);
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(aad);
  sealed.set(cipher.update(encoded), CIPHERTEXT_START);
  cipher.final();
  sealed.set(cipher.getAuthTag(), CIPHERTEXT_START + encoded.length);
  return { sealed, hash: hash("sha256", hashed, "buffer") };
}

// Asking for 12 random bytes costs as much as asking for 4 KiB, and more than all else when the process was idle.
const randomPool = Buffer.alloc(341 * NONCE_BYTES);
let unused = 0;

/** Each byte of the pool is given out once. A nonce is no secret, so that it was drawn ahead gives nothing away. */
function takeNonce(into: Uint8Array, start: number): void {
  if (unused === 0) {
    randomFillSync(randomPool);
    unused = randomPool.length;
  }
  unused -= NONCE_BYTES;
  into.set(randomPool.subarray(unused, unused + NONCE_BYTES), start);
}

/** Throws DamagedRecordingError unless the row is exactly what was sealed at this place of this recording. */
export function openEvent(input: OpenInput): RecordedEvent {
  const { key, recordingId, previousHash, row } = input;
  checkRow(recordingId, previousHash, row);
  const damaged = damageOf(recordingId, row.index);

  const encoded = decrypt(key, row.sealed, additionalData(recordingId, previousHash, row));
  if (!encoded) {
    throw damaged(
      "not_authentic",
      "does not open with the recording's key; it was forged or the key is wrong",
    );
  }
  let event: RecordedEvent;
  try {
    event = decodeEvent(encoded);
  } catch (cause) {
    throw damaged("undecodable", "opens but holds no event", { cause });
  }
  if (event.kind !== row.kind || event.exchange !== row.exchange) {
    throw damaged("undecodable", "holds another kind or exchange than it was stored under");
  }
  return event;
}

/** Everything that can be checked without the key. Throws DamagedRecordingError. */
export function checkRow(recordingId: string, previousHash: Uint8Array, row: SealedRow): void {
  const damaged = damageOf(recordingId, row.index);
  const shape =
    malformation(row) ?? (isHash(previousHash) ? undefined : "follows a hash of the wrong length");
  if (shape !== undefined) throw damaged("malformed", shape);
  if (!hashOf(additionalData(recordingId, previousHash, row), row.sealed).equals(row.hash)) {
    throw damaged("hash_mismatch", "was edited, moved, or belongs to another recording");
  }
}

function malformation(row: SealedRow): string | undefined {
  if (!isIndex(row.index)) return "has no valid index";
  if (!Number.isSafeInteger(row.exchange) || row.exchange < 0) return "has no valid exchange";
  if (!isEventKind(row.kind)) return "has an unknown kind";
  if (!isHash(row.hash)) return "has a hash of the wrong length";
  if (!isBytes(row.sealed) || row.sealed.length < CIPHERTEXT_START + TAG_BYTES) return "is cut short";
  if (row.sealed[0] !== VERSION) return `has unknown format version ${row.sealed[0]}`;
  if (row.sealed[1] !== flagsOf(row.kind)) return "has flags that do not fit its kind";
  return undefined;
}

/** True for the event that closes a recording; nothing may follow it. */
export function isFinal(kind: EventKind): boolean {
  return kind === "session_closed";
}

function decrypt(key: RecordingKey, sealed: Uint8Array, aad: Uint8Array): Uint8Array | undefined {
  const tagStart = sealed.length - TAG_BYTES;
  const nonce = sealed.subarray(NONCE_START, CIPHERTEXT_START);
  const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(tagStart));
  const plain = decipher.update(sealed.subarray(CIPHERTEXT_START, tagStart));
  try {
    decipher.final();
    return plain;
  } catch {
    return undefined;
  }
}

type BoundColumns = Pick<SealedRow, "index" | "kind" | "exchange">;

function additionalData(recordingId: string, previousHash: Uint8Array, columns: BoundColumns): Buffer {
  const id = recordingIdBytes(recordingId);
  const { kind } = columns;
  const aad = Buffer.allocUnsafe(AAD_FIXED_BYTES + 1 + kind.length + 1 + id.length);
  aad[0] = VERSION;
  aad[1] = flagsOf(kind);
  aad.writeBigUInt64BE(BigInt(columns.index), 2);
  aad.writeBigUInt64BE(BigInt(columns.exchange), 10);
  aad.set(previousHash, 18);
  let end = AAD_FIXED_BYTES;
  aad[end++] = kind.length;
  end += aad.write(kind, end, "latin1");
  aad[end++] = id.length;
  aad.set(id, end);
  return aad;
}

function hashOf(aad: Uint8Array, sealed: Uint8Array): Buffer {
  return createHash("sha256").update(EVENT_DOMAIN).update(aad).update(sealed).digest();
}

function flagsOf(kind: string): number {
  return isEventKind(kind) && isFinal(kind) ? FLAG_FINAL : 0;
}

function damageOf(recordingId: string, index: number) {
  return (problem: RecordingProblem, message: string, options?: ErrorOptions) =>
    new DamagedRecordingError({ recordingId, index, problem }, message, options);
}

function isIndex(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < MAX_RECORDED_EVENTS;
}

function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array;
}

function isHash(value: unknown): value is Uint8Array {
  return isBytes(value) && value.length === HASH_BYTES;
}
