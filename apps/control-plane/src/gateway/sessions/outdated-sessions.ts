import { Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from "@nestjs/common";
import { type LiveSnapshot, LiveState } from "../decisions/live-state.js";
import type { GatewaySession } from "./gateway-session.js";
import { SessionAccess } from "./session-access.js";
import { SessionsService } from "./sessions.service.js";

const LOOK_EVERY_MS = 30_000;
const GRACE_MS = 5 * 60_000;

/**
 * Ends the sessions of this process that nobody may use any more, for a lock or because access has ended, and those
 * whose target is not what they were opened with. Of a target that is gone at once: nothing may be asked of it. Of one that was changed when they have
 * nothing under way, and after some minutes in any case: who always has something under way must not keep the old
 * definition. A legacy client then hears that its session is gone and initializes again; a modern one notices nothing.
 */
@Injectable()
export class OutdatedSessions implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger("sessions");
  private readonly changedSince = new WeakMap<GatewaySession, number>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly sessions: SessionsService,
    private readonly live: LiveState,
    private readonly access: SessionAccess,
  ) {}

  onModuleInit(): void {
    this.timer = setInterval(() => void this.lookAfter(), LOOK_EVERY_MS).unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  async lookAfter(): Promise<void> {
    const open = [...this.sessions.all];
    if (open.length === 0) return;
    try {
      const live = await this.live.now();
      await Promise.all(open.map((session) => this.lookAt(session, live)));
    } catch (error) {
      this.logger.warn(
        "sessions that are over could not be looked for",
        error instanceof Error ? error.message : undefined,
      );
    }
  }

  async lookAt(session: GatewaySession, live: LiveSnapshot): Promise<void> {
    const reason = this.whyToEnd(session, live);
    if (reason !== undefined) await this.sessions.end(session, reason);
  }

  private whyToEnd(session: GatewaySession, live: LiveSnapshot): string | undefined {
    const target = live.targets.get(session.target);
    if (target?.id !== session.targetId) return "the target was removed";
    const over = this.access.whyOver(session, live);
    if (over !== undefined) return over;
    if (session.targetRevision >= target.revision) return undefined;
    const since = this.changedSince.get(session) ?? Date.now();
    this.changedSince.set(session, since);
    const isWanted = session.busy || isBeingOpened(session);
    return isWanted && Date.now() - since < GRACE_MS ? undefined : "the target was changed";
  }
}

/** Its client is about to be told of it: one that was gone by then would be a failure that nobody understands. */
function isBeingOpened({ era, protocolVersion }: GatewaySession): boolean {
  return era === "legacy" && protocolVersion === undefined;
}
