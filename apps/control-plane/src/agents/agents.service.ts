import { Injectable } from "@nestjs/common";
import type { AgentView, Page, PageQuery } from "@drawbridge/contracts";
import { AuditLog } from "../audit/index.js";
import type { Principal } from "../identity/index.js";
import { Clock } from "../platform/clock.js";
import { Database } from "../platform/database.js";
import { DomainError } from "../platform/errors.js";
import { pageFrom, readCursor, UUID } from "../platform/pagination.js";
import { AgentEviction } from "./agent-eviction.js";
import { AgentLinks } from "./agent-links.js";
import { type Agent, AgentsRepository } from "./agents.repository.js";

// Another replica writes down every 30 s that it still hears an agent.
const SEEN_LATELY_MS = 45_000;

@Injectable()
export class AgentsService {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly audit: AuditLog,
    private readonly links: AgentLinks,
    private readonly eviction: AgentEviction,
  ) {}

  async list({ limit, cursor }: PageQuery): Promise<Page<AgentView>> {
    const agents = new AgentsRepository(this.database.prisma);
    const rows = await agents.list(readCursor(cursor, UUID), limit + 1);
    return pageFrom(rows, limit, { key: ({ id }) => id, view: (agent) => this.view(agent) });
  }

  async get(id: string): Promise<AgentView> {
    const agent = await new AgentsRepository(this.database.prisma).find(id);
    if (!agent) throw new DomainError("agent_not_found", `there is no agent ${id}`);
    return this.view(agent);
  }

  /** Its certificate is refused from here on and its connections end. Removing it again changes nothing. */
  async remove(principal: Principal, id: string): Promise<void> {
    const removed = await this.database.transaction(async (transaction) => {
      const agents = new AgentsRepository(transaction);
      const agent = await agents.find(id);
      if (!agent) throw new DomainError("agent_not_found", `there is no agent ${id}`);
      if (!(await agents.remove(id))) return false;
      await this.audit.record(transaction, {
        actor: principal.id,
        action: "agent.deleted",
        subject: id,
        details: { name: agent.name, group: agent.group },
      });
      return true;
    });
    if (removed) await this.eviction.evict(id);
  }

  private view(agent: Agent): AgentView {
    return {
      id: agent.id,
      name: agent.name,
      group: agent.group,
      state: agent.state,
      connected: this.isConnected(agent),
      version: agent.version,
      features: [...agent.features],
      isolation: agent.isolation,
      joinedAt: agent.joinedAt.toISOString(),
      lastSeenAt: agent.lastSeenAt?.toISOString() ?? null,
      certificateEndsAt: agent.certificateEndsAt.toISOString(),
      openSessions: this.links.sessionCount(agent.id),
    };
  }

  /** Here, or at another replica as far as that wrote it down. */
  private isConnected({ id, state, lastSeenAt }: Agent): boolean {
    if (this.links.find(id)) return true;
    if (state !== "active" || !lastSeenAt || !this.links.hasReplicas) return false;
    if (this.links.lastHeardAgo(id) !== undefined) return false;
    return this.clock.now().getTime() - lastSeenAt.getTime() < SEEN_LATELY_MS;
  }
}
