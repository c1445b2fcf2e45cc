import { Injectable } from "@nestjs/common";
import { Database, type Transaction } from "../platform/database.js";
import type { StoredApproval } from "./approvals.repository.js";

export interface RepeatGrant {
  readonly id: string;
  /** The approval that it came from. */
  readonly approvalId: string;
}

export interface Repeat {
  readonly sessionId: string;
  readonly principal: string;
  readonly digest: Uint8Array<ArrayBuffer>;
  readonly now: Date;
}

export interface NewRepeat {
  /** Of what may run again, see OperationSeal.repeatDigestOf. */
  readonly digest: Uint8Array<ArrayBuffer>;
  readonly uses: number;
  readonly now: Date;
  readonly endsAt: Date;
}

/** Grants of kind repeat: that the very same operation may run again in its session. They open nothing by themselves. */
@Injectable()
export class RepeatGrantsRepository {
  constructor(private readonly database: Database) {}

  async insert(
    transaction: Transaction,
    approval: StoredApproval,
    { digest, uses, now, endsAt }: NewRepeat,
  ): Promise<string> {
    const { id } = await transaction.accessGrant.create({
      data: {
        kind: "repeat",
        requestId: approval.id,
        principal: approval.principal,
        email: approval.email,
        targetId: approval.targetId,
        targetName: approval.targetName,
        tools: approval.name === null ? [] : [approval.name],
        policy: approval.policy,
        reason: approval.comment,
        sessionId: approval.sessionId,
        operationDigest: digest,
        usesLeft: uses,
        createdAt: now,
        startsAt: now,
        endsAt,
      },
      select: { id: true },
    });
    return id;
  }

  /** Those that have uses left, the oldest first. */
  usable({ sessionId, principal, digest, now }: Repeat): Promise<RepeatGrant[]> {
    return this.database.prisma.$queryRaw`
      SELECT id, request_id AS "approvalId" FROM access_grant
      WHERE session_id = ${sessionId}::uuid AND kind = 'repeat' AND principal = ${principal}
        AND operation_digest = ${digest} AND state = 'active' AND uses_left > 0
        AND starts_at <= ${now} AND ends_at > ${now}
      ORDER BY id LIMIT 10`;
  }

  /** Takes one use, unless the epoch is another by then. uses_left alone moves no epoch: nothing is taken away by it. */
  async use(
    id: string,
    { epoch, now }: { readonly epoch: bigint; readonly now: Date },
  ): Promise<number | undefined> {
    return this.database.transaction(async (transaction) => {
      // First the row, then the epoch, as whoever ends it: in the other order each could wait for the other for ever.
      await transaction.$queryRaw`SELECT FROM access_grant WHERE id = ${id}::uuid FOR UPDATE`;
      const [row] = await transaction.$queryRaw<{ usesLeft: number }[]>`
        UPDATE access_grant SET uses_left = uses_left - 1
        WHERE id = ${id}::uuid AND kind = 'repeat' AND state = 'active' AND uses_left > 0 AND ends_at > ${now}
          AND (SELECT value FROM authorization_epoch WHERE id = 1 FOR SHARE) = ${epoch}
        RETURNING uses_left AS "usesLeft"`;
      return row?.usesLeft;
    });
  }

  /** Whether all would let it be used but for the epoch, which is another. */
  async isOfAnotherEpoch(
    id: string,
    { epoch, now }: { readonly epoch: bigint; readonly now: Date },
  ): Promise<boolean> {
    const rows = await this.database.prisma.$queryRaw<unknown[]>`
      SELECT FROM access_grant
      WHERE id = ${id}::uuid AND kind = 'repeat' AND state = 'active' AND uses_left > 0 AND ends_at > ${now}
        AND (SELECT value FROM authorization_epoch WHERE id = 1) <> ${epoch}`;
    return rows.length > 0;
  }

  /** Those of one approval that are active. */
  async end(
    transaction: Transaction,
    approvalId: string,
    {
      state,
      by,
      reason,
      now,
    }: {
      readonly state: "ended" | "revoked";
      readonly by: string;
      readonly reason: string;
      readonly now: Date;
    },
  ): Promise<string[]> {
    const rows = await transaction.$queryRaw<{ id: string }[]>`
      UPDATE access_grant SET state = ${state}, ended_at = ${now}, ended_by = ${by}, end_reason = ${reason}
      WHERE request_id = ${approvalId}::uuid AND kind = 'repeat' AND state = 'active'
      RETURNING id`;
    return rows.map(({ id }) => id);
  }
}
