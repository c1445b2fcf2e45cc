import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from "@nestjs/common";
import { Database } from "./database.js";
import { readEpoch } from "./epoch-snapshot.js";

// What is open has to hear of a change within a second, and what follows takes a while, too.
const LOOK_EVERY_MS = 400;

/** Called with the epoch that was found. What it throws is logged; the next change calls it again. */
export type EpochListener = (epoch: bigint) => Promise<void>;

/**
 * Notices in every process that something has changed that decisions depend on, also where nothing is asked or recorded
 * that would tell. By looking: notifications of Postgres do not pass every pooler, and one that is lost would be missed.
 */
@Injectable()
export class EpochWatch implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger("epoch");
  private readonly listeners: EpochListener[] = [];
  /** No epoch is that: who does not know which it was takes the next one for a change. */
  private seen = 0n;
  private looking: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly database: Database) {}

  /** The listeners are called one after the other, and for one epoch after the other. */
  onChange(listener: EpochListener): void {
    this.listeners.push(listener);
  }

  /** Nothing is open yet, so that whatever changes from here on is a change for what will be. */
  async onApplicationBootstrap(): Promise<void> {
    this.seen = await readEpoch(this.database).catch(() => 0n);
    this.timer = setInterval(() => void this.look(), LOOK_EVERY_MS).unref();
  }

  async onModuleDestroy(): Promise<void> {
    clearInterval(this.timer);
    await this.looking;
  }

  private look(): Promise<void> {
    this.looking ??= this.lookOnce().finally(() => (this.looking = undefined));
    return this.looking;
  }

  private async lookOnce(): Promise<void> {
    try {
      const epoch = await readEpoch(this.database);
      if (epoch === this.seen) return;
      this.seen = epoch;
      for (const listener of this.listeners) await this.tell(listener, epoch);
    } catch (error) {
      this.logger.warn("whether anything changed cannot be read", messageOf(error));
    }
  }

  private async tell(listener: EpochListener, epoch: bigint): Promise<void> {
    try {
      await listener(epoch);
    } catch (error) {
      // It is told again, as of a change.
      this.seen = 0n;
      this.logger.error("what follows from a change could not be done yet", messageOf(error));
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
