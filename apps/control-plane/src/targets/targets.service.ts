import { isDeepStrictEqual } from "node:util";
import { Injectable } from "@nestjs/common";
import type { Page, PageQuery, TargetDocument, TargetView } from "@drawbridge/contracts";
import { createMasker } from "@drawbridge/masking";
import { AgentLinks } from "../agents/index.js";
import { AuditLog } from "../audit/index.js";
import type { Principal } from "../identity/index.js";
import { Database } from "../platform/database.js";
import { DomainError } from "../platform/errors.js";
import { NAME, pageFrom, readCursor } from "../platform/pagination.js";
import { type LearnedVersions, TargetVersionsRepository } from "./target-versions.repository.js";
import { type Target, TargetsRepository } from "./targets.repository.js";

@Injectable()
export class TargetsService {
  // Somebody may have put a password on a command line or into a URL after all.
  private readonly masker = createMasker();

  constructor(
    private readonly database: Database,
    private readonly repository: TargetsRepository,
    private readonly versions: TargetVersionsRepository,
    private readonly links: AgentLinks,
    private readonly audit: AuditLog,
  ) {}

  async list({ limit, cursor }: PageQuery): Promise<Page<TargetView>> {
    const targets = await this.repository.list(readCursor(cursor, NAME), limit + 1);
    const versions = await this.versions.ofTargets(targets.map(({ id }) => id));
    return pageFrom(targets, limit, {
      key: (target) => target.name,
      view: (target) => this.view(target, versions.get(target.id)),
    });
  }

  async get(name: string): Promise<TargetView> {
    return this.viewWithVersions(await this.find(name));
  }

  /** Creates or replaces; the same document again changes nothing, so that applying is idempotent. */
  async apply(principal: Principal, name: string, document: TargetDocument): Promise<TargetView> {
    if (document.metadata.name !== name) {
      throw new DomainError(
        "target_invalid",
        `the document names the target ${document.metadata.name}, the address ${name}`,
      );
    }
    const existing = await this.repository.find(name);
    if (existing && isDeepStrictEqual(this.repository.unseal(existing), document)) {
      return this.viewWithVersions(existing);
    }
    const target = await this.database.transaction(async (transaction) => {
      const stored = await this.repository.put(transaction, document);
      await this.audit.record(transaction, {
        actor: principal.id,
        action: "target.applied",
        subject: name,
        details: { revision: stored.revision, agentGroup: stored.agentGroup },
      });
      return stored;
    });
    return this.viewWithVersions(target);
  }

  async delete(principal: Principal, name: string): Promise<void> {
    await this.database.transaction(async (transaction) => {
      if (!(await this.repository.delete(transaction, name))) return;
      await this.audit.record(transaction, {
        actor: principal.id,
        action: "target.deleted",
        subject: name,
        details: {},
      });
    });
  }

  private async find(name: string): Promise<Target> {
    const target = await this.repository.find(name);
    if (!target) throw new DomainError("target_not_found", `there is no target ${name}`);
    return target;
  }

  private async viewWithVersions(target: Target): Promise<TargetView> {
    return this.view(target, await this.versions.find(target.id));
  }

  private view(target: Target, versions: LearnedVersions | undefined): TargetView {
    const { id, name, labels, agentGroup, document, revision, updatedAt } = target;
    const { transport } = document.spec;
    const { description } = document.metadata;
    const failing = this.links.failing(name);
    return {
      id,
      name,
      ...(description !== undefined && { description }),
      labels,
      agentGroup,
      transport: transportName(transport),
      address: this.masker.maskText(address(transport)).text,
      online: this.links.isOnline(agentGroup),
      // What was learned of an earlier definition says nothing about this one.
      ...(versions?.revision === revision && {
        protocolVersions: {
          versions: [...versions.versions],
          learnedAt: versions.learnedAt.toISOString(),
        },
      }),
      ...(failing && { failing: { ...failing, retryAt: failing.retryAt.toISOString() } }),
      revision,
      updatedAt: updatedAt.toISOString(),
    };
  }
}

type Transport = TargetDocument["spec"]["transport"];

function transportName(transport: Transport): TargetView["transport"] {
  if ("stdio" in transport) return "stdio";
  return "http" in transport ? "http" : "sse";
}

function address(transport: Transport): string {
  if ("stdio" in transport) return [transport.stdio.command, ...transport.stdio.arguments].join(" ");
  return "http" in transport ? transport.http.url : transport.sse.url;
}
