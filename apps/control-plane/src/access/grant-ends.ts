import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from "@nestjs/common";
import { Clock } from "../platform/clock.js";
import { EpochWatch } from "../platform/epoch-watch.js";
import { type Grants, LiveGrants } from "./live-grants.js";

/** A timer cannot wait for months, and a clock that is set meanwhile is noticed. */
const LONGEST_WAIT_MS = 3_600_000;
const SOON_MS = 1_000;

/**
 * Calls its listeners in every process when a grant begins or ends by its time, within 100 ms: nothing changes in the
 * database then that would tell.
 */
@Injectable()
export class GrantEnds implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger("access");
  private readonly listeners: (() => Promise<void>)[] = [];
  private grants: Grants | undefined;
  private toldUntil: number;
  private timer: NodeJS.Timeout | undefined;
  private telling: Promise<void> | undefined;
  private isOver = false;

  constructor(
    private readonly live: LiveGrants,
    watch: EpochWatch,
    private readonly clock: Clock,
  ) {
    this.toldUntil = clock.now().getTime();
    watch.onChange(async (epoch) => this.arm((await this.live.atLeast(epoch)).value));
  }

  /** What it throws is logged, and it is called again soon. */
  onEnd(listener: () => Promise<void>): void {
    this.listeners.push(listener);
  }

  async onApplicationBootstrap(): Promise<void> {
    try {
      this.arm((await this.live.get()).value);
    } catch (error) {
      this.logger.warn("the ends of grants cannot be read yet", messageOf(error));
    }
  }

  async onModuleDestroy(): Promise<void> {
    this.isOver = true;
    clearTimeout(this.timer);
    await this.telling;
  }

  private arm(grants: Grants): void {
    this.grants = grants;
    this.wait();
  }

  private wait(): void {
    clearTimeout(this.timer);
    // Who tells waits for the next one afterwards.
    if (this.isOver || this.telling || !this.grants) return;
    const next = nextAfter(this.grants, this.toldUntil);
    const delay = Math.min(Math.max(next - this.clock.now().getTime(), 0), LONGEST_WAIT_MS);
    this.timer = setTimeout(() => this.look(), delay).unref();
  }

  private look(): void {
    const now = this.clock.now().getTime();
    const isDue = this.grants !== undefined && nextAfter(this.grants, this.toldUntil) <= now;
    if (!isDue) return this.wait();
    this.telling = this.tell(now).then((isTold) => {
      this.telling = undefined;
      if (isTold) this.wait();
      else if (!this.isOver) this.timer = setTimeout(() => this.look(), SOON_MS).unref();
    });
  }

  /** Whether all have heard. */
  private async tell(until: number): Promise<boolean> {
    let isTold = true;
    for (const listener of this.listeners) {
      try {
        await listener();
      } catch (error) {
        isTold = false;
        this.logger.error("what follows from the end of a grant could not be done yet", messageOf(error));
      }
    }
    if (isTold) this.toldUntil = Math.max(this.toldUntil, until);
    return isTold;
  }
}

/** The next moment at which one begins or ends; Infinity when none does. */
function nextAfter({ all }: Grants, after: number): number {
  let next = Infinity;
  for (const { startsAt, endsAt } of all) {
    if (startsAt.getTime() > after) next = Math.min(next, startsAt.getTime());
    if (endsAt.getTime() > after) next = Math.min(next, endsAt.getTime());
  }
  return next;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
