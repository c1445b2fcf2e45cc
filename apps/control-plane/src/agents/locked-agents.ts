import { Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from "@nestjs/common";
import { LiveLocks } from "../locks/index.js";
import { Clock } from "../platform/clock.js";
import { EpochWatch } from "../platform/epoch-watch.js";
import { AgentEviction } from "./agent-eviction.js";
import { AgentLinks } from "./agent-links.js";

// Who waits for an answer hears that access has ended before the agent is gone.
const LET_GO_AFTER_MS = 200;

/** Closes the connections of agents that are locked, at each control plane within a second. */
@Injectable()
export class LockedAgents implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger("agents");
  private readonly leaving = new Set<NodeJS.Timeout>();

  constructor(
    private readonly watch: EpochWatch,
    private readonly locks: LiveLocks,
    private readonly links: AgentLinks,
    private readonly eviction: AgentEviction,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.watch.onChange((epoch) => this.changed(epoch));
  }

  onModuleDestroy(): void {
    for (const timer of this.leaving) clearTimeout(timer);
  }

  private async changed(epoch: bigint): Promise<void> {
    if (this.links.connected.length === 0) return;
    const { value: locks } = await this.locks.atLeast(epoch);
    for (const { agentId } of this.links.connected) {
      const lock = locks.on({ agent: agentId }, this.clock.now());
      if (lock) this.letGo(agentId, lock.reason);
    }
  }

  private letGo(agentId: string, reason: string): void {
    this.logger.warn("an agent is locked and let go", { agent: agentId, reason });
    const timer = setTimeout(() => {
      this.leaving.delete(timer);
      void this.eviction.lockedHere(agentId, reason);
    }, LET_GO_AFTER_MS);
    this.leaving.add(timer);
  }
}
