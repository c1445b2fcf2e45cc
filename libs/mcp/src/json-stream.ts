import { StreamedKey } from "./streamed-key.js";
import { StreamedString } from "./streamed-string.js";
import { MalformedMessageError, type MalformedReason } from "./malformed-message-error.js";

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const SPACE = 0x20;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

const LITERALS: ReadonlyMap<number, string> = new Map([
  [0x74, "true"],
  [0x66, "false"],
  [0x6e, "null"],
]);

/** Told what the text consists of, in its order. */
export interface JsonStreamListener {
  key(key: StreamedKey): void;
  /** `first`: its first byte, which says what it is. Whether its text is to be told in text(). */
  beginValue(first: number): boolean;
  /** A piece of a string (with its quotes), number or literal. */
  text(bytes: Uint8Array): void;
  /** Of a string, number or literal. */
  endText(): void;
  endContainer(): void;
  refuse(reason: MalformedReason, message: string): void;
}

/** What is expected next, and how it is read. */
interface Place {
  /** Within a string, number or literal: white space is none. */
  readonly isInText: boolean;
  readonly read: (bytes: Uint8Array, at: number) => number;
}

/**
 * As JsonScanner, for text that comes in chunks and is not kept: strictly by RFC 8259, in memory that does not grow with
 * the text. Throws MalformedMessageError for text that is no JSON in UTF-8 or too deep, and refuses what two readers could
 * read differently; duplicate keys are for the listener to find.
 */
export class JsonStream {
  readonly #listener: JsonStreamListener;
  readonly #maxDepth: number;
  readonly #key = new StreamedKey();
  readonly #string: StreamedString;
  /** Of each container that is open: whether it is an object. */
  readonly #containers: boolean[] = [];
  /** Looked up by name once: a name for each byte would be slow. */
  readonly #places = {
    value: between((bytes, at) => this.#readValue(bytes, at)),
    firstElement: between((bytes, at) => this.#readFirstElement(bytes, at)),
    firstKey: between((bytes, at) => this.#readFirstKey(bytes, at)),
    key: between((bytes, at) => this.#readKey(bytes, at)),
    colon: between((bytes, at) => this.#readColon(bytes, at)),
    afterValue: between((bytes, at) => this.#readAfterValue(bytes, at)),
    keyText: within((bytes, at) => this.#readKeyText(bytes, at)),
    string: within((bytes, at) => this.#readString(bytes, at)),
    number: within((bytes, at) => this.#readNumber(bytes, at)),
    literal: within((bytes, at) => this.#readLiteral(bytes, at)),
    end: between((_bytes, at) => this.#readEnd(at)),
  };
  #place: Place = this.#places.value;
  #tellsText = false;
  #number: NumberPlace = "sign";
  #literal = "";
  #literalAt = 0;
  /** Bytes before the chunk. */
  #offset = 0;

  constructor(listener: JsonStreamListener, maxDepth: number) {
    this.#listener = listener;
    this.#maxDepth = maxDepth;
    this.#string = new StreamedString({
      invalid: (at) => this.#invalid(at),
      badUtf8: () => new MalformedMessageError("invalid_utf8", "invalid UTF-8: encode the message as UTF-8"),
      refuse: (reason, message) => listener.refuse(reason, message),
    });
  }

  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      const start = this.#place.isInText ? at : skipWhitespace(chunk, at);
      at = start === chunk.length ? start : this.#place.read(chunk, start);
    }
    this.#offset += chunk.length;
  }

  /** Throws when the text stops in the middle. */
  end(): void {
    if (this.#place !== this.#places.end) throw this.#invalid(0);
  }

  #readValue(bytes: Uint8Array, at: number): number {
    const first = bytes[at] as number;
    this.#tellsText = this.#listener.beginValue(first);
    if (first === OPEN_BRACE || first === OPEN_BRACKET) return this.#open(first === OPEN_BRACE, at);
    if (first === QUOTE) {
      this.#string.begin(undefined);
      this.#place = this.#places.string;
      this.#tell(bytes, at, at + 1);
      return at + 1;
    }
    this.#literal = LITERALS.get(first) ?? "";
    this.#literalAt = 0;
    this.#number = "sign";
    this.#place = this.#literal === "" ? this.#places.number : this.#places.literal;
    return at;
  }

  #open(isObject: boolean, at: number): number {
    if (this.#containers.length >= this.#maxDepth) {
      throw new MalformedMessageError(
        "too_deep",
        `nested too deeply at byte ${this.#offset + at}: the limit is ${this.#maxDepth}`,
      );
    }
    this.#containers.push(isObject);
    this.#place = isObject ? this.#places.firstKey : this.#places.firstElement;
    return at + 1;
  }

  #readFirstElement(bytes: Uint8Array, at: number): number {
    if (bytes[at] === CLOSE_BRACKET) return this.#close(at);
    this.#place = this.#places.value;
    return at;
  }

  #readFirstKey(bytes: Uint8Array, at: number): number {
    if (bytes[at] === CLOSE_BRACE) return this.#close(at);
    this.#place = this.#places.key;
    return at;
  }

  #close(at: number): number {
    this.#containers.pop();
    this.#goOn();
    this.#listener.endContainer();
    return at + 1;
  }

  #endText(): void {
    this.#goOn();
    this.#listener.endText();
  }

  #goOn(): void {
    this.#place = this.#containers.length === 0 ? this.#places.end : this.#places.afterValue;
  }

  #readKey(bytes: Uint8Array, at: number): number {
    if (bytes[at] !== QUOTE) throw this.#invalid(at);
    this.#key.begin();
    this.#string.begin(this.#key);
    this.#place = this.#places.keyText;
    return at + 1;
  }

  #readKeyText(bytes: Uint8Array, at: number): number {
    const end = this.#string.read(bytes, at);
    if (!this.#string.hasEnded) return end;
    this.#place = this.#places.colon;
    this.#listener.key(this.#key);
    return end;
  }

  #readColon(bytes: Uint8Array, at: number): number {
    if (bytes[at] !== COLON) throw this.#invalid(at);
    this.#place = this.#places.value;
    return at + 1;
  }

  #readAfterValue(bytes: Uint8Array, at: number): number {
    const isObject = this.#containers.at(-1) === true;
    if (bytes[at] === (isObject ? CLOSE_BRACE : CLOSE_BRACKET)) return this.#close(at);
    if (bytes[at] !== COMMA) throw this.#invalid(at);
    this.#place = isObject ? this.#places.key : this.#places.value;
    return at + 1;
  }

  #readString(bytes: Uint8Array, at: number): number {
    const end = this.#string.read(bytes, at);
    this.#tell(bytes, at, end);
    if (this.#string.hasEnded) this.#endText();
    return end;
  }

  #readNumber(bytes: Uint8Array, at: number): number {
    let i = at;
    for (; i < bytes.length; i++) {
      const next = NEXT_IN_NUMBER[this.#number](bytes[i] as number);
      if (next === undefined) break;
      this.#number = next;
    }
    this.#tell(bytes, at, i);
    if (i === bytes.length) return i;
    if (!ENDS_NUMBER.has(this.#number)) throw this.#invalid(i);
    this.#endText();
    return i;
  }

  #readLiteral(bytes: Uint8Array, at: number): number {
    let i = at;
    while (i < bytes.length && this.#literalAt < this.#literal.length) {
      if (bytes[i] !== this.#literal.charCodeAt(this.#literalAt)) throw this.#invalid(i);
      this.#literalAt++;
      i++;
    }
    this.#tell(bytes, at, i);
    if (this.#literalAt === this.#literal.length) this.#endText();
    return i;
  }

  #readEnd(at: number): never {
    throw this.#invalid(at);
  }

  #tell(bytes: Uint8Array, start: number, end: number): void {
    if (this.#tellsText) this.#listener.text(bytes.subarray(start, end));
  }

  #invalid(at: number): MalformedMessageError {
    return new MalformedMessageError(
      "invalid_json",
      `invalid JSON at byte ${this.#offset + at}: send one JSON object (RFC 8259)`,
    );
  }
}

function between(read: Place["read"]): Place {
  return { isInText: false, read };
}

function within(read: Place["read"]): Place {
  return { isInText: true, read };
}

function skipWhitespace(bytes: Uint8Array, at: number): number {
  let i = at;
  for (;;) {
    const byte = bytes[i];
    if (byte !== SPACE && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return i;
    i++;
  }
}

type NumberPlace =
  | "sign"
  | "first"
  | "zero"
  | "whole"
  | "point"
  | "fraction"
  | "e"
  | "exponentSign"
  | "exponent";

const ENDS_NUMBER: ReadonlySet<NumberPlace> = new Set<NumberPlace>(["zero", "whole", "fraction", "exponent"]);

/** Where a number is after one more byte, or undefined when that byte is none of it. */
const NEXT_IN_NUMBER: Readonly<Record<NumberPlace, (byte: number) => NumberPlace | undefined>> = {
  sign: (byte) => (byte === 0x2d ? "first" : firstDigit(byte)),
  first: firstDigit,
  zero: afterWhole,
  whole: (byte) => (isDigit(byte) ? "whole" : afterWhole(byte)),
  point: (byte) => (isDigit(byte) ? "fraction" : undefined),
  fraction: (byte) => (isDigit(byte) ? "fraction" : beforeExponent(byte)),
  e: (byte) => (byte === 0x2b || byte === 0x2d ? "exponentSign" : exponentDigit(byte)),
  exponentSign: exponentDigit,
  exponent: exponentDigit,
};

function firstDigit(byte: number): NumberPlace | undefined {
  if (byte === 0x30) return "zero";
  return isDigit(byte) ? "whole" : undefined;
}

function afterWhole(byte: number): NumberPlace | undefined {
  return byte === 0x2e ? "point" : beforeExponent(byte);
}

function beforeExponent(byte: number): NumberPlace | undefined {
  return byte === 0x65 || byte === 0x45 ? "e" : undefined;
}

function exponentDigit(byte: number): NumberPlace | undefined {
  return isDigit(byte) ? "exponent" : undefined;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}
