/** Why a target is stopped. congestion: the stream to the control plane is slow. turn: other sessions are due. */
export type BrakeReason = "congestion" | "turn";

/** Stops a target while there is any reason to. */
export class Brake {
  readonly #reasons = new Set<BrakeReason>();
  readonly #onChange: (isHeld: boolean) => void;

  constructor(onChange: (isHeld: boolean) => void) {
    this.#onChange = onChange;
  }

  get isHeld(): boolean {
    return this.#reasons.size > 0;
  }

  hold(reason: BrakeReason): void {
    const wasHeld = this.isHeld;
    this.#reasons.add(reason);
    if (!wasHeld) this.#onChange(true);
  }

  release(reason: BrakeReason): void {
    if (this.#reasons.delete(reason) && !this.isHeld) this.#onChange(false);
  }
}
