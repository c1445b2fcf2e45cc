import { Injectable } from "@nestjs/common";
import type { TargetDocument } from "@drawbridge/contracts";
import type { Target as Row } from "../generated/prisma/client.js";
import { Database, type Transaction } from "../platform/database.js";
import { KeyEncryption } from "../platform/key-encryption.js";

/** A registered target, without the values of its environment variables and headers. */
export interface Target {
  readonly id: string;
  readonly name: string;
  readonly agentGroup: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly document: TargetDocument;
  readonly sealedValues: Uint8Array;
  readonly revision: number;
  readonly updatedAt: Date;
}

const PURPOSE = "target-values";

@Injectable()
export class TargetsRepository {
  constructor(
    private readonly database: Database,
    private readonly keys: KeyEncryption,
  ) {}

  async find(name: string): Promise<Target | undefined> {
    const row = await this.database.prisma.target.findUnique({ where: { name } });
    return row ? toTarget(row) : undefined;
  }

  async list(after: string | undefined, count: number): Promise<Target[]> {
    const rows = await this.database.prisma.target.findMany({
      where: after === undefined ? {} : { name: { gt: after } },
      orderBy: { name: "asc" },
      take: count,
    });
    return rows.map(toTarget);
  }

  async all(transaction: Transaction): Promise<Target[]> {
    return (await transaction.target.findMany({ orderBy: { name: "asc" } })).map(toTarget);
  }

  /** Creates the target, or replaces its definition and counts the revision up. */
  async put(transaction: Transaction, document: TargetDocument): Promise<Target> {
    const { name, labels } = document.metadata;
    const { definition, values } = withoutValues(document);
    const sealedValues = new Uint8Array(this.keys.seal(PURPOSE, name, Buffer.from(JSON.stringify(values))));
    const data = { agentGroup: document.spec.agentGroup, labels, definition, sealedValues };
    const row = await transaction.target.upsert({
      where: { name },
      create: { name, ...data },
      update: { ...data, revision: { increment: 1 }, updatedAt: new Date() },
    });
    return toTarget(row);
  }

  /** The document as it was applied, values included. */
  unseal(target: Target): TargetDocument {
    const values = JSON.parse(
      this.keys.open(PURPOSE, target.name, target.sealedValues).toString("utf8"),
    ) as Values;
    const { spec } = target.document;
    return { ...target.document, spec: { ...spec, transport: withValues(spec.transport, values) } };
  }

  async delete(transaction: Transaction, name: string): Promise<boolean> {
    const target = await transaction.target.findUnique({ where: { name }, select: { id: true } });
    if (!target) return false;
    await transaction.targetVersions.deleteMany({ where: { targetId: target.id } });
    const { count } = await transaction.target.deleteMany({ where: target });
    // After the target itself: who writes down what it shows has a lock on that meanwhile.
    await transaction.toolPin.deleteMany({ where: { targetId: target.id } });
    return count > 0;
  }
}

type Values = Record<string, string>;
type Transport = TargetDocument["spec"]["transport"];

/** Names stay readable, values do not. */
function withoutValues(document: TargetDocument): { definition: TargetDocument; values: Values } {
  const { transport } = document.spec;
  const values = valuesOf(transport);
  const blank = Object.fromEntries(Object.keys(values).map((name) => [name, ""]));
  return {
    definition: { ...document, spec: { ...document.spec, transport: withValues(transport, blank) } },
    values,
  };
}

/** What is secret of a transport: values of environment variables or headers. */
function valuesOf(transport: Transport): Values {
  if ("stdio" in transport) return transport.stdio.environment;
  return "http" in transport ? transport.http.headers : transport.sse.headers;
}

function withValues(transport: Transport, values: Values): Transport {
  if ("stdio" in transport) return { stdio: { ...transport.stdio, environment: values } };
  if ("http" in transport) return { http: { ...transport.http, headers: values } };
  return { sse: { ...transport.sse, headers: values } };
}

function toTarget(row: Row): Target {
  return {
    id: row.id,
    name: row.name,
    agentGroup: row.agentGroup,
    labels: row.labels as Record<string, string>,
    document: row.definition as unknown as TargetDocument,
    sealedValues: row.sealedValues,
    revision: row.revision,
    updatedAt: row.updatedAt,
  };
}
