/** Milliseconds on a clock that never jumps. */
export type MonotonicClock = () => number;

/** The longest an agent operates without hearing from its control plane, whatever that asks for. */
export const LONGEST_PERMISSION_MS = 60_000;

/**
 * The permission to operate that one control plane gives: it lasts a while from the moment the last answered ping was
 * *sent*, so it never outlives what the control plane believes. When it lapses `onLapse` is called, once until renewed.
 */
export class Permission {
  readonly #now: MonotonicClock;
  readonly #onLapse: () => void;
  #until = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(now: MonotonicClock, onLapse: () => void) {
    this.#now = now;
    this.#onLapse = onLapse;
  }

  get holds(): boolean {
    return this.#now() < this.#until;
  }

  /** An answer to an older ping never shortens what a newer one gave. More than a minute counts as a minute. */
  renew(sentAt: number, durationMs: number): void {
    if (this.#isStopped) return;
    this.#until = Math.max(this.#until, sentAt + Math.min(durationMs, LONGEST_PERMISSION_MS));
    this.#timer ??= this.#schedule();
  }

  /** An answer that is still on its way changes nothing any more. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #schedule(): NodeJS.Timeout {
    return setTimeout(() => this.#check(), Math.max(1, Math.ceil(this.#until - this.#now())));
  }

  #check(): void {
    this.#timer = undefined;
    if (this.holds) this.#timer = this.#schedule();
    else this.#onLapse();
  }
}
