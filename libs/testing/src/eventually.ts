import { setTimeout as sleep } from "node:timers/promises";

export interface EventuallyOptions {
  /** 5000 unless told. */
  readonly timeoutMs?: number;
  /** 20 unless told. */
  readonly intervalMs?: number;
}

/**
 * Calls `fn` until it neither throws nor returns false, and resolves to what it returned. After the time-out it rejects
 * with what `fn` threw last. `fn` is called at least once.
 */
export async function eventually<T>(fn: () => T | Promise<T>, options: EventuallyOptions = {}): Promise<T> {
  const { timeoutMs = 5000, intervalMs = 20 } = options;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    let failure: unknown;
    try {
      const value = await fn();
      if (value !== false) return value;
      failure = new Error(`still false after ${timeoutMs} ms`);
    } catch (error) {
      failure = error;
    }
    if (performance.now() >= deadline) throw failure;
    await sleep(intervalMs);
  }
}
