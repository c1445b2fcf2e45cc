import { Injectable } from "@nestjs/common";
import { status } from "@grpc/grpc-js";
import { Messages } from "../platform/jobs.js";
import { AgentConnections } from "./agent-connections.js";
import { AgentLinks } from "./agent-links.js";

const TOPIC = "agents.evicted";

/**
 * Ends the connections of an agent that may no longer connect: here at once, at other replicas within milliseconds by a
 * message, or when they next look over their agents if it is lost.
 */
@Injectable()
export class AgentEviction {
  constructor(
    private readonly links: AgentLinks,
    private readonly connections: AgentConnections,
    private readonly messages: Messages,
  ) {}

  /** Hears what other replicas evict. */
  async start(): Promise<void> {
    await this.messages.subscribe<{ agentId: string }>(TOPIC, ({ agentId }) => this.evictHere(agentId));
  }

  async evict(agentId: string): Promise<void> {
    this.evictHere(agentId);
    await this.messages.publish(TOPIC, { agentId });
  }

  evictHere(agentId: string): void {
    const peer = this.links.find(agentId)?.peer;
    this.links.evict(agentId, {
      code: status.PERMISSION_DENIED,
      details: "this agent was removed or quarantined; join again with a new token",
    });
    if (peer !== undefined) this.connections.endSoon(peer);
  }
}
