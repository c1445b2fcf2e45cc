import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";

/** Longer keys are none that is looked for, in any case of their letters. */
const MAX_TEXT_BYTES = 192;
const HIGH_BITS = 2 ** 21 - 1;

/**
 * What a key means, from the bytes of its decoded text, without keeping it. The hash depends on secret multipliers: whoever
 * chooses the keys cannot choose keys that collide.
 */
export class StreamedKey {
  readonly #firstMultiplier = oddNumber();
  readonly #secondMultiplier = oddNumber();
  readonly #text = Buffer.alloc(MAX_TEXT_BYTES);
  #length = 0;
  #first = 0;
  #second = 0;
  hasNul = false;

  begin(): void {
    this.#length = 0;
    this.#first = 0;
    this.#second = 0;
    this.hasNul = false;
  }

  addByte(byte: number): void {
    this.#first = mix(this.#first ^ byte, this.#firstMultiplier);
    this.#second = mix(this.#second ^ byte, this.#secondMultiplier);
    if (byte === 0) this.hasNul = true;
    if (this.#length < MAX_TEXT_BYTES) this.#text[this.#length] = byte;
    this.#length++;
  }

  addCharacter(codePoint: number): void {
    if (codePoint < 0x80) this.addByte(codePoint);
    else for (const byte of Buffer.from(String.fromCodePoint(codePoint))) this.addByte(byte);
  }

  /** A positive integer of 53 bits; equal for keys that mean the same. */
  get hash(): number {
    const first = mix(this.#first ^ this.#length, this.#firstMultiplier) >>> 0;
    const second = mix(this.#second ^ this.#length, this.#secondMultiplier) & HIGH_BITS;
    return second * 2 ** 32 + first + 1;
  }

  /** Undefined when it is longer than any key that is looked for. */
  get text(): string | undefined {
    return this.#length > MAX_TEXT_BYTES ? undefined : this.#text.toString("utf8", 0, this.#length);
  }
}

function mix(value: number, multiplier: number): number {
  const product = Math.imul(value + 1, multiplier);
  return product ^ (product >>> 15);
}

function oddNumber(): number {
  return randomBytes(4).readUInt32LE() | 1;
}
