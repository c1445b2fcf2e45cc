import { Injectable, Logger } from "@nestjs/common";
import { AuditLog } from "../audit/index.js";
import { Database } from "../platform/database.js";
import { AgentEviction } from "./agent-eviction.js";
import { AgentNews } from "./agent-news.js";
import { type Agent, AgentsRepository } from "./agents.repository.js";

/** Shuts out an agent of whose key there is a copy: nobody can say which of the two is the real one. */
@Injectable()
export class AgentQuarantine {
  private readonly logger = new Logger("agents");

  constructor(
    private readonly database: Database,
    private readonly audit: AuditLog,
    private readonly eviction: AgentEviction,
    private readonly news: AgentNews,
  ) {}

  async begin(agent: Agent, serial: string): Promise<void> {
    await this.database.transaction(async (transaction) => {
      if (!(await new AgentsRepository(transaction).quarantine(agent.id))) return;
      await this.audit.record(transaction, {
        actor: `agent:${agent.id}`,
        action: "agent.quarantined",
        subject: agent.id,
        details: { name: agent.name, group: agent.group, serial, expectedSerial: agent.currentSerial },
      });
      await this.news.quarantined(transaction, agent);
    });
    this.logger.error("an agent is quarantined: its certificate is in use twice", {
      agent: agent.id,
      serial,
    });
    this.news.announce();
    await this.eviction.evict(agent.id);
  }
}
