import type { Logger } from "pino";

const AT_ONCE = 20;
const REFILL_MS = 3_000;

/**
 * The log of one session. Targets and clients cause what it says, so they must not fill the disk of the host with it: some
 * lines at once, one every few seconds after that, and how many were left out.
 */
export class SparseLog {
  readonly #log: Logger;
  readonly #now: () => number;
  #allowed = AT_ONCE;
  #countedAt: number;
  #leftOut = 0;

  /** `now`: monotonic milliseconds. */
  constructor(log: Logger, now: () => number = () => performance.now()) {
    this.#log = log;
    this.#now = now;
    this.#countedAt = now();
  }

  debug(message: string): void {
    if (this.#log.isLevelEnabled("debug") && this.#admit()) this.#log.debug(this.#counted({}), message);
  }

  warn(fields: object, message: string): void {
    if (this.#admit()) this.#log.warn(this.#counted(fields), message);
  }

  error(fields: object, message: string): void {
    if (this.#admit()) this.#log.error(this.#counted(fields), message);
  }

  #admit(): boolean {
    const now = this.#now();
    this.#allowed = Math.min(AT_ONCE, this.#allowed + (now - this.#countedAt) / REFILL_MS);
    this.#countedAt = now;
    if (this.#allowed < 1) {
      this.#leftOut += 1;
      return false;
    }
    this.#allowed -= 1;
    return true;
  }

  #counted(fields: object): object {
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    return leftOut === 0 ? fields : { ...fields, leftOut };
  }
}
