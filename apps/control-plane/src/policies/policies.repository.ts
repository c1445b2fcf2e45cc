import { Injectable } from "@nestjs/common";
import type { PolicyDocument } from "@drawbridge/policy";
import type { PolicyVersion as Row } from "../generated/prisma/client.js";
import { Database, type Transaction } from "../platform/database.js";

/** One version of a policy, as applied. */
export interface StoredPolicy {
  readonly name: string;
  readonly version: number;
  readonly document: PolicyDocument;
  readonly source: string;
  readonly createdBy: string;
  readonly createdAt: Date;
}

/** Names what never changes. */
export type PolicyKey = Pick<StoredPolicy, "name" | "version">;

@Injectable()
export class PoliciesRepository {
  constructor(private readonly database: Database) {}

  /** The live version. */
  async find(name: string): Promise<StoredPolicy | undefined> {
    const live = await this.database.prisma.policy.findUnique({ where: { name } });
    if (!live) return undefined;
    const row = await this.database.prisma.policyVersion.findUnique({
      where: { name_version: { name, version: live.version } },
    });
    return row ? toPolicy(row) : undefined;
  }

  /** One version, live or not; also of a policy that was deleted. */
  async version(name: string, version: number): Promise<StoredPolicy | undefined> {
    const row = await this.database.prisma.policyVersion.findUnique({
      where: { name_version: { name, version } },
    });
    return row ? toPolicy(row) : undefined;
  }

  /** All live versions, as of one moment. */
  live(): Promise<StoredPolicy[]> {
    return this.database.consistently(async (transaction) =>
      this.versions(transaction, await this.liveVersions(transaction)),
    );
  }

  async list(after: string | undefined, count: number): Promise<StoredPolicy[]> {
    const live = await this.database.prisma.policy.findMany({
      where: after === undefined ? {} : { name: { gt: after } },
      orderBy: { name: "asc" },
      take: count,
    });
    return this.versions(this.database.prisma, live);
  }

  /** Newest first. */
  async history(name: string, before: number, count: number): Promise<StoredPolicy[]> {
    const rows = await this.database.prisma.policyVersion.findMany({
      where: { name, version: { lt: before } },
      orderBy: { version: "desc" },
      take: count,
    });
    return rows.map(toPolicy);
  }

  /** Which versions are live, without what they say. */
  liveVersions(transaction: Transaction): Promise<PolicyKey[]> {
    return transaction.policy.findMany({ select: { name: true, version: true }, orderBy: { name: "asc" } });
  }

  /** Adds the next version and makes it live. Two that apply at once: one of them fails on the key. */
  async add(
    transaction: Transaction,
    policy: Omit<StoredPolicy, "version" | "createdAt">,
  ): Promise<StoredPolicy> {
    const { name } = policy;
    const { _max: newest } = await transaction.policyVersion.aggregate({
      where: { name },
      _max: { version: true },
    });
    const version = (newest.version ?? 0) + 1;
    const row = await transaction.policyVersion.create({ data: { ...policy, version } });
    await transaction.policy.upsert({
      where: { name },
      create: { name, version },
      update: { version, updatedAt: new Date() },
    });
    return toPolicy(row);
  }

  /** Versions stay for the record. */
  async delete(transaction: Transaction, name: string): Promise<boolean> {
    return (await transaction.policy.deleteMany({ where: { name } })).count > 0;
  }

  /** Those of the versions that there are, by name. */
  async versions(transaction: Transaction, wanted: readonly PolicyKey[]): Promise<StoredPolicy[]> {
    if (wanted.length === 0) return [];
    const rows = await transaction.policyVersion.findMany({
      where: { OR: wanted.map(({ name, version }) => ({ name, version })) },
      orderBy: { name: "asc" },
    });
    return rows.map(toPolicy);
  }
}

function toPolicy(row: Row): StoredPolicy {
  return {
    name: row.name,
    version: row.version,
    document: row.document as unknown as PolicyDocument,
    source: row.source,
    createdBy: row.createdBy,
    createdAt: row.createdAt,
  };
}
