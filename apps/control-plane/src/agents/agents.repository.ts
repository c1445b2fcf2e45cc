import type { Agent as Row } from "../generated/prisma/client.js";
import type { Transaction } from "../platform/database.js";

export type AgentState = "active" | "quarantined" | "removed";

export interface Agent {
  readonly id: string;
  readonly name: string;
  readonly group: string;
  readonly state: AgentState;
  /** The serial of the certificate in use. */
  readonly currentSerial: string;
  /** The serial of a certificate that was issued and not used yet. */
  readonly nextSerial: string | null;
  readonly certificateEndsAt: Date;
  readonly version: string;
  readonly features: readonly string[];
  readonly isolation: string;
  readonly joinedAt: Date;
  readonly lastSeenAt: Date | null;
}

export interface NewAgent {
  readonly id: string;
  readonly name: string;
  readonly group: string;
  readonly serial: string;
  readonly certificateEndsAt: Date;
  readonly sealingPublicKey: Uint8Array;
  readonly version: string;
  readonly joinedAt: Date;
}

export interface AgentConnection {
  readonly serial: string;
  readonly version: string;
  readonly features: readonly string[];
  readonly isolation: string;
  readonly at: Date;
}

export class AgentsRepository {
  constructor(private readonly transaction: Transaction) {}

  async find(id: string): Promise<Agent | undefined> {
    const row = await this.transaction.agent.findUnique({ where: { id } });
    return row ? toAgent(row) : undefined;
  }

  /** Those that are not removed, in the order they joined. */
  async list(after: string | undefined, count: number): Promise<Agent[]> {
    const rows = await this.transaction.agent.findMany({
      where: { state: { not: "removed" }, ...(after === undefined ? {} : { id: { gt: after } }) },
      orderBy: { id: "asc" },
      take: count,
    });
    return rows.map(toAgent);
  }

  async isNameTaken(name: string): Promise<boolean> {
    return (await this.transaction.agent.count({ where: { name, state: { not: "removed" } } })) > 0;
  }

  /** A removed agent leaves its name to whoever joins under it; it is kept under another. */
  async releaseName(name: string): Promise<void> {
    await this.transaction.$executeRaw`
      UPDATE "agent" SET "name" = left("name", 50) || '-' || right("id"::text, 12)
      WHERE "name" = ${name} AND "state" = 'removed'`;
  }

  async insert({ serial, sealingPublicKey, ...agent }: NewAgent): Promise<void> {
    await this.transaction.agent.create({
      data: {
        ...agent,
        currentSerial: serial,
        sealingPublicKey: new Uint8Array(sealingPublicKey),
        features: [],
      },
    });
  }

  /** The first use of the next certificate makes it the current one. */
  async promote(id: string, serial: string): Promise<boolean> {
    const { count } = await this.transaction.agent.updateMany({
      where: { id, state: "active", nextSerial: serial },
      data: { currentSerial: serial, nextSerial: null },
    });
    return count > 0;
  }

  async setNext(id: string, serial: string, certificateEndsAt: Date): Promise<boolean> {
    const { count } = await this.transaction.agent.updateMany({
      where: { id, state: "active" },
      data: { nextSerial: serial, certificateEndsAt },
    });
    return count > 0;
  }

  /** False when it was not active. */
  async quarantine(id: string): Promise<boolean> {
    const { count } = await this.transaction.agent.updateMany({
      where: { id, state: "active" },
      data: { state: "quarantined" },
    });
    return count > 0;
  }

  /** False when it was removed already. */
  async remove(id: string): Promise<boolean> {
    const { count } = await this.transaction.agent.updateMany({
      where: { id, state: { not: "removed" } },
      data: { state: "removed", nextSerial: null },
    });
    return count > 0;
  }

  /** Begins a connection: every older one is stale from here on. Undefined when the agent may no longer connect. */
  async beginConnection(id: string, connection: AgentConnection): Promise<number | undefined> {
    const { serial, version, features, isolation, at } = connection;
    const rows = await this.transaction.$queryRaw<{ epoch: bigint }[]>`
      UPDATE "agent" SET "epoch" = "epoch" + 1, "version" = ${version}, "features" = ${[...features]},
        "isolation" = ${isolation}, "last_seen_at" = ${at}
      WHERE "id" = ${id}::uuid AND "state" = 'active' AND "current_serial" = ${serial}
      RETURNING "epoch"`;
    return rows[0] && Number(rows[0].epoch);
  }

  async seen(ids: readonly string[], at: Date): Promise<void> {
    await this.transaction.agent.updateMany({ where: { id: { in: [...ids] } }, data: { lastSeenAt: at } });
  }

  /** Which of these may be connected. */
  async active(ids: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await this.transaction.agent.findMany({
      where: { id: { in: [...ids] }, state: "active" },
      select: { id: true },
    });
    return new Set(rows.map(({ id }) => id));
  }
}

function toAgent(row: Row): Agent {
  return {
    id: row.id,
    name: row.name,
    group: row.group,
    state: row.state as AgentState,
    currentSerial: row.currentSerial,
    nextSerial: row.nextSerial,
    certificateEndsAt: row.certificateEndsAt,
    version: row.version,
    features: row.features,
    isolation: row.isolation,
    joinedAt: row.joinedAt,
    lastSeenAt: row.lastSeenAt,
  };
}
