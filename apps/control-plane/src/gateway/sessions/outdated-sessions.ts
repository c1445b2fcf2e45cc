import { Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from "@nestjs/common";
import { LiveState } from "../decisions/live-state.js";
import type { GatewaySession } from "./gateway-session.js";
import { SessionsService } from "./sessions.service.js";

const LOOK_EVERY_MS = 30_000;
const GRACE_MS = 5 * 60_000;

/**
 * Ends the sessions of this process whose target is not what they were opened with, so that nothing runs on that nobody
 * wants any more. Of a target that is gone at once: nothing may be asked of it. Of one that was changed when they have
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
      const { targets } = await this.live.now();
      const ended = open.map(async (session) => {
        const reason = this.whyToEnd(session, targets.get(session.target));
        if (reason !== undefined) await this.sessions.end(session, reason);
      });
      await Promise.all(ended);
    } catch (error) {
      this.logger.warn(
        "sessions of changed targets could not be looked for",
        error instanceof Error ? error.message : undefined,
      );
    }
  }

  private whyToEnd(
    session: GatewaySession,
    target: { readonly id: string; readonly revision: number } | undefined,
  ): string | undefined {
    if (target?.id !== session.targetId) return "the target was removed";
    if (session.targetRevision >= target.revision) return undefined;
    const since = this.changedSince.get(session) ?? Date.now();
    this.changedSince.set(session, since);
    return session.busy && Date.now() - since < GRACE_MS ? undefined : "the target was changed";
  }
}
