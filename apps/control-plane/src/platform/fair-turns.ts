import { setImmediate as turn } from "node:timers/promises";

const HELD_MS = 5;

/** Long work in pieces of a few milliseconds, so that nobody's call waits for it. */
export class FairTurns {
  private since = performance.now();

  /** Resolves at once, or after others had their turn when this work has held the process for some milliseconds. */
  async next(): Promise<void> {
    if (performance.now() - this.since < HELD_MS) return;
    await turn();
    this.since = performance.now();
  }
}
