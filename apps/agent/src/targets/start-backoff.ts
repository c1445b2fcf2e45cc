/** How a target's processes fare on this host. */
export interface TargetHealth {
  readonly target: string;
  /** Failures in a row; 0: it works again. */
  readonly failures: number;
  /** It is not started again before this has passed. */
  readonly retryAfterMs: number;
  /** Quotes nothing the target said. */
  readonly reason: string;
}

export interface StartBackoffOptions {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** A target failed once more, or works again after it had failed. */
  readonly onHealth: (health: TargetHealth) => void;
}

/**
 * "unusable": nothing shows that it can be used at all. "in_use": it took part in MCP, or may have, before it failed:
 * one caller's calls may have been the reason, and they must not keep the target from everybody else.
 */
export type FailureKind = "unusable" | "in_use";

interface Failing {
  readonly failures: number;
  /** The last of those, as far as nothing showed that it can be used. */
  readonly unusable: number;
  readonly retryAt: number;
  readonly reason: string;
}

/** Failures in a row that are nobody's business yet: a process may die of one bad call. */
const TOLERATED = 2;
const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 5 * 60_000;
const LONGEST_DELAY_IN_USE_MS = 5_000;
/** Names come from the control plane: what is remembered about them is bounded. */
const MAX_TARGETS = 1_000;

/**
 * Keeps a target that fails again and again from being started all the time: 1 s, 2 s, 4 s … 5 min apart, and never
 * more than 5 s for failures in use.
 */
export class StartBackoff {
  readonly #options: StartBackoffOptions;
  readonly #failing = new Map<string, Failing>();

  constructor(options: StartBackoffOptions) {
    this.#options = options;
  }

  /** Every target that failed when it was last started. */
  get failing(): readonly TargetHealth[] {
    return [...this.#failing].map(([target, failing]) => this.#describe(target, failing));
  }

  /** In words why the target is not to be started now, or undefined. */
  problemWith(target: string): string | undefined {
    const failing = this.#failing.get(target);
    const waitMs = (failing?.retryAt ?? 0) - this.#options.now();
    if (!failing || waitMs <= 0) return undefined;
    return (
      `the target failed ${failing.failures} times in a row (${failing.reason}): ` +
      `it is started again in ${Math.ceil(waitMs / 1_000)} s at the earliest`
    );
  }

  failed(target: string, reason: string, kind: FailureKind): void {
    const before = this.#failing.get(target);
    const failures = (before?.failures ?? 0) + 1;
    // Whatever took part in MCP can be used.
    const unusable = kind === "in_use" ? 0 : (before?.unusable ?? 0) + 1;
    const delayMs = Math.max(delayAfter(unusable), Math.min(delayAfter(failures), LONGEST_DELAY_IN_USE_MS));
    // One that failed while it could still be started does not shorten what another has brought about meanwhile.
    const retryAt = Math.max(before?.retryAt ?? 0, this.#options.now() + delayMs);
    const failing = { failures, unusable, retryAt, reason };
    // Last failed, last in the map: the oldest is forgotten first.
    this.#failing.delete(target);
    this.#failing.set(target, failing);
    const [oldest] = this.#failing.keys();
    if (this.#failing.size > MAX_TARGETS && oldest !== undefined) this.#failing.delete(oldest);
    this.#options.onHealth(this.#describe(target, failing));
  }

  worked(target: string): void {
    if (!this.#failing.delete(target)) return;
    this.#options.onHealth({ target, failures: 0, retryAfterMs: 0, reason: "" });
  }

  #describe(target: string, { failures, retryAt, reason }: Failing): TargetHealth {
    return { target, failures, retryAfterMs: Math.max(0, Math.ceil(retryAt - this.#options.now())), reason };
  }
}

function delayAfter(failures: number): number {
  if (failures <= TOLERATED) return 0;
  return Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(failures - TOLERATED - 1, 20));
}
