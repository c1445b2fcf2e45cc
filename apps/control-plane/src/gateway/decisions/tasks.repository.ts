import { Injectable } from "@nestjs/common";
import { Database } from "../../platform/database.js";

export interface StoredTaskOwner {
  readonly targetId: string;
  readonly principal: string;
  readonly oauthClient: string;
}

@Injectable()
export class TasksRepository {
  constructor(private readonly database: Database) {}

  /** The first owner stays the owner. */
  async add(idHash: Uint8Array<ArrayBuffer>, owner: StoredTaskOwner): Promise<void> {
    await this.database.prisma.task.createMany({ data: [{ idHash, ...owner }], skipDuplicates: true });
  }

  /** Which of these tasks are the owner's. */
  async ownedOf(
    idHashes: readonly Uint8Array<ArrayBuffer>[],
    { principal, oauthClient }: StoredTaskOwner,
  ): Promise<Uint8Array[]> {
    const rows = await this.database.prisma.task.findMany({
      where: { idHash: { in: [...idHashes] }, principal, oauthClient },
      select: { idHash: true },
    });
    return rows.map(({ idHash }) => idHash);
  }

  async removeOlderThan(moment: Date): Promise<void> {
    await this.database.prisma.task.deleteMany({ where: { createdAt: { lt: moment } } });
  }
}
