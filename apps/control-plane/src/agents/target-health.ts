import type { ConnectRequest_TargetHealth as Health } from "@drawbridge/protocol";

/** A target that an agent starts and that does not stay. */
export interface FailingTarget {
  /** In a row. */
  readonly failures: number;
  /** In the agent's words, masked. */
  readonly reason: string;
  /** It is not started again before. */
  readonly retryAt: Date;
}

const MAX_TARGETS = 1_000;
const MAX_NAME_LENGTH = 128;
const MAX_REASON_LENGTH = 1_000;

/** What one agent said about the targets that fail there. It is gone with the agent, which says it again when it is back. */
export class TargetHealth {
  readonly #failing = new Map<string, FailingTarget>();

  report({ target, failures, reason, retryAfterMs }: Health, now: Date): void {
    this.#failing.delete(target);
    if (failures === 0 || target.length > MAX_NAME_LENGTH || this.#failing.size >= MAX_TARGETS) return;
    this.#failing.set(target, {
      failures,
      reason: reason.slice(0, MAX_REASON_LENGTH),
      retryAt: new Date(now.getTime() + retryAfterMs),
    });
  }

  of(target: string): FailingTarget | undefined {
    return this.#failing.get(target);
  }
}
