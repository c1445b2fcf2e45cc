import { setTimeout as sleep } from "node:timers/promises";
import { Injectable } from "@nestjs/common";
import { status } from "@grpc/grpc-js";
import { Messages } from "../platform/jobs.js";
import { AgentConnections } from "./agent-connections.js";
import { AgentLinks } from "./agent-links.js";
import { type CallStatus, lockedStatus } from "./refused-call.js";

const TOPIC = "agents.evicted";
// What an agent is asked for goes out before it is told to go.
const HEARD_MS = 50;

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
    const details = "this agent was removed or quarantined; join again with a new token";
    this.endHere(agentId, { code: status.PERMISSION_DENIED, details }, "the agent was removed");
  }

  /** It may come back when it is unlocked: it is told to try again, and to stop meanwhile what it runs. */
  async lockedHere(agentId: string, reason: string): Promise<void> {
    const sessionsEnd = "the agent is locked";
    this.links.stopSessions(agentId, sessionsEnd);
    await sleep(HEARD_MS);
    this.endHere(agentId, lockedStatus(reason), sessionsEnd);
  }

  private endHere(agentId: string, callStatus: CallStatus, sessionsEnd: string): void {
    const peer = this.links.find(agentId)?.peer;
    this.links.evict(agentId, callStatus, sessionsEnd);
    if (peer !== undefined) this.connections.endSoon(peer);
  }
}
