import { UnmaskableError } from "./unmaskable.js";

/** How long one message may take. */
export class Budget {
  #deadline: number;
  #left = 0;

  constructor(maxMillis: number) {
    this.#deadline = performance.now() + maxMillis;
  }

  check(): void {
    if (performance.now() > this.#deadline) throw new UnmaskableError("too_slow");
  }

  /** Stops the clock while nothing is done, such as while the next piece of a message is on its way. */
  pause(): void {
    this.#left = this.#deadline - performance.now();
  }

  resume(extraMillis: number): void {
    this.#deadline = performance.now() + this.#left + extraMillis;
  }
}
