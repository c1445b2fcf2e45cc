import { setTimeout as sleep } from "node:timers/promises";
import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from "@nestjs/common";
import { AgentEviction } from "./agent-eviction.js";
import { AgentGrpcServer } from "./agent-grpc-server.js";
import { AgentLinks } from "./agent-links.js";
import { AgentWatch } from "./agent-watch.js";

// For agents to connect to another replica before this one lets go, and then to hear why it does.
const DRAIN_MS = 500;
const FAREWELL_MS = 200;

/** The agents' side of the control plane, from the start of the application to its end. */
@Injectable()
export class AgentsLifecycle implements OnApplicationBootstrap, OnModuleDestroy {
  constructor(
    private readonly server: AgentGrpcServer,
    private readonly links: AgentLinks,
    private readonly eviction: AgentEviction,
    private readonly watch: AgentWatch,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.eviction.start();
    await this.server.start();
    this.watch.start();
  }

  /** Agents keep what runs until their permission lapses: another replica, or this one started again, takes it up. */
  async onModuleDestroy(): Promise<void> {
    await this.watch.stop();
    this.server.refuseNew();
    if (this.links.connected.length > 0) {
      this.links.drain();
      await sleep(DRAIN_MS);
      this.links.stop();
      await sleep(FAREWELL_MS);
    }
    this.server.close();
  }
}
