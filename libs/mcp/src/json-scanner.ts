import { Buffer } from "node:buffer";
import { MalformedMessageError, type MalformedReason } from "./malformed-message-error.js";
import { SeenKeys } from "./seen-keys.js";

/** `[start, end)` in bytes of the message. */
export type Range = readonly [start: number, end: number];

/** Called with each member of an object; scans the value that starts at `at` and returns the index after it. */
export type MemberVisitor = (key: string, at: number) => number;

/** Called with each element of an array; scans the value that starts at `at` and returns the index after it. */
export type ElementVisitor = (at: number) => number;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const MINUS = 0x2d;
const PLUS = 0x2b;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const SPACE = 0x20;
const LOWER_U = 0x75;
export const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
export const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** What may follow a backslash, besides u: " \ / b f n r t */
const SIMPLE_ESCAPES = new Set([QUOTE, BACKSLASH, 0x2f, 0x62, 0x66, 0x6e, 0x72, 0x74]);

const TRUE = Buffer.from("true");
const FALSE = Buffer.from("false");
const NULL = Buffer.from("null");

/**
 * Walks over UTF-8 JSON text once, strictly by RFC 8259, and refuses what two readers could read differently.
 * Text that is not JSON throws at once. What is JSON but refused (a duplicate key, …) is remembered in `refusal`, so that
 * the rest is still read: broken JSON wins over a refusal, and the id of a refused message is known.
 * Positions go in and come out as plain numbers; nothing is built but what visitors ask for.
 */
export class JsonScanner {
  readonly bytes: Uint8Array;
  /** The first thing that was refused; whoever scans has to throw it in the end. */
  refusal: { readonly reason: MalformedReason; readonly message: string } | undefined;
  readonly #buffer: Buffer;
  readonly #maxDepth: number;
  readonly #maxKeys: number;
  #keys = 0;
  /** Hash of the key that was scanned last. */
  #keyHash = 0;

  /** `bytes` must be valid UTF-8. */
  constructor(bytes: Uint8Array, maxDepth: number, maxKeys = Number.POSITIVE_INFINITY) {
    this.bytes = bytes;
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#maxDepth = maxDepth;
    this.#maxKeys = maxKeys;
  }

  /** The text of a string, given the range from its opening quote to after its closing one. */
  readonly decodeString = (start: number, end: number): string => {
    const text = this.#buffer.toString("utf8", start + 1, end - 1);
    return text.includes("\\") ? (JSON.parse(`"${text}"`) as string) : text;
  };

  /** The exact JSON text of a range. */
  text([start, end]: Range): string {
    return this.#buffer.toString("utf8", start, end);
  }

  refuse(reason: MalformedReason, message: string): void {
    this.refusal ??= { reason, message };
  }

  skipWhitespace(at: number): number {
    let i = at;
    for (;;) {
      const byte = this.bytes[i];
      if (byte !== SPACE && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return i;
      i++;
    }
  }

  /** Scans any value; `depth` is how many containers it would be in if it were one itself. */
  value(at: number, depth: number): number {
    const byte = this.bytes[at];
    if (byte === QUOTE) return this.#string(at);
    if (byte === OPEN_BRACE) return this.object(at, depth);
    if (byte === OPEN_BRACKET) return this.array(at, depth);
    return this.#scalar(at, byte);
  }

  /** Scans an object; `at` is its opening brace. */
  object(at: number, depth: number, visit?: MemberVisitor): number {
    this.#checkDepth(at, depth);
    const seen = new SeenKeys(this.decodeString);
    let i = this.skipWhitespace(at + 1);
    if (this.bytes[i] === CLOSE_BRACE) return i + 1;
    for (;;) {
      if (++this.#keys > this.#maxKeys) throw this.#tooManyKeys();
      const keyEnd = this.#key(i);
      if (!seen.add(this.#keyHash, i, keyEnd)) {
        this.refuse("duplicate_key", `duplicate key at byte ${i}: send each key of an object once`);
      }
      const colon = this.skipWhitespace(keyEnd);
      if (this.bytes[colon] !== COLON) throw this.#invalid(colon);
      const start = this.skipWhitespace(colon + 1);
      const end =
        visit === undefined ? this.value(start, depth + 1) : visit(this.decodeString(i, keyEnd), start);
      i = this.skipWhitespace(end);
      if (this.bytes[i] === CLOSE_BRACE) return i + 1;
      if (this.bytes[i] !== COMMA) throw this.#invalid(i);
      i = this.skipWhitespace(i + 1);
    }
  }

  /** Scans an array; `at` is its opening bracket. */
  array(at: number, depth: number, visit?: ElementVisitor): number {
    this.#checkDepth(at, depth);
    let i = this.skipWhitespace(at + 1);
    if (this.bytes[i] === CLOSE_BRACKET) return i + 1;
    for (;;) {
      i = this.skipWhitespace(visit === undefined ? this.value(i, depth + 1) : visit(i));
      if (this.bytes[i] === CLOSE_BRACKET) return i + 1;
      if (this.bytes[i] !== COMMA) throw this.#invalid(i);
      i = this.skipWhitespace(i + 1);
    }
  }

  /** Throws unless nothing but white space is left. */
  end(at: number): void {
    const i = this.skipWhitespace(at);
    if (i !== this.bytes.length) throw this.#invalid(i);
  }

  #checkDepth(at: number, depth: number): void {
    if (depth <= this.#maxDepth) return;
    throw new MalformedMessageError(
      "too_deep",
      `nested too deeply at byte ${at}: the limit is ${this.#maxDepth}`,
    );
  }

  #tooManyKeys(): MalformedMessageError {
    return new MalformedMessageError("too_many_keys", `too many keys: the limit is ${this.#maxKeys}`);
  }

  #invalid(at: number): MalformedMessageError {
    return new MalformedMessageError(
      "invalid_json",
      `invalid JSON at byte ${at}: send one JSON object (RFC 8259)`,
    );
  }

  #string(at: number): number {
    const bytes = this.bytes;
    let i = at + 1;
    for (;;) {
      const byte = bytes[i];
      if (byte === QUOTE) return i + 1;
      if (byte === BACKSLASH) i = this.#escape(i);
      else if (byte === undefined || byte < SPACE) throw this.#invalid(i);
      else i++;
    }
  }

  /** As #string, and leaves the hash of what the key means in #keyHash. */
  #key(at: number): number {
    const bytes = this.bytes;
    if (bytes[at] !== QUOTE) throw this.#invalid(at);
    let hash = 0;
    let i = at + 1;
    for (;;) {
      const byte = bytes[i];
      if (byte === QUOTE) break;
      if (byte === BACKSLASH) return this.#escapedKey(at);
      if (byte === undefined || byte < SPACE) throw this.#invalid(i);
      hash = (Math.imul(hash, 31) + byte) | 0;
      i++;
    }
    this.#keyHash = hash;
    return i + 1;
  }

  #escapedKey(at: number): number {
    const end = this.#string(at);
    const key = this.decodeString(at, end);
    if (key.includes("\0")) {
      this.refuse("nul_character", `NUL character in the key at byte ${at}: keys must not contain \\u0000`);
    }
    let hash = 0;
    for (const byte of Buffer.from(key)) hash = (Math.imul(hash, 31) + byte) | 0;
    this.#keyHash = hash;
    return end;
  }

  /** `at` is the backslash; returns the index after the escape, after both halves of a surrogate pair. */
  #escape(at: number): number {
    const kind = this.bytes[at + 1];
    if (kind !== LOWER_U) {
      if (kind === undefined || !SIMPLE_ESCAPES.has(kind)) throw this.#invalid(at);
      return at + 2;
    }
    const unit = this.#hex4(at + 2);
    if (unit < 0xd800 || unit > 0xdfff) return at + 6;
    if (unit < 0xdc00 && this.#isLowSurrogateEscape(at + 6)) return at + 12;
    this.refuse("lone_surrogate", `half a surrogate pair at byte ${at}: send whole Unicode characters`);
    return at + 6;
  }

  #isLowSurrogateEscape(at: number): boolean {
    if (this.bytes[at] !== BACKSLASH || this.bytes[at + 1] !== LOWER_U) return false;
    const unit = this.#hex4(at + 2);
    return unit >= 0xdc00 && unit <= 0xdfff;
  }

  #hex4(at: number): number {
    let unit = 0;
    for (let i = at; i < at + 4; i++) {
      const digit = hexDigit(this.bytes[i] ?? 0);
      if (digit < 0) throw this.#invalid(i);
      unit = unit * 16 + digit;
    }
    return unit;
  }

  #scalar(at: number, byte: number | undefined): number {
    if (byte === 0x74) return this.#literal(at, TRUE);
    if (byte === 0x66) return this.#literal(at, FALSE);
    if (byte === 0x6e) return this.#literal(at, NULL);
    return this.#number(at);
  }

  #literal(at: number, literal: Uint8Array): number {
    for (let i = 0; i < literal.length; i++) {
      if (this.bytes[at + i] !== literal[i]) throw this.#invalid(at + i);
    }
    return at + literal.length;
  }

  #number(at: number): number {
    const bytes = this.bytes;
    let i = bytes[at] === MINUS ? at + 1 : at;
    i = bytes[i] === ZERO ? i + 1 : this.#digits(i);
    if (bytes[i] === DOT) i = this.#digits(i + 1);
    if (bytes[i] === 0x65 || bytes[i] === 0x45) {
      const sign = bytes[i + 1];
      i = this.#digits(sign === PLUS || sign === MINUS ? i + 2 : i + 1);
    }
    return i;
  }

  /** At least one digit. */
  #digits(at: number): number {
    let i = at;
    while (isDigit(this.bytes[i])) i++;
    if (i === at) throw this.#invalid(at);
    return i;
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE;
}

/** -1 when it is none. */
function hexDigit(byte: number): number {
  if (byte >= ZERO && byte <= NINE) return byte - ZERO;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : -1;
}
