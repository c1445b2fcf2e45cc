import { Injectable } from "@nestjs/common";
import type { TargetVersions as Row } from "../generated/prisma/client.js";
import { Database } from "../platform/database.js";

/** The MCP revisions that a target was found to speak. */
export interface LearnedVersions {
  /** Of the target's definition. */
  readonly revision: number;
  readonly versions: readonly string[];
  readonly learnedAt: Date;
}

@Injectable()
export class TargetVersionsRepository {
  constructor(private readonly database: Database) {}

  async find(targetId: string): Promise<LearnedVersions | undefined> {
    return (await this.database.prisma.targetVersions.findUnique({ where: { targetId } })) ?? undefined;
  }

  async ofTargets(targetIds: readonly string[]): Promise<ReadonlyMap<string, LearnedVersions>> {
    const rows: Row[] = await this.database.prisma.targetVersions.findMany({
      where: { targetId: { in: [...targetIds] } },
    });
    return new Map(rows.map((row) => [row.targetId, row]));
  }

  async put(targetId: string, { revision, versions, learnedAt }: LearnedVersions): Promise<void> {
    const data = { revision, versions: [...versions], learnedAt };
    await this.database.prisma.targetVersions.upsert({
      where: { targetId },
      create: { targetId, ...data },
      update: data,
    });
  }
}
