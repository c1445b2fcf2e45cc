import type { Transaction } from "../platform/database.js";

export interface JoinToken {
  readonly id: string;
  readonly group: string;
  readonly agentName: string | null;
  readonly createdBy: string;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly consumedAt: Date | null;
  readonly revokedAt: Date | null;
}

export interface NewJoinToken {
  readonly tokenHash: Uint8Array;
  readonly group: string;
  readonly agentName: string | null;
  readonly createdBy: string;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

const WITHOUT_HASH = {
  id: true,
  group: true,
  agentName: true,
  createdBy: true,
  createdAt: true,
  expiresAt: true,
  consumedAt: true,
  revokedAt: true,
} as const;

export class JoinTokensRepository {
  constructor(private readonly transaction: Transaction) {}

  insert(token: NewJoinToken): Promise<JoinToken> {
    const tokenHash = new Uint8Array(token.tokenHash);
    return this.transaction.joinToken.create({ data: { ...token, tokenHash }, select: WITHOUT_HASH });
  }

  async find(id: string): Promise<JoinToken | undefined> {
    return (
      (await this.transaction.joinToken.findUnique({ where: { id }, select: WITHOUT_HASH })) ?? undefined
    );
  }

  async findByHash(tokenHash: Uint8Array): Promise<JoinToken | undefined> {
    const where = { tokenHash: new Uint8Array(tokenHash) };
    return (await this.transaction.joinToken.findUnique({ where, select: WITHOUT_HASH })) ?? undefined;
  }

  /** Newest first. */
  list(before: string | undefined, count: number): Promise<JoinToken[]> {
    return this.transaction.joinToken.findMany({
      where: before === undefined ? {} : { id: { lt: before } },
      orderBy: { id: "desc" },
      take: count,
      select: WITHOUT_HASH,
    });
  }

  /** Uses a token up. Of any number of concurrent tries one gets it. */
  async consume(
    tokenHash: Uint8Array,
    now: Date,
  ): Promise<Pick<JoinToken, "id" | "group" | "agentName"> | undefined> {
    const rows = await this.transaction.$queryRaw<Pick<JoinToken, "id" | "group" | "agentName">[]>`
      UPDATE "join_token" SET "consumed_at" = ${now}
      WHERE "token_hash" = ${new Uint8Array(tokenHash)} AND "consumed_at" IS NULL AND "revoked_at" IS NULL
        AND "expires_at" > ${now}
      RETURNING "id", "agent_group" AS "group", "agent_name" AS "agentName"`;
    return rows[0];
  }

  async setAgent(id: string, agentId: string): Promise<void> {
    await this.transaction.joinToken.update({ where: { id }, data: { agentId } });
  }

  /** False when it was used or revoked already. */
  async revoke(id: string, at: Date): Promise<boolean> {
    const { count } = await this.transaction.joinToken.updateMany({
      where: { id, consumedAt: null, revokedAt: null },
      data: { revokedAt: at },
    });
    return count > 0;
  }
}
