import { Injectable, type OnModuleInit } from "@nestjs/common";
import { Clock } from "../platform/clock.js";
import type { Transaction } from "../platform/database.js";
import { Jobs } from "../platform/jobs.js";
import type { EventPosition } from "./event-position.js";
import { type EventsRead, LiveEventsRepository } from "./live-events.repository.js";

/** Who comes back within this time hears of all they missed. */
export const EVENTS_KEPT_MS = 7 * 86_400_000;
// An event bears the time at which its transaction began, which may be a little before its place in the order.
const KEPT_LONGER_MS = 3_600_000;
const FORGET_EVERY_MS = 3_600_000;

/** What has happened lately, in the order in which everybody is told of it. */
@Injectable()
export class EventHistory implements OnModuleInit {
  constructor(
    private readonly events: LiveEventsRepository,
    private readonly clock: Clock,
    private readonly jobs: Jobs,
  ) {}

  onModuleInit(): void {
    this.jobs.repeat("forget-events", FORGET_EVERY_MS, async () => {
      const before = this.clock.now().getTime() - EVENTS_KEPT_MS - KEPT_LONGER_MS;
      await this.events.deleteBefore(new Date(before));
    });
  }

  /** At most `count` events behind `position`; nothing that comes later has its place among or before them. */
  after(position: EventPosition, count: number, transaction?: Transaction): Promise<EventsRead> {
    return this.events.after(position, count, transaction);
  }

  /** The place behind which is what comes. */
  now(): Promise<EventPosition> {
    return this.events.now();
  }
}
