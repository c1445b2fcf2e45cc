import type { Brake } from "./brake.js";

/** Some milliseconds of work. */
const TURN_BYTES = 128 * 1024;
const PIECE_BYTES = 64 * 1024;

/**
 * Works on the bytes of one session so much at a time that the others of this process have their turn in between.
 * Meanwhile the target is stopped, so that no more waits here than came at once.
 */
export class Turns {
  readonly #brake: Brake;
  readonly #work: (piece: Uint8Array) => void;
  #waiting: Uint8Array[] = [];
  #left = TURN_BYTES;
  #isStopped = false;

  constructor(brake: Brake, work: (piece: Uint8Array) => void) {
    this.#brake = brake;
    this.#work = work;
  }

  push(bytes: Uint8Array): void {
    for (let start = 0; start < bytes.length; start += PIECE_BYTES)
      this.#waiting.push(bytes.subarray(start, start + PIECE_BYTES));
    this.#take();
  }

  /** Works on all that waits, now. */
  finish(): void {
    for (const piece of this.#waiting.splice(0)) this.#work(piece);
  }

  /** Forgets what waits. */
  drop(): void {
    this.#waiting = [];
  }

  #take(): void {
    while (this.#left > 0) {
      const piece = this.#waiting.shift();
      if (!piece) return;
      this.#left -= piece.length;
      this.#work(piece);
    }
    this.#stop();
  }

  #stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#brake.hold(this);
    setImmediate(() => this.#goOn());
  }

  #goOn(): void {
    this.#isStopped = false;
    this.#left = TURN_BYTES;
    this.#take();
    if (!this.#isStopped) this.#brake.release(this);
  }
}
