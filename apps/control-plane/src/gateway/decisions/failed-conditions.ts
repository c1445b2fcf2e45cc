import { Injectable, Logger } from "@nestjs/common";
import type { FailedCondition } from "@drawbridge/policy";
import { Clock } from "../../platform/clock.js";

const SILENT_MS = 60_000;
const MOST_REMEMBERED = 1_000;

/** Tells the operator of conditions that could not be evaluated: of each rule once a minute, however many calls it stops. */
@Injectable()
export class FailedConditions {
  private readonly logger = new Logger("policies");
  private readonly told = new Map<string, number>();

  constructor(private readonly clock: Clock) {}

  report(failed: readonly FailedCondition[] = []): void {
    for (const { policy, rule, problem } of failed) {
      if (this.isNew(JSON.stringify([policy, rule])))
        this.logger.warn("a policy's condition could not be evaluated", { policy, rule, problem });
    }
  }

  private isNew(key: string): boolean {
    const now = this.clock.now().getTime();
    if (now - (this.told.get(key) ?? Number.NEGATIVE_INFINITY) < SILENT_MS) return false;
    if (this.told.size >= MOST_REMEMBERED) this.told.clear();
    this.told.set(key, now);
    return true;
  }
}
