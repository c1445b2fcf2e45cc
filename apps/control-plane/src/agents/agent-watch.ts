import { Inject, Injectable, Logger } from "@nestjs/common";
import { status } from "@grpc/grpc-js";
import { Clock } from "../platform/clock.js";
import { Database } from "../platform/database.js";
import { AgentEviction } from "./agent-eviction.js";
import { AgentLinks } from "./agent-links.js";
import { AgentsRepository } from "./agents.repository.js";
import { LINK_TIMINGS, type LinkTimings } from "./link-timings.js";

/** Looks over the connected agents every few seconds: who fell silent, who may no longer be here, who was seen. */
@Injectable()
export class AgentWatch {
  private readonly logger = new Logger("agents");
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | undefined;

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly links: AgentLinks,
    private readonly eviction: AgentEviction,
    @Inject(LINK_TIMINGS) private readonly timings: LinkTimings,
  ) {}

  start(): void {
    this.timer = setInterval(() => {
      // After what has arrived meanwhile is read: a process that was stopped for a while must not blame the agents.
      setImmediate(() => {
        this.looking ??= this.look().finally(() => {
          this.looking = undefined;
        });
      });
    }, this.timings.sweep);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.looking;
  }

  private async look(): Promise<void> {
    try {
      this.endSilent();
      this.links.tidy();
      await this.endInactive();
      await this.writeSeen();
    } catch (error) {
      this.logger.warn("the connected agents could not be looked after", {
        error: error instanceof Error ? error.message : String(error),
      });
    }
  }

  private endSilent(): void {
    const oldest = performance.now() - this.timings.permission - this.timings.slack;
    for (const agent of this.links.connected) {
      if (agent.lastPingAt < oldest) {
        this.logger.warn("an agent fell silent", { agent: agent.agentId });
        agent.end({ code: status.UNAVAILABLE, details: "no ping came for too long" });
        this.links.remove(agent);
      } else if (agent.certificateEndsAt < this.clock.now()) {
        this.logger.warn("an agent's certificate expired while it was connected", { agent: agent.agentId });
        agent.end({
          code: status.UNAUTHENTICATED,
          details: "the certificate expired; dial with a renewed one",
        });
        this.links.remove(agent);
      }
    }
  }

  /** Another replica may have removed an agent and its message may be lost. */
  private async endInactive(): Promise<void> {
    const ids = this.links.connected.map(({ agentId }) => agentId);
    if (ids.length === 0) return;
    const active = await new AgentsRepository(this.database.prisma).active(ids);
    for (const id of ids) if (!active.has(id)) this.eviction.evictHere(id);
  }

  private async writeSeen(): Promise<void> {
    const now = performance.now();
    const due = this.links.connected.filter((agent) => now - agent.seenWrittenAt >= this.timings.seen);
    if (due.length === 0) return;
    await new AgentsRepository(this.database.prisma).seen(
      due.map(({ agentId }) => agentId),
      this.clock.now(),
    );
    for (const agent of due) agent.seenWrittenAt = now;
  }
}
