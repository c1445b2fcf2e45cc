import { Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from "@nestjs/common";
import { Jobs } from "../platform/jobs.js";
import type { SendOutcome } from "./channels/sending.js";
import type { NotificationChannel } from "./notification-channel.js";
import { NotificationChannelsRepository } from "./notification-channels.repository.js";
import {
  type NotificationDelivery,
  NotificationDeliveriesRepository,
} from "./notification-deliveries.repository.js";
import { NotificationOutcomes } from "./notification-outcomes.js";
import { NotificationSending } from "./notification-sending.js";
import { NOTIFICATION_JOB } from "./notification-times.js";
import { MAX_ATTEMPTS } from "./retry-schedule.js";

const AT_ONCE = 16;
/** So that a slow receiver does not keep the others waiting. */
const AT_ONCE_A_CHANNEL = 4;
// Longer than an attempt takes. A process that dies in one leaves it to another one after this.
const LEASE_MS = 60_000;
const STOP_PATIENCE_MS = 3_000;

/**
 * Sends what is due, a bounded number at once. Which attempt is whose is decided in Postgres; jobs only wake. A process
 * that dies between sending and writing it down sends it again, with the same id: at least once.
 */
@Injectable()
export class NotificationSender implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger("notifications");
  private readonly underWay = new Map<Promise<void>, string>();
  private claiming: Promise<void> | undefined;
  private claimAgain = false;
  private stopping = false;

  constructor(
    private readonly deliveries: NotificationDeliveriesRepository,
    private readonly channels: NotificationChannelsRepository,
    private readonly sending: NotificationSending,
    private readonly outcomes: NotificationOutcomes,
    private readonly jobs: Jobs,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(NOTIFICATION_JOB, async () => this.wake());
  }

  async onModuleDestroy(): Promise<void> {
    this.stopping = true;
    const patience = new Promise((resolve) => setTimeout(resolve, STOP_PATIENCE_MS).unref());
    await Promise.race([this.settled(), patience]);
  }

  /** Sends what is due. Returns at once. */
  wake(): void {
    if (this.claiming) this.claimAgain = true;
    else if (!this.stopping) this.claiming = this.claimAll();
  }

  /** Resolves when nothing is under way that anybody woke. */
  async settled(): Promise<void> {
    while (this.claiming || this.underWay.size > 0)
      await Promise.all([this.claiming, ...this.underWay.keys()]);
  }

  private async claimAll(): Promise<void> {
    try {
      do {
        this.claimAgain = false;
        while (!this.stopping && this.underWay.size < AT_ONCE && (await this.claimOne())) {
          // The next one.
        }
      } while (this.claimAgain);
    } catch (error) {
      this.logger.warn("notifications cannot be read", error instanceof Error ? error.message : undefined);
    } finally {
      this.claiming = undefined;
    }
  }

  private async claimOne(): Promise<boolean> {
    const now = this.outcomes.now();
    const leaseUntil = new Date(now.getTime() + LEASE_MS);
    const delivery = await this.deliveries.claim({ now, leaseUntil, except: this.busyChannels() });
    if (!delivery) return false;
    const attempt: Promise<void> = this.attempt(delivery).finally(() => {
      this.underWay.delete(attempt);
      this.wake();
    });
    this.underWay.set(attempt, delivery.channelId);
    return true;
  }

  private busyChannels(): string[] {
    const counts = new Map<string, number>();
    for (const id of this.underWay.values()) counts.set(id, (counts.get(id) ?? 0) + 1);
    return [...counts].filter(([, count]) => count >= AT_ONCE_A_CHANNEL).map(([id]) => id);
  }

  private async attempt(delivery: NotificationDelivery): Promise<void> {
    try {
      const channel = await this.channels.byId(delivery.channelId);
      // Deleted meanwhile, and its deliveries with it but for those that were just being made.
      if (!channel) return await this.deliveries.drop(delivery.id);
      await this.outcomes.take(channel, delivery, await this.outcomeOf(channel, delivery));
    } catch (error) {
      // It is tried again when its lease is over.
      const detail = error instanceof Error ? error.message : undefined;
      this.logger.warn("what became of a notification could not be written down", detail);
    }
  }

  private async outcomeOf(
    channel: NotificationChannel,
    delivery: NotificationDelivery,
  ): Promise<SendOutcome | "lost" | "disabled"> {
    if (!channel.enabled) return "disabled";
    if (delivery.attempts > MAX_ATTEMPTS) return "lost";
    return this.sending.send(channel, delivery);
  }
}
