import { Logger } from "@nestjs/common";
import type { ApprovalsRepository } from "./approvals.repository.js";

/** How long a caller counts as present after a leg of theirs. */
export const PRESENT_MS = 60_000;
const RENEW_MS = 15_000;
/** After a failure: long before anybody counts as absent. */
const RETRY_MS = 1_000;

/**
 * That callers are there: of each approval, how many requests of this process wait for it. While there are any the database
 * is told every 15 s, for all at once, that their callers are present.
 */
export class CallerPresence {
  private readonly logger = new Logger("approvals");
  private readonly open = new Map<string, number>();
  /** What is to be said with the next statement, with the exchange that waits now. */
  private readonly fresh = new Map<string, number | undefined>();
  private saying: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private isFailing = false;

  constructor(
    private readonly repository: ApprovalsRepository,
    private readonly now: () => Date,
  ) {}

  /** A leg is open until the result is called. `exchange`: of the session of the approval, where it waits in one. */
  attend(id: string, exchange?: number): () => Promise<void> {
    this.open.set(id, (this.open.get(id) ?? 0) + 1);
    if (!this.timer) this.renewIn(RENEW_MS);
    const begun = this.say(id, exchange);
    let ended: Promise<void> | undefined;
    return () => (ended ??= this.leave(id, begun));
  }

  /** Says of all of them at once that they are there. Never fails. */
  async renew(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.open.size === 0) return;
    await Promise.all([...this.open.keys()].map((id) => this.say(id)));
    if (!this.timer) this.renewIn(RENEW_MS);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.open.clear();
  }

  private renewIn(ms: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.renew(), ms).unref();
  }

  private async leave(id: string, begun: Promise<void>): Promise<void> {
    await begun;
    const left = (this.open.get(id) ?? 1) - 1;
    if (left > 0) this.open.set(id, left);
    else this.open.delete(id);
    // From now on it counts.
    await this.say(id);
  }

  /** Resolves when it is said, or is known not to be. One statement at a time; what comes meanwhile is in the next one. */
  private say(id: string, exchange?: number): Promise<void> {
    this.fresh.set(id, exchange ?? this.fresh.get(id));
    this.saying ??= this.sayAll();
    return this.saying;
  }

  private async sayAll(): Promise<void> {
    // Whoever comes in the same turn is in the same statement.
    await Promise.resolve();
    while (this.fresh.size > 0) {
      const legs = [...this.fresh].map(([id, exchange]) => ({ id, exchange }));
      this.fresh.clear();
      try {
        await this.repository.present(legs, new Date(this.now().getTime() + PRESENT_MS));
        this.isFailing = false;
      } catch (error) {
        if (!this.isFailing)
          this.logger.warn("who waits for approvals cannot be written down", messageOf(error));
        this.isFailing = true;
        this.renewIn(RETRY_MS);
      }
    }
    this.saying = undefined;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
