import { Injectable, Logger } from "@nestjs/common";
import { EventLog, type NewEvent } from "../events/index.js";
import type { Transaction } from "../platform/database.js";
import type { Agent } from "./agents.repository.js";

type Named = Pick<Agent, "id" | "name" | "group">;

/** Tells who watches of agents that come and go. */
@Injectable()
export class AgentNews {
  private readonly logger = new Logger("agents");

  constructor(private readonly events: EventLog) {}

  /** Nobody waits for it: an agent is not kept out because it cannot be told of. */
  connected(agent: Named): void {
    void this.tell("agent.connected", agent);
  }

  disconnected(agent: Named): void {
    void this.tell("agent.disconnected", agent);
  }

  /** Part of the transaction that does it. */
  async quarantined(transaction: Transaction, agent: Named): Promise<void> {
    await this.events.append(transaction, eventOf("agent.quarantined", agent));
  }

  announce(): void {
    void this.events.announce();
  }

  private async tell(kind: "agent.connected" | "agent.disconnected", agent: Named): Promise<void> {
    try {
      await this.events.append(undefined, eventOf(kind, agent));
      await this.events.announce();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.logger.warn("that an agent came or went could not be told", { agent: agent.id, reason });
    }
  }
}

function eventOf(kind: NewEvent["kind"], { id, name, group }: Named): NewEvent {
  return { kind, subject: name, data: { id, name, group }, audience: { permission: "agent:read" } };
}
