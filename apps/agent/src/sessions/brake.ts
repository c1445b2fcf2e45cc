/** Stops a target while there is any reason to. */
export class Brake {
  readonly #reasons = new Set<unknown>();
  readonly #onChange: (isHeld: boolean) => void;

  constructor(onChange: (isHeld: boolean) => void) {
    this.#onChange = onChange;
  }

  get isHeld(): boolean {
    return this.#reasons.size > 0;
  }

  /** `reason` is whatever is named again when it no longer holds. */
  hold(reason: unknown): void {
    const wasHeld = this.isHeld;
    this.#reasons.add(reason);
    if (!wasHeld) this.#onChange(true);
  }

  release(reason: unknown): void {
    if (this.#reasons.delete(reason) && !this.isHeld) this.#onChange(false);
  }
}
