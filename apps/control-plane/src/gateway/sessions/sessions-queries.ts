import { Inject, Injectable } from "@nestjs/common";
import type { Page, PageQuery, SessionView, VisibleTarget } from "@drawbridge/contracts";
import { isTargetVisible } from "@drawbridge/policy";
import { AgentLinks } from "../../agents/index.js";
import { CONFIG, type Config } from "../../config.js";
import { isPermitted, type Principal } from "../../identity/index.js";
import { DomainError } from "../../platform/errors.js";
import { pageFrom, readCursor, UUID } from "../../platform/pagination.js";
import { contextOf } from "../decisions/decide.js";
import { SessionsRepository, type StoredSession } from "./sessions.repository.js";
import { isTargetLocked } from "../decisions/locked.js";
import { LiveState } from "../decisions/live-state.js";

/** What the REST API shows of sessions and of the targets a principal may open one with. */
@Injectable()
export class SessionsQueries {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly live: LiveState,
    private readonly sessions: SessionsRepository,
    private readonly links: AgentLinks,
  ) {}

  /** The targets that a policy shows to the principal, but for those that are locked. Read afresh: people look here right after a change. */
  async visibleTargets(principal: Principal): Promise<{ items: VisibleTarget[] }> {
    const live = await this.live.now();
    const context = contextOf(principal);
    const visible = [...live.targets.values()].filter(
      (target) => isTargetVisible(live.policies, target, context) && !isTargetLocked(live, target.name),
    );
    return {
      items: visible.map(({ name, labels, agentGroup, document }) => ({
        name,
        ...(document.metadata.description === undefined
          ? {}
          : { description: document.metadata.description }),
        labels: { ...labels },
        url: `${this.config.publicUrl}/mcp/${name}`,
        online: this.links.isOnline(agentGroup),
      })),
    };
  }

  /** The principal's own, or everybody's for those who may see them. Newest first. */
  async list(principal: Principal, { limit, cursor }: PageQuery): Promise<Page<SessionView>> {
    const owner = isPermitted(principal.roles, "session:read_all") ? undefined : principal.id;
    const rows = await this.sessions.list({ principal: owner, before: readCursor(cursor, UUID) }, limit + 1);
    return pageFrom(rows, limit, { key: ({ id }) => id, view: toView });
  }

  async get(principal: Principal, id: string): Promise<SessionView> {
    const row = await this.sessions.find(id);
    const theirs =
      row && (row.principal === principal.id || isPermitted(principal.roles, "session:read_all"));
    if (!theirs) throw new DomainError("session_not_found", `there is no session ${id} for you`);
    return toView(row);
  }
}

function toView(row: StoredSession): SessionView {
  return {
    id: row.id,
    principal: row.principal,
    email: row.email,
    oauthClient: row.oauthClient,
    clientName: row.clientName,
    target: row.targetName,
    era: row.era === "modern" ? "modern" : "legacy",
    agentId: row.agentId,
    protocolVersion: row.protocolVersion,
    openedAt: row.openedAt.toISOString(),
    lastActivityAt: row.lastActivityAt.toISOString(),
    closedAt: row.closedAt?.toISOString() ?? null,
    closeReason: row.closeReason,
  };
}
