import {
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
  type OnModuleInit,
} from "@nestjs/common";
import { EVENTS_TOPIC } from "../events/index.js";
import { Messages } from "../platform/jobs.js";
import { NotificationDeliveriesRepository } from "./notification-deliveries.repository.js";
import { NotificationDispatcher } from "./notification-dispatcher.js";
import { NotificationSender } from "./notification-sender.js";
import { NotificationTimes } from "./notification-times.js";

const LOOK_EVERY_MS = 2_000;
const FORGET_EVERY_MS = 3_600_000;
const DELIVERED_KEPT_MS = 30 * 86_400_000;
const DEAD_KEPT_MS = 90 * 86_400_000;

/**
 * Looks for what has happened and for what is due: when somebody says that there is something, and every two seconds
 * anyhow. With no queue at all everything is still sent, up to two seconds later.
 */
@Injectable()
export class NotificationSweep implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger("notifications");
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | undefined;
  private lookAgain = false;
  private stopped = false;

  constructor(
    private readonly dispatcher: NotificationDispatcher,
    private readonly sender: NotificationSender,
    private readonly deliveries: NotificationDeliveriesRepository,
    private readonly times: NotificationTimes,
    private readonly messages: Messages,
  ) {}

  async onModuleInit(): Promise<void> {
    this.times.jobs.repeat("forget-notifications", FORGET_EVERY_MS, () => this.forget());
    await this.messages.subscribe(EVENTS_TOPIC, () => void this.look());
  }

  async onApplicationBootstrap(): Promise<void> {
    // What cannot be read yet is not of another database either.
    if (await this.dispatcher.mendCursor().catch(() => false))
      this.logger.warn("the database was restored from another one: notifications go on from now");
    this.timer = setInterval(() => void this.look(), LOOK_EVERY_MS).unref();
  }

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    await this.looking;
  }

  /** Resolves when what is there by now is in the outbox, and whoever sends it is awake. Never fails. */
  look(): Promise<void> {
    if (this.looking) this.lookAgain = true;
    else this.looking = this.lookUntilNothingIsNew();
    return this.looking;
  }

  private async lookUntilNothingIsNew(): Promise<void> {
    try {
      do {
        this.lookAgain = false;
        await this.dispatcher.dispatch();
        this.sender.wake();
      } while (this.lookAgain && !this.stopped);
    } catch (error) {
      this.logger.warn("notifications cannot be made", error instanceof Error ? error.message : undefined);
    } finally {
      this.looking = undefined;
    }
  }

  private async forget(): Promise<void> {
    const now = this.times.clock.now().getTime();
    await this.deliveries.forget({
      delivered: new Date(now - DELIVERED_KEPT_MS),
      dead: new Date(now - DEAD_KEPT_MS),
    });
  }
}
