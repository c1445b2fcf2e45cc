import { Injectable } from "@nestjs/common";
import type { ApprovalState } from "@drawbridge/contracts";
import type { ReviewTerms } from "@drawbridge/policy";
import { Prisma } from "../generated/prisma/client.js";
import { Database, type Transaction } from "../platform/database.js";
import type { ApprovalOwner } from "./approvals.js";

/** A row but for the operation and what people see of it, which may be large. */
export interface StoredApproval {
  readonly id: string;
  readonly sessionId: string;
  readonly exchange: bigint;
  readonly principal: string;
  readonly email: string | null;
  readonly identities: string[];
  readonly oauthClient: string;
  readonly targetId: string;
  readonly targetName: string;
  readonly method: string;
  readonly name: string | null;
  readonly requestedDigest: Uint8Array<ArrayBuffer>;
  readonly approvedDigest: Uint8Array<ArrayBuffer> | null;
  readonly policy: string;
  readonly policyVersion: number;
  readonly rule: string;
  readonly reason: string;
  readonly review: ReviewTerms;
  readonly state: ApprovalState;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly escalatedAt: Date | null;
  readonly presentUntil: Date;
  readonly decidedAt: Date | null;
  readonly decidedBy: string | null;
  readonly comment: string | null;
  readonly sessionUses: number | null;
  readonly endedAt: Date | null;
  readonly endReason: string | null;
  readonly toldAt: Date | null;
}

export interface NewApproval {
  readonly id: string;
  readonly owner: ApprovalOwner;
  readonly exchange: number;
  readonly email: string | undefined;
  readonly identities: readonly string[];
  readonly target: { readonly id: string; readonly name: string };
  readonly method: string;
  readonly name: string | undefined;
  readonly digest: Uint8Array<ArrayBuffer>;
  readonly sealed: Uint8Array<ArrayBuffer>;
  readonly preview: Uint8Array<ArrayBuffer>;
  readonly policy: string;
  readonly policyVersion: number;
  readonly rule: string;
  readonly reason: string;
  readonly review: ReviewTerms;
  readonly taskHash: Uint8Array<ArrayBuffer> | undefined;
  readonly expiresAt: Date;
  readonly presentUntil: Date;
}

/** One more leg of an open approval. */
export interface NewLeg {
  readonly owner: ApprovalOwner;
  readonly digest: Uint8Array<ArrayBuffer>;
  readonly exchange: number;
  readonly taskHash: Uint8Array<ArrayBuffer> | undefined;
  readonly presentUntil: Date;
}

/** An operation with other arguments. */
export interface Edited {
  readonly digest: Uint8Array<ArrayBuffer>;
  readonly sealed: Uint8Array<ArrayBuffer>;
  readonly preview: Uint8Array<ArrayBuffer>;
}

export interface Decided {
  readonly by: string;
  readonly comment: string | undefined;
  readonly sessionUses: number | undefined;
}

/** How an approval ends other than by running. */
export interface Ending {
  readonly state: "denied" | "expired" | "cancelled" | "revoked";
  /** From one of these only. */
  readonly from: readonly ("pending" | "approved")[];
  readonly reason: string | undefined;
  /** Where somebody decided. */
  readonly decided?: { readonly by: string; readonly comment: string | undefined } | undefined;
  /** Only when it is due for it: its time is over, or its caller has left. */
  readonly only?: "expired" | "abandoned" | undefined;
}

/** Changes whenever a caller who waits might have to hear of it. */
export interface ApprovalMark {
  readonly id: string;
  readonly mark: string;
  readonly due: boolean;
}

/** Who reads, and what of it all. */
export interface ApprovalFilter {
  /** Undefined: they may see everything. */
  readonly reader:
    | {
        readonly identities: readonly string[];
        readonly principal: string;
        readonly groups: readonly string[];
      }
    | undefined;
  readonly id?: string | undefined;
  readonly state?: ApprovalState | undefined;
  readonly target?: string | undefined;
  readonly principal?: string | undefined;
  readonly before?: string | undefined;
}

/** Whether it may still be decided or run. */
export function isOpen(
  approval: StoredApproval,
): approval is StoredApproval & { readonly state: "pending" | "approved" } {
  return approval.state === "pending" || approval.state === "approved";
}

const OPEN = Prisma.raw("state IN ('pending', 'approved')");

const COLUMNS = Prisma.raw(
  [
    "id, exchange, principal, email, identities, method, name, policy, rule, reason, review, state, comment",
    'session_id AS "sessionId", oauth_client AS "oauthClient", target_id AS "targetId", target_name AS "targetName"',
    'requested_digest AS "requestedDigest", approved_digest AS "approvedDigest", policy_version AS "policyVersion"',
    'created_at AS "createdAt", expires_at AS "expiresAt", escalated_at AS "escalatedAt"',
    'present_until AS "presentUntil", decided_at AS "decidedAt", decided_by AS "decidedBy"',
    'session_uses AS "sessionUses", ended_at AS "endedAt", end_reason AS "endReason", told_at AS "toldAt"',
  ].join(", "),
);

// FOR SHARE: who moves the epoch waits until this has committed, or this waits for them and sees what they made of it.
const EPOCH = Prisma.raw("(SELECT value FROM authorization_epoch WHERE id = 1 FOR SHARE)");

/**
 * The rows. Each transition is one statement that says from which states it goes, so that of any number at once one wins,
 * and compares the times by itself, so that what is over is over though nobody has swept it yet.
 */
@Injectable()
export class ApprovalsRepository {
  constructor(private readonly database: Database) {}

  /** Undefined when the same is open already, or `mostOpen` of the principal are. */
  async insert(
    transaction: Transaction,
    approval: NewApproval,
    { now, mostOpen }: { readonly now: Date; readonly mostOpen: number },
  ): Promise<StoredApproval | undefined> {
    const { owner, target, review } = approval;
    const [row] = await transaction.$queryRaw<StoredApproval[]>`
      INSERT INTO approval (id, session_id, exchange, principal, email, identities, oauth_client, target_id, target_name,
        method, name, requested_digest, sealed, preview, policy, policy_version, rule, reason, review, task_hash,
        created_at, expires_at, present_until)
      SELECT ${approval.id}::uuid, ${owner.sessionId}::uuid, ${approval.exchange}, ${owner.principal},
        ${approval.email ?? null}, ${[...approval.identities]}, ${owner.oauthClient}, ${target.id}::uuid, ${target.name},
        ${approval.method}, ${approval.name ?? null}, ${approval.digest}, ${approval.sealed}, ${approval.preview},
        ${approval.policy}, ${approval.policyVersion}, ${approval.rule}, ${approval.reason},
        ${JSON.stringify(review)}::jsonb, ${approval.taskHash ?? null}, ${now}, ${approval.expiresAt},
        ${approval.presentUntil}
      WHERE (SELECT count(*) FROM approval WHERE principal = ${owner.principal} AND ${OPEN}) < ${mostOpen}
      ON CONFLICT (session_id, requested_digest) WHERE state IN ('pending', 'approved') DO NOTHING
      RETURNING ${COLUMNS}`;
    return row;
  }

  /** The open approval of the same operation, which its caller waits for again. */
  async join(leg: NewLeg, now: Date): Promise<StoredApproval | undefined> {
    const { owner } = leg;
    const [row] = await this.database.prisma.$queryRaw<StoredApproval[]>`
      UPDATE approval SET exchange = ${leg.exchange}, present_until = greatest(present_until, ${leg.presentUntil}),
        task_hash = coalesce(${leg.taskHash ?? null}, task_hash)
      WHERE session_id = ${owner.sessionId}::uuid AND requested_digest = ${leg.digest} AND ${OPEN}
        AND principal = ${owner.principal} AND oauth_client = ${owner.oauthClient}
        AND expires_at > ${now} AND present_until > ${now}
      RETURNING ${COLUMNS}`;
    return row;
  }

  /** Whether the same was ever held in this session. */
  async isKnown({ owner, digest }: Pick<NewLeg, "owner" | "digest">): Promise<boolean> {
    const rows = await this.database.prisma.$queryRaw<unknown[]>`
      SELECT 1 FROM approval
      WHERE session_id = ${owner.sessionId}::uuid AND requested_digest = ${digest} LIMIT 1`;
    return rows.length > 0;
  }

  /** What is open of the same operation, due to end or not. */
  async openOf({ owner, digest }: Pick<NewLeg, "owner" | "digest">): Promise<StoredApproval | undefined> {
    const [row] = await this.database.prisma.$queryRaw<StoredApproval[]>`
      SELECT ${COLUMNS} FROM approval
      WHERE session_id = ${owner.sessionId}::uuid AND requested_digest = ${digest} AND ${OPEN}`;
    return row;
  }

  /** The last one that ended since then and whose caller has not heard of it; cancelled ones were their own doing. */
  async untoldOf(
    { owner, digest }: Pick<NewLeg, "owner" | "digest">,
    since: Date,
  ): Promise<StoredApproval | undefined> {
    const [row] = await this.database.prisma.$queryRaw<StoredApproval[]>`
      SELECT ${COLUMNS} FROM approval
      WHERE session_id = ${owner.sessionId}::uuid AND requested_digest = ${digest}
        AND principal = ${owner.principal} AND oauth_client = ${owner.oauthClient}
        AND state IN ('consumed', 'denied', 'expired', 'revoked') AND told_at IS NULL AND ended_at > ${since}
      ORDER BY ended_at DESC LIMIT 1`;
    return row;
  }

  byIds(ids: readonly string[]): Promise<StoredApproval[]> {
    return this.database.prisma.$queryRaw`
      SELECT ${COLUMNS} FROM approval WHERE id = ANY(${[...ids]}::uuid[])`;
  }

  async byTask(taskHash: Uint8Array<ArrayBuffer>): Promise<StoredApproval | undefined> {
    const [row] = await this.database.prisma.$queryRaw<StoredApproval[]>`
      SELECT ${COLUMNS} FROM approval WHERE task_hash = ${taskHash}`;
    return row;
  }

  async byExchange(sessionId: string, exchange: number): Promise<StoredApproval | undefined> {
    const [row] = await this.database.prisma.$queryRaw<StoredApproval[]>`
      SELECT ${COLUMNS} FROM approval
      WHERE session_id = ${sessionId}::uuid AND exchange = ${exchange} AND ${OPEN}
      ORDER BY id DESC LIMIT 1`;
    return row;
  }

  async openExchanges(): Promise<{ sessionId: string; exchange: number }[]> {
    const rows = await this.database.prisma.$queryRaw<{ sessionId: string; exchange: bigint }[]>`
      SELECT session_id AS "sessionId", exchange FROM approval WHERE ${OPEN}`;
    return rows.map(({ sessionId, exchange }) => ({ sessionId, exchange: Number(exchange) }));
  }

  /** Nobody else changes it before the transaction is over. */
  async lock(transaction: Transaction, id: string): Promise<StoredApproval | undefined> {
    const [row] = await transaction.$queryRaw<StoredApproval[]>`
      SELECT ${COLUMNS} FROM approval WHERE id = ${id}::uuid FOR UPDATE`;
    return row;
  }

  /** Undefined when it has ended. */
  async sealed(
    id: string,
    within: Pick<Transaction, "$queryRaw"> = this.database.prisma,
  ): Promise<Uint8Array | undefined> {
    const [row] = await within.$queryRaw<{ sealed: Uint8Array | null }[]>`
      SELECT sealed FROM approval WHERE id = ${id}::uuid`;
    return row?.sealed ?? undefined;
  }

  async previews(id: string): Promise<{ preview: Uint8Array; editedPreview: Uint8Array | null } | undefined> {
    const row = await this.database.prisma.approval.findUnique({
      where: { id },
      select: { preview: true, editedPreview: true },
    });
    return row ?? undefined;
  }

  /** Others vote on the edited operation from here on. */
  async edit(transaction: Transaction, id: string, edited: Edited): Promise<boolean> {
    const count = await transaction.$executeRaw`
      UPDATE approval SET sealed = ${edited.sealed}, approved_digest = ${edited.digest},
        edited_preview = ${edited.preview}
      WHERE id = ${id}::uuid AND state = 'pending' AND approved_digest IS NULL`;
    return count === 1;
  }

  async setSessionUses(transaction: Transaction, id: string, sessionUses: number | undefined): Promise<void> {
    await transaction.$executeRaw`
      UPDATE approval SET session_uses = ${sessionUses ?? null} WHERE id = ${id}::uuid AND state = 'pending'`;
  }

  /** pending → approved */
  async approve(
    transaction: Transaction,
    id: string,
    { by, comment, sessionUses, now }: Decided & { readonly now: Date },
  ): Promise<StoredApproval | undefined> {
    const [row] = await transaction.$queryRaw<StoredApproval[]>`
      UPDATE approval SET state = 'approved', decided_at = ${now}, decided_by = ${by}, comment = ${comment ?? null},
        session_uses = ${sessionUses ?? null}
      WHERE id = ${id}::uuid AND state = 'pending' AND expires_at > ${now} AND present_until > ${now}
      RETURNING ${COLUMNS}`;
    return row;
  }

  /** approved → consumed, for the one who gets the row: in the session of the approval or, of a task, of whoever polls it. */
  async consume(
    transaction: Transaction,
    { id, owner, epoch, exchange, now }: Consumption,
  ): Promise<StoredApproval | undefined> {
    // First the row, then the epoch, as whoever ends it: in the other order each could wait for the other for ever.
    await transaction.$queryRaw`SELECT FROM approval WHERE id = ${id}::uuid FOR UPDATE`;
    const [row] = await transaction.$queryRaw<StoredApproval[]>`
      UPDATE approval SET state = 'consumed', sealed = NULL, exchange = ${exchange}, ended_at = ${now},
        session_id = ${owner.sessionId}::uuid
      WHERE id = ${id}::uuid AND state = 'approved' AND expires_at > ${now} AND present_until > ${now}
        AND (session_id = ${owner.sessionId}::uuid OR task_hash IS NOT NULL) AND principal = ${owner.principal}
        AND oauth_client = ${owner.oauthClient} AND ${EPOCH} = ${epoch}
      RETURNING ${COLUMNS}`;
    return row;
  }

  /** Whether all would let it be consumed but for the epoch, which is another. */
  async isOfAnotherEpoch(transaction: Transaction, { id, owner, epoch, now }: Consumption): Promise<boolean> {
    const rows = await transaction.$queryRaw<unknown[]>`
      SELECT FROM approval WHERE id = ${id}::uuid AND state = 'approved' AND expires_at > ${now}
        AND present_until > ${now} AND (session_id = ${owner.sessionId}::uuid OR task_hash IS NOT NULL)
        AND principal = ${owner.principal} AND oauth_client = ${owner.oauthClient}
        AND (SELECT value FROM authorization_epoch WHERE id = 1) <> ${epoch}`;
    return rows.length > 0;
  }

  /** pending or approved → denied, expired, cancelled or revoked. The operation is erased. */
  async end(
    transaction: Transaction,
    id: string,
    { state, from, reason, decided, only, now }: Ending & { readonly now: Date },
  ): Promise<StoredApproval | undefined> {
    const due =
      only === undefined
        ? Prisma.sql`true`
        : only === "expired"
          ? Prisma.sql`expires_at <= ${now}`
          : Prisma.sql`present_until <= ${now}`;
    const decision = decided
      ? Prisma.sql`, decided_at = ${now}, decided_by = ${decided.by}, comment = ${decided.comment ?? null}`
      : Prisma.empty;
    const [row] = await transaction.$queryRaw<StoredApproval[]>`
      UPDATE approval SET state = ${state}, sealed = NULL, ended_at = ${now}, end_reason = ${reason ?? null}${decision}
      WHERE id = ${id}::uuid AND state = ANY(${[...from]}) AND ${due}
      RETURNING ${COLUMNS}`;
    return row;
  }

  /** pending, and others are asked. Once. */
  async escalate(
    transaction: Transaction,
    id: string,
    {
      review,
      expiresAt,
      now,
    }: { readonly review: ReviewTerms; readonly expiresAt: Date; readonly now: Date },
  ): Promise<StoredApproval | undefined> {
    const [row] = await transaction.$queryRaw<StoredApproval[]>`
      UPDATE approval SET escalated_at = ${now}, expires_at = ${expiresAt}, review = ${JSON.stringify(review)}::jsonb
      WHERE id = ${id}::uuid AND state = 'pending' AND expires_at <= ${now} AND escalated_at IS NULL
      RETURNING ${COLUMNS}`;
    return row;
  }

  async told(id: string, now: Date): Promise<void> {
    await this.database.prisma.$executeRaw`
      UPDATE approval SET told_at = ${now} WHERE id = ${id}::uuid AND told_at IS NULL AND NOT (${OPEN})`;
  }

  /** Their callers are there. Where an exchange is given, it is the leg that waits now. In one order, so that two processes never wait for each other. */
  async present(
    legs: readonly { readonly id: string; readonly exchange: number | undefined }[],
    until: Date,
  ): Promise<void> {
    const ids = legs.map(({ id }) => id);
    const exchanges = legs.map(({ exchange }) => exchange ?? -1);
    await this.database.prisma.$executeRaw`
      WITH leg AS (SELECT * FROM unnest(${ids}::uuid[], ${exchanges}::bigint[]) AS leg(id, exchange)),
      open AS (SELECT approval.id FROM approval JOIN leg USING (id) WHERE ${OPEN} ORDER BY approval.id FOR UPDATE OF approval)
      UPDATE approval SET present_until = greatest(present_until, ${until}),
        exchange = CASE WHEN leg.exchange >= 0 THEN leg.exchange ELSE approval.exchange END
      FROM open JOIN leg USING (id) WHERE approval.id = open.id AND ${OPEN}`;
  }

  /** The epoch is in the mark of those somebody has voted on: who is locked then may be one of them. */
  marks(ids: readonly string[], now: Date): Promise<ApprovalMark[]> {
    return this.database.prisma.$queryRaw`
      SELECT approval.id, concat_ws(' ', state, expires_at, approved_digest IS NULL, votes.count,
          CASE WHEN votes.count > 0 THEN (SELECT value FROM authorization_epoch WHERE id = 1) END) AS mark,
        ${OPEN} AND expires_at <= ${now} AS due
      FROM approval, LATERAL (SELECT count(*) FROM review_vote WHERE subject_id = approval.id) AS votes
      WHERE approval.id = ANY(${[...ids]}::uuid[])`;
  }

  /** Open, but their time is over or their caller has left. */
  due(now: Date, count: number): Promise<StoredApproval[]> {
    return this.database.prisma.$queryRaw`
      SELECT ${COLUMNS} FROM approval WHERE ${OPEN} AND (expires_at <= ${now} OR present_until <= ${now})
      ORDER BY id LIMIT ${count}`;
  }

  /** Newest first. */
  list(filter: ApprovalFilter, count: number): Promise<StoredApproval[]> {
    const { reader, id, state, target, principal, before } = filter;
    const conditions = [
      ...(reader
        ? [
            Prisma.sql`(principal = ${reader.principal} OR identities && ${[...reader.identities]}::text[]
              OR EXISTS (SELECT FROM jsonb_array_elements(review->'from') AS asked
                         WHERE asked->>'group' = ANY(${[...reader.groups]}::text[])))`,
          ]
        : []),
      ...(id === undefined ? [] : [Prisma.sql`id = ${id}::uuid`]),
      ...(state === undefined ? [] : [Prisma.sql`state = ${state}`]),
      ...(target === undefined ? [] : [Prisma.sql`target_name = ${target}`]),
      ...(principal === undefined ? [] : [Prisma.sql`principal = ${principal}`]),
      ...(before === undefined ? [] : [Prisma.sql`id < ${before}::uuid`]),
    ];
    const where =
      conditions.length === 0 ? Prisma.empty : Prisma.sql`WHERE ${Prisma.join(conditions, " AND ")}`;
    return this.database.prisma.$queryRaw`
      SELECT ${COLUMNS} FROM approval ${where} ORDER BY id DESC LIMIT ${count}`;
  }
}

export interface Consumption {
  readonly id: string;
  readonly owner: ApprovalOwner;
  readonly epoch: bigint;
  readonly exchange: number;
  readonly now: Date;
}
