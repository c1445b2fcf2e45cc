import { Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from "@nestjs/common";
import { Messages } from "../platform/jobs.js";
import { EventHistory } from "./event-history.js";
import { EVENTS_TOPIC } from "./event-log.js";
import { BEGINNING, type EventPosition, isAfter } from "./event-position.js";
import type { LiveEvent } from "./live-events.repository.js";

const LOOK_EVERY_MS = 500;
const BATCH = 500;

/** Is told each event once, in order. It must not throw. */
export interface EventListener {
  tell(events: readonly LiveEvent[]): void;
}

/**
 * Tells what happens to everybody in this process who listens, by one look at the log for all of them: every half
 * second, and at once when another process says that there is something. Nobody listens: nobody looks.
 */
@Injectable()
export class EventFeed implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger("events");
  /** Where each of them is. */
  private readonly listeners = new Map<EventListener, EventPosition>();
  private position: EventPosition = BEGINNING;
  private looking: Promise<void> | undefined;
  private lookAgain = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly history: EventHistory,
    private readonly messages: Messages,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.messages.subscribe(EVENTS_TOPIC, () => void this.look());
  }

  async onModuleDestroy(): Promise<void> {
    this.listeners.clear();
    clearInterval(this.timer);
    await this.looking;
  }

  /**
   * From here on the listener is told what is behind `from`. False when the feed is further by now: then the listener
   * has to read up to there first.
   */
  join(listener: EventListener, from: EventPosition): boolean {
    if (this.listeners.size === 0) {
      this.position = from;
      this.timer = setInterval(() => void this.look(), LOOK_EVERY_MS).unref();
    } else if (isAfter(this.position, from)) {
      return false;
    }
    this.listeners.set(listener, from);
    return true;
  }

  leave(listener: EventListener): void {
    this.listeners.delete(listener);
    if (this.listeners.size === 0) clearInterval(this.timer);
  }

  /** Resolves when what is there by now has been told. */
  look(): Promise<void> {
    if (this.looking) this.lookAgain = true;
    else this.looking = this.lookUntilNothingIsNew();
    return this.looking ?? Promise.resolve();
  }

  private async lookUntilNothingIsNew(): Promise<void> {
    try {
      do {
        this.lookAgain = false;
        await this.readOn();
      } while (this.lookAgain && this.listeners.size > 0);
    } catch (error) {
      this.logger.warn("events cannot be read", error instanceof Error ? error.message : undefined);
    } finally {
      this.looking = undefined;
    }
  }

  private async readOn(): Promise<void> {
    for (let more = true; more && this.listeners.size > 0;) {
      const from = this.position;
      const read = await this.history.after(from, BATCH);
      // The last listener left meanwhile and another one came, who is elsewhere.
      if (this.position !== from) return;
      more = read.more;
      if (isAfter(read.through, from)) this.position = read.through;
      this.tell(read.events);
    }
  }

  private tell(events: readonly LiveEvent[]): void {
    if (events.length === 0) return;
    for (const [listener, at] of this.listeners) {
      const fresh = events.filter(({ position }) => isAfter(position, at));
      if (fresh.length > 0) listener.tell(fresh);
    }
  }
}
