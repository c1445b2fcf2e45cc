import type { JsonRpcId } from "./json-rpc-id.js";
import type { JsonScanner, Range } from "./json-scanner.js";
import { MalformedMessageError, type MalformedReason } from "./malformed-message-error.js";

/** Longest method, name, URI, task id and protocol version, in UTF-16 units: they go into indexes, logs and lists. */
const MAX_STRING_LENGTH = 8192;
/** Longest id or token, in bytes of JSON: they are remembered for as long as a request is under way. */
const MAX_ID_BYTES = 1024;

const QUOTE = 0x22;
const OPEN_BRACE = 0x7b;

/** What scanMessage found: the ranges by path, and typed readings of them. */
export class FoundMembers {
  readonly ranges = new Map<string, Range>();
  readonly #scanner: JsonScanner;

  constructor(scanner: JsonScanner) {
    this.#scanner = scanner;
  }

  has(path: string): boolean {
    return this.ranges.has(path);
  }

  isObject(path: string): boolean {
    return this.#firstByte(path) === OPEN_BRACE;
  }

  isNull(path: string): boolean {
    const range = this.ranges.get(path);
    return range !== undefined && this.#scanner.text(range) === "null";
  }

  /** Undefined when it is absent or not a string. Throws for a NUL, which ends a string for some readers, and for length. */
  string(path: string, reason: MalformedReason): string | undefined {
    const range = this.ranges.get(path);
    if (range === undefined || this.#firstByte(path) !== QUOTE) return undefined;
    const text = this.#scanner.decodeString(range[0], range[1]);
    if (text.includes("\0")) {
      throw new MalformedMessageError(
        "nul_character",
        `NUL character in ${path}: it must not contain \\u0000`,
      );
    }
    if (text.length > MAX_STRING_LENGTH) {
      throw new MalformedMessageError(
        reason,
        `${path} is too long: the limit is ${MAX_STRING_LENGTH} characters`,
      );
    }
    return text;
  }

  /** Undefined when it is absent or not a string or an integer of acceptable length. */
  id(path: string): JsonRpcId | undefined {
    const range = this.ranges.get(path);
    if (range === undefined || range[1] - range[0] > MAX_ID_BYTES) return undefined;
    const text = this.#scanner.text(range);
    return text.startsWith('"') || /^-?[0-9]+$/.test(text) ? { text } : undefined;
  }

  #firstByte(path: string): number | undefined {
    const range = this.ranges.get(path);
    return range === undefined ? undefined : this.#scanner.bytes[range[0]];
  }
}
