import { JsonScanner, OPEN_BRACE, type Range } from "./json-scanner.js";
import type { McpMessage } from "./message.js";
import { fold } from "./wanted-members.js";

/** parseMessage has bounded the depth already. */
const ANY_DEPTH = Number.POSITIVE_INFINITY;

/** The members of objects within a message that was parsed: read on demand, by whoever needs more than parseMessage keeps. */
export class ObjectMembers {
  readonly #scanner: JsonScanner;
  readonly #ranges = new Map<string, Range>();

  private constructor(scanner: JsonScanner, at: number) {
    this.#scanner = scanner;
    scanner.object(at, 1, (key, start) => {
      const end = scanner.value(start, 1);
      this.#ranges.set(key, [start, end]);
      return end;
    });
  }

  /** Undefined when there is no such range, or no object in it. */
  static of(message: McpMessage, range: Range | undefined): ObjectMembers | undefined {
    const scanner = new JsonScanner(message.bytes, ANY_DEPTH);
    return isObjectAt(scanner, range) ? new ObjectMembers(scanner, range[0]) : undefined;
  }

  get keys(): Iterable<string> {
    return this.#ranges.keys();
  }

  range(key: string): Range | undefined {
    return this.#ranges.get(key);
  }

  /** The JSON text of a member. */
  text(key: string): string | undefined {
    const range = this.range(key);
    return range === undefined ? undefined : this.#scanner.text(range);
  }

  /** Undefined for anything but a string. */
  string(key: string): string | undefined {
    const text = this.text(key);
    return text?.startsWith('"') === true ? (JSON.parse(text) as string) : undefined;
  }

  /** Undefined for anything but an object. */
  object(key: string): ObjectMembers | undefined {
    const range = this.range(key);
    return isObjectAt(this.#scanner, range) ? new ObjectMembers(this.#scanner, range[0]) : undefined;
  }

  /** Whether a member is called almost `key`: a reader that ignores case would take it for that. */
  hasVariantOf(key: string): boolean {
    const folded = fold(key);
    for (const other of this.#ranges.keys()) if (other !== key && fold(other) === folded) return true;
    return false;
  }
}

function isObjectAt(scanner: JsonScanner, range: Range | undefined): range is Range {
  return range !== undefined && scanner.bytes[range[0]] === OPEN_BRACE;
}
