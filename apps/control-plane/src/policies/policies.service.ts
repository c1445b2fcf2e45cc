import { isDeepStrictEqual } from "node:util";
import { Injectable } from "@nestjs/common";
import type { Page, PageQuery, PolicyApplied, PolicyView } from "@drawbridge/contracts";
import { AuditLog } from "../audit/index.js";
import type { Principal } from "../identity/index.js";
import { Database, isUniqueViolation } from "../platform/database.js";
import { DomainError } from "../platform/errors.js";
import { NAME, pageFrom, readCursor } from "../platform/pagination.js";
import { PoliciesRepository, type StoredPolicy } from "./policies.repository.js";
import { readPolicyNamed } from "./policy-source.js";

@Injectable()
export class PoliciesService {
  constructor(
    private readonly database: Database,
    private readonly repository: PoliciesRepository,
    private readonly audit: AuditLog,
  ) {}

  async list({ limit, cursor }: PageQuery): Promise<Page<PolicyView>> {
    const policies = await this.repository.list(readCursor(cursor, NAME), limit + 1);
    return pageFrom(policies, limit, { key: ({ name }) => name, view: toView });
  }

  async history(name: string, { limit, cursor }: PageQuery): Promise<Page<PolicyView>> {
    const before = readCursor(cursor, /^\d{1,9}$/);
    const versions = await this.repository.history(
      name,
      before === undefined ? 2 ** 31 - 1 : Number(before),
      limit + 1,
    );
    return pageFrom(versions, limit, { key: ({ version }) => String(version), view: toView });
  }

  async get(name: string): Promise<PolicyView> {
    const policy = await this.repository.find(name);
    if (!policy) throw new DomainError("policy_not_found", `there is no policy ${name}`);
    return toView(policy);
  }

  async version(name: string, version: number): Promise<PolicyView> {
    const policy = await this.repository.version(name, version);
    if (!policy)
      throw new DomainError("policy_not_found", `there is no version ${version} of policy ${name}`);
    return toView(policy);
  }

  /** Makes the document the live version; the same document again changes nothing, so that applying is idempotent. */
  async apply(principal: Principal, name: string, source: string): Promise<PolicyApplied> {
    const document = readPolicyNamed(name, source);
    const live = await this.repository.find(name);
    if (live && isDeepStrictEqual(live.document, document)) return { ...toView(live), changed: false };
    try {
      const applied = await this.database.transaction(async (transaction) => {
        const added = await this.repository.add(transaction, {
          name,
          document,
          source,
          createdBy: principal.id,
        });
        const details = { version: added.version };
        await this.audit.record(transaction, {
          actor: principal.id,
          action: "policy.applied",
          subject: name,
          details,
        });
        return added;
      });
      return { ...toView(applied), changed: true };
    } catch (error) {
      // Somebody else applied at the same moment; the next attempt compares with what they made live.
      if (isUniqueViolation(error)) return this.apply(principal, name, source);
      throw error;
    }
  }

  async delete(principal: Principal, name: string): Promise<void> {
    await this.database.transaction(async (transaction) => {
      if (!(await this.repository.delete(transaction, name))) return;
      await this.audit.record(transaction, {
        actor: principal.id,
        action: "policy.deleted",
        subject: name,
        details: {},
      });
    });
  }
}

function toView({ name, version, document, source, createdBy, createdAt }: StoredPolicy): PolicyView {
  const { description } = document.metadata;
  return {
    name,
    version,
    ...(description === undefined ? {} : { description }),
    createdBy,
    createdAt: createdAt.toISOString(),
    source,
  };
}
