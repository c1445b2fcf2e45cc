import { UnmaskableError } from "./unmaskable.js";

/** How long one message may take. */
export class Budget {
  readonly #deadline: number;

  constructor(maxMillis: number) {
    this.#deadline = performance.now() + maxMillis;
  }

  check(): void {
    if (performance.now() > this.#deadline) throw new UnmaskableError("too_slow");
  }
}
