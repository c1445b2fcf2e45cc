import type { MalformedMessageError, MalformedReason } from "./malformed-message-error.js";
import type { StreamedKey } from "./streamed-key.js";
import { Utf8Sequence } from "./utf8-sequence.js";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SPACE = 0x20;
const LOWER_U = 0x75;

/** What may follow a backslash, besides u, and what it means. */
const ESCAPED: ReadonlyMap<number, number> = new Map([
  [QUOTE, QUOTE],
  [BACKSLASH, BACKSLASH],
  [0x2f, 0x2f],
  [0x62, 0x08],
  [0x66, 0x0c],
  [0x6e, 0x0a],
  [0x72, 0x0d],
  [0x74, 0x09],
]);

export interface StringFaults {
  invalid(at: number): MalformedMessageError;
  badUtf8(): MalformedMessageError;
  refuse(reason: MalformedReason, message: string): void;
}

/** One string of JSON after the other, each in pieces. */
export class StreamedString {
  hasEnded = true;
  readonly #faults: StringFaults;
  readonly #utf8 = new Utf8Sequence();
  #key: StreamedKey | undefined;
  /** Of an escape: how much of it has come. */
  #escape: "none" | "kind" | "digits" = "none";
  #digits = 0;
  #unit = 0;
  /** First half of a surrogate pair whose second half has to come next; 0: none. */
  #highSurrogate = 0;

  constructor(faults: StringFaults) {
    this.#faults = faults;
  }

  /** The opening quote has been read. `key`: told what the string means. */
  begin(key: StreamedKey | undefined): void {
    this.#key = key;
    this.hasEnded = false;
  }

  /** Returns the index after what belongs to the string. */
  read(bytes: Uint8Array, at: number): number {
    let i = at;
    while (i < bytes.length) {
      if (this.#escape === "none" && this.#utf8.isComplete) i = this.#skipPlain(bytes, i);
      if (i === bytes.length) break;
      this.#readByte(bytes[i] as number, i);
      i++;
      if (this.hasEnded) break;
    }
    return i;
  }

  /** Over the characters that mean themselves. */
  #skipPlain(bytes: Uint8Array, at: number): number {
    let i = at;
    for (; i < bytes.length; i++) {
      const byte = bytes[i] as number;
      if (byte === QUOTE || byte === BACKSLASH || byte < SPACE || byte >= 0x80) break;
      this.#key?.addByte(byte);
    }
    if (i > at) this.#missLowSurrogate();
    return i;
  }

  #readByte(byte: number, at: number): void {
    if (this.#escape === "kind") this.#readKind(byte, at);
    else if (this.#escape === "digits") this.#readDigit(byte, at);
    else if (byte >= 0x80 || !this.#utf8.isComplete) this.#readUtf8(byte);
    else if (byte === BACKSLASH) this.#escape = "kind";
    else if (byte === QUOTE) this.#end();
    else throw this.#faults.invalid(at);
  }

  #end(): void {
    this.#missLowSurrogate();
    this.hasEnded = true;
    if (this.#key?.hasNul === true) {
      this.#faults.refuse("nul_character", "NUL character in a key: keys must not contain \\u0000");
    }
  }

  #readUtf8(byte: number): void {
    if (!this.#utf8.add(byte)) throw this.#faults.badUtf8();
    this.#missLowSurrogate();
    this.#key?.addByte(byte);
  }

  #readKind(kind: number, at: number): void {
    if (kind === LOWER_U) {
      this.#escape = "digits";
      this.#digits = 0;
      this.#unit = 0;
      return;
    }
    const meaning = ESCAPED.get(kind);
    if (meaning === undefined) throw this.#faults.invalid(at);
    this.#escape = "none";
    this.#missLowSurrogate();
    this.#key?.addByte(meaning);
  }

  #readDigit(byte: number, at: number): void {
    const digit = hexDigit(byte);
    if (digit < 0) throw this.#faults.invalid(at);
    this.#unit = this.#unit * 16 + digit;
    this.#digits++;
    if (this.#digits < 4) return;
    this.#escape = "none";
    this.#readUnit(this.#unit);
  }

  #readUnit(unit: number): void {
    const isLow = unit >= 0xdc00 && unit <= 0xdfff;
    if (this.#highSurrogate !== 0 && isLow) {
      this.#key?.addCharacter(0x10000 + (this.#highSurrogate - 0xd800) * 0x400 + (unit - 0xdc00));
      this.#highSurrogate = 0;
      return;
    }
    this.#missLowSurrogate();
    if (isLow) this.#refuseHalf();
    else if (unit >= 0xd800 && unit <= 0xdbff) this.#highSurrogate = unit;
    else this.#key?.addCharacter(unit);
  }

  /** Something else came than the second half of a pair. */
  #missLowSurrogate(): void {
    if (this.#highSurrogate === 0) return;
    this.#highSurrogate = 0;
    this.#refuseHalf();
  }

  #refuseHalf(): void {
    this.#faults.refuse("lone_surrogate", "half a surrogate pair: send whole Unicode characters");
  }
}

/** -1 when it is none. */
function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : -1;
}
