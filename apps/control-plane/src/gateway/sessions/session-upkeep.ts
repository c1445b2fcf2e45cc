import { Inject, Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from "@nestjs/common";
import { CONFIG, type Config } from "../../config.js";
import { Jobs } from "../../platform/jobs.js";
import { RecordingRecovery } from "../../recordings/index.js";
import { SessionsRepository } from "./sessions.repository.js";
import { SessionsService } from "./sessions.service.js";

const LOOK_AFTER_EVERY_MS = 30_000;
const EXPIRE_EVERY_MS = 60_000;
// Nobody closes a session of the modern era, and nobody misses one: the next request opens another.
const MODERN_IDLE_MS = 15 * 60_000;

/** Writes down now and then which sessions were used, and ends those that were not. */
@Injectable()
export class SessionUpkeep implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger("sessions");
  private timer: NodeJS.Timeout | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly sessions: SessionsService,
    private readonly repository: SessionsRepository,
    private readonly jobs: Jobs,
    private readonly recovery: RecordingRecovery,
  ) {}

  onModuleInit(): void {
    this.recovery.setInFlight((id, exchange) => this.sessions.byId(id)?.isInFlight(exchange) ?? false);
    this.jobs.repeat("expire-sessions", EXPIRE_EVERY_MS, () => this.expireIdle());
    this.timer = setInterval(() => void this.lookAfter(), LOOK_AFTER_EVERY_MS).unref();
  }

  async onModuleDestroy(): Promise<void> {
    clearInterval(this.timer);
    await this.writeTouches();
  }

  private async expireIdle(): Promise<void> {
    await this.writeTouches();
    const before = (idleMs: number) => new Date(Date.now() - idleMs);
    const { sessionIdleMs } = this.config;
    const legacy = before(sessionIdleMs);
    const modern = before(Math.min(sessionIdleMs, MODERN_IDLE_MS));
    for (const id of await this.repository.findIdle({ legacy, modern })) {
      const session = this.sessions.byId(id);
      if (session?.inUse) continue;
      if (session) await this.sessions.end(session, "idle");
      else await this.repository.close(id, "idle");
    }
  }

  /** Of the sessions of this process, unlike jobs, which one process does for all. */
  private async lookAfter(): Promise<void> {
    await this.writeTouches();
    await this.endClosed();
  }

  /** Those that were ended at another control plane: nobody may ever ask anything in them again. */
  async endClosed(): Promise<void> {
    const ids = [...this.sessions.all].map(({ id }) => id);
    if (ids.length === 0) return;
    try {
      const closed = await this.repository.closedOf(ids);
      await Promise.all(closed.map((id) => this.sessions.endById(id, "ended elsewhere")));
    } catch (error) {
      this.logger.warn(
        "sessions that were ended elsewhere could not be looked for",
        error instanceof Error ? error.message : undefined,
      );
    }
  }

  private async writeTouches(): Promise<void> {
    // Whoever listens uses the session: not written down, such sessions would stand before those that may expire.
    const touched = [...this.sessions.all].filter((session) => session.touched || session.inUse);
    if (touched.length === 0) return;
    for (const session of touched) session.touched = false;
    try {
      await this.repository.touch(
        touched.map(({ id }) => id),
        new Date(),
      );
    } catch (error) {
      // Whatever it was, the next time may do: thrown out of a timer it would end the process.
      this.logger.warn(
        "the use of sessions could not be written down yet",
        error instanceof Error ? error.message : undefined,
      );
      for (const session of touched) session.touched = true;
    }
  }
}
