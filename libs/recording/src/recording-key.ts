import { Buffer } from "node:buffer";
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  randomBytes,
  type KeyObject,
} from "node:crypto";
import { recordingIdBytes } from "./recording-id.js";

// A wrapped recording key, version 1.
//
//   ┌─────────┬────────┬───────┬────────────┬─────┐
//   │ version │ KEK id │ nonce │ ciphertext │ tag │   AES-256-GCM under the key-encryption key
//   │ u8 = 1  │ 8      │ 12    │ 32         │ 16  │   AAD: domain ‖ version ‖ KEK id ‖ recording id
//   └─────────┴────────┴───────┴────────────┴─────┘
//
// Random nonces: one key-encryption key may wrap 2^32 recording keys.
const VERSION = 1;
const KEY_BYTES = 32;
const ID_BYTES = 8;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const NONCE_START = 1 + ID_BYTES;
const CIPHERTEXT_START = NONCE_START + NONCE_BYTES;
const TAG_START = CIPHERTEXT_START + KEY_BYTES;
const WRAPPED_BYTES = TAG_START + TAG_BYTES;

const WRAP_DOMAIN = Buffer.from("drawbridge/recording/wrapped-key\0");
const KEK_ID_DOMAIN = "drawbridge/key-encryption-key-id/1";

/** The key of one recording: 32 bytes in a KeyObject, which prints and serialises as nothing. */
export type RecordingKey = KeyObject;

/** Wraps recording keys. The id says which one wrapped a key, so that several can be in use while one is replaced. */
export interface KeyEncryptionKey {
  /** 16 hex digits, derived from the key; no secret. */
  readonly id: string;
  readonly key: KeyObject;
}

/** A wrapped key that cannot be opened. `wrong_key_encryption_key`: it was wrapped by another one, see wrappedKeyId. */
export class KeyUnwrapError extends Error {
  override readonly name = "KeyUnwrapError";
  readonly code: "wrong_key_encryption_key" | "malformed" | "not_authentic";

  constructor(code: KeyUnwrapError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

export function createRecordingKey(): RecordingKey {
  return createSecretKey(randomBytes(KEY_BYTES));
}

/** `secret` is 32 random bytes; throws RangeError for any other length. The caller may overwrite them afterwards. */
export function keyEncryptionKey(secret: Uint8Array): KeyEncryptionKey {
  if (secret.length !== KEY_BYTES) {
    throw new RangeError(`a key-encryption key must have ${KEY_BYTES} bytes, not ${secret.length}`);
  }
  const key = createSecretKey(secret);
  const id = createHmac("sha256", key)
    .update(KEK_ID_DOMAIN)
    .digest("hex")
    .slice(0, 2 * ID_BYTES);
  return { id, key };
}

/** The result is bound to the recording: unwrapping it for another one fails. */
export function wrapKey(kek: KeyEncryptionKey, key: RecordingKey, recordingId: string): Uint8Array {
  const secret = key.export();
  if (secret.length !== KEY_BYTES) throw new RangeError(`a recording key must have ${KEY_BYTES} bytes`);
  const wrapped = Buffer.alloc(WRAPPED_BYTES);
  wrapped[0] = VERSION;
  wrapped.write(kek.id, 1, "hex");
  const nonce = randomBytes(NONCE_BYTES);
  wrapped.set(nonce, NONCE_START);

  const cipher = createCipheriv("aes-256-gcm", kek.key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(wrapAad(wrapped, recordingId));
  wrapped.set(cipher.update(secret), CIPHERTEXT_START);
  cipher.final();
  wrapped.set(cipher.getAuthTag(), TAG_START);
  secret.fill(0);
  return wrapped;
}

/** Throws KeyUnwrapError for anything but what wrapKey made with this key-encryption key for this recording. */
export function unwrapKey(kek: KeyEncryptionKey, wrapped: Uint8Array, recordingId: string): RecordingKey {
  const id = wrappedKeyId(wrapped);
  if (id !== kek.id) {
    throw new KeyUnwrapError(
      "wrong_key_encryption_key",
      `recording key was wrapped by key-encryption key ${id}, not by ${kek.id}; configure that one too`,
    );
  }
  const nonce = wrapped.subarray(NONCE_START, CIPHERTEXT_START);
  const decipher = createDecipheriv("aes-256-gcm", kek.key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(wrapAad(wrapped, recordingId));
  decipher.setAuthTag(wrapped.subarray(TAG_START));
  const secret = decipher.update(wrapped.subarray(CIPHERTEXT_START, TAG_START));
  try {
    decipher.final();
    return createSecretKey(secret);
  } catch {
    throw new KeyUnwrapError("not_authentic", "wrapped recording key was changed or is another recording's");
  } finally {
    secret.fill(0);
  }
}

/** Which key-encryption key wrapped it. Throws KeyUnwrapError for bytes that are no wrapped key. */
export function wrappedKeyId(wrapped: Uint8Array): string {
  if (wrapped.length !== WRAPPED_BYTES || wrapped[0] !== VERSION) {
    throw new KeyUnwrapError("malformed", "not a wrapped recording key of a known version");
  }
  return Buffer.from(wrapped.subarray(1, NONCE_START)).toString("hex");
}

function wrapAad(wrapped: Uint8Array, recordingId: string): Uint8Array {
  return Buffer.concat([WRAP_DOMAIN, wrapped.subarray(0, NONCE_START), recordingIdBytes(recordingId)]);
}
