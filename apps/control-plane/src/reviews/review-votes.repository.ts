import { Injectable } from "@nestjs/common";
import type { ReviewVote as Row } from "../generated/prisma/client.js";
import { Database, type Transaction } from "../platform/database.js";

export type StoredVoteRow = Row;

@Injectable()
export class ReviewVotesRepository {
  constructor(private readonly database: Database) {}

  async insert(transaction: Transaction, vote: StoredVoteRow): Promise<void> {
    await transaction.reviewVote.create({ data: vote });
  }

  /** In the order in which they were cast. */
  of(transaction: Transaction | undefined, subjectIds: readonly string[]): Promise<StoredVoteRow[]> {
    return (transaction ?? this.database.prisma).reviewVote.findMany({
      where: { subjectId: { in: [...subjectIds] } },
      orderBy: [{ at: "asc" }, { principal: "asc" }],
    });
  }

  /** Those of them that are locked at `at`. */
  async lockedOf(
    transaction: Transaction | undefined,
    principals: readonly string[],
    at: Date,
  ): Promise<ReadonlySet<string>> {
    const locks = await (transaction ?? this.database.prisma).lock.findMany({
      where: {
        kind: "principal",
        subject: { in: [...principals] },
        releasedAt: null,
        OR: [{ expiresAt: null }, { expiresAt: { gt: at } }],
      },
      select: { subject: true },
    });
    return new Set(locks.map(({ subject }) => subject));
  }
}
