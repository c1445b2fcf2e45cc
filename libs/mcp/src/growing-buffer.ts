import { Buffer } from "node:buffer";

const FIRST_CAPACITY = 1024;
const EMPTY = Buffer.alloc(0);

/** Collects bytes in linear time, however small the pieces: the capacity doubles. */
export class GrowingBuffer {
  #buffer = EMPTY;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  append(bytes: Uint8Array): void {
    const length = this.#length + bytes.length;
    if (length > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(length, this.#buffer.length * 2, FIRST_CAPACITY));
      this.#buffer.copy(larger, 0, 0, this.#length);
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, this.#length);
    this.#length = length;
  }

  /** The last byte, or undefined when there is none. */
  last(): number | undefined {
    return this.#length === 0 ? undefined : this.#buffer[this.#length - 1];
  }

  /** What was collected so far. */
  peek(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Starts anew in the same memory: nobody may keep what was collected. */
  clear(): void {
    this.#length = 0;
  }

  /** What was collected; starts anew. */
  take(): Uint8Array {
    const taken = this.#buffer.subarray(0, this.#length);
    this.#buffer = EMPTY;
    this.#length = 0;
    return taken;
  }
}
