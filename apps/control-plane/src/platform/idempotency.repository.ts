import { Injectable } from "@nestjs/common";
import { Database } from "./database.js";

/** What one Idempotency-Key stands for: the same key of somebody else, or on another route, is another one. */
export interface IdempotencyScope {
  readonly principal: string;
  readonly route: string;
  readonly key: string;
}

export interface IdempotencyRow {
  readonly requestDigest: Uint8Array;
  /** Null while the request runs. */
  readonly status: number | null;
  readonly response: Uint8Array | null;
}

export interface IdempotencyClaim {
  readonly requestDigest: Uint8Array;
  readonly now: Date;
  /** A finished request from before this is forgotten. */
  readonly keptSince: Date;
  /** A request that began before this and has not finished never will: its process is gone. */
  readonly runningSince: Date;
}

@Injectable()
export class IdempotencyRepository {
  constructor(private readonly database: Database) {}

  /** True for exactly one of those who ask at once. */
  async claim({ principal, route, key }: IdempotencyScope, claim: IdempotencyClaim): Promise<boolean> {
    const { rowCount } = await this.database.pool.query(
      `INSERT INTO idempotency_key AS held (principal, route, key, request_digest, created_at)
       VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (principal, route, key) DO UPDATE
         SET request_digest = excluded.request_digest, created_at = excluded.created_at, status = NULL, response = NULL
         WHERE held.created_at < CASE WHEN held.status IS NULL THEN $7::timestamptz ELSE $6::timestamptz END`,
      [principal, route, key, claim.requestDigest, claim.now, claim.keptSince, claim.runningSince],
    );
    return rowCount === 1;
  }

  find(scope: IdempotencyScope): Promise<IdempotencyRow | null> {
    return this.database.prisma.idempotencyKey.findUnique({ where: { principal_route_key: { ...scope } } });
  }

  /** Keeps the answer of the claim made at `claimedAt`; a later claim is not touched. */
  async finish(
    scope: IdempotencyScope,
    claimedAt: Date,
    answer: { readonly status: number; readonly response: Uint8Array },
  ): Promise<void> {
    await this.database.prisma.idempotencyKey.updateMany({
      where: { ...scope, createdAt: claimedAt, status: null },
      data: { status: answer.status, response: Uint8Array.from(answer.response) },
    });
  }

  async release(scope: IdempotencyScope, claimedAt: Date): Promise<void> {
    await this.database.prisma.idempotencyKey.deleteMany({
      where: { ...scope, createdAt: claimedAt, status: null },
    });
  }

  async deleteBefore(before: Date): Promise<void> {
    await this.database.prisma.idempotencyKey.deleteMany({ where: { createdAt: { lt: before } } });
  }
}
