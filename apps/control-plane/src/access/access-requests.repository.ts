import { Injectable } from "@nestjs/common";
import type { AccessRequestView } from "@drawbridge/contracts";
import type { AccessRequest as Row, Prisma } from "../generated/prisma/client.js";
import { Database, type Transaction } from "../platform/database.js";
import type { AccessKind, AccessTerms } from "./access-terms.js";

export type RequestState = AccessRequestView["state"];

export interface StoredRequest extends Omit<Row, "kind" | "state" | "terms" | "durationMs"> {
  readonly kind: AccessKind;
  readonly state: RequestState;
  readonly terms: AccessTerms;
  readonly durationMs: number;
}

export type NewRequest = Omit<
  StoredRequest,
  "id" | "state" | "escalatedAt" | "decidedAt" | "decidedBy" | "comment"
>;

/** Who looks: at their own, at what their groups are or were asked about, or at all. */
export interface Onlooker {
  readonly principal: string;
  readonly groups: readonly string[];
  readonly seesAll: boolean;
}

export interface RequestFilter {
  readonly state?: RequestState | undefined;
  readonly target?: string | undefined;
  readonly mine?: boolean | undefined;
  readonly before?: string | undefined;
}

export interface RequestDecision {
  readonly state: Exclude<RequestState, "pending">;
  readonly now: Date;
  readonly by?: string | undefined;
  readonly comment?: string | undefined;
  readonly grantId?: string | undefined;
}

const LIST = `
  SELECT id FROM access_request
  WHERE ($1 OR principal = $2 OR terms->'groups' ?| $4::text[])
    AND (NOT $3 OR principal = $2)
    AND ($5::text IS NULL OR $5 = CASE WHEN state = 'pending' AND expires_at <= $6 THEN 'expired' ELSE state END)
    AND ($7::text IS NULL OR target_name = $7)
    AND ($8::uuid IS NULL OR id < $8)
  ORDER BY id DESC LIMIT $9`;

@Injectable()
export class AccessRequestsRepository {
  constructor(private readonly database: Database) {}

  /** From here to the end of the transaction nobody else makes a request of the same principal. */
  async lockRequester(transaction: Transaction, principal: string): Promise<void> {
    await transaction.$queryRaw`SELECT 1 FROM pg_advisory_xact_lock(hashtextextended(${`access request of ${principal}`}, 0))`;
  }

  async pendingOf(transaction: Transaction, principal: string, now: Date): Promise<StoredRequest[]> {
    const rows = await transaction.accessRequest.findMany({
      where: { principal, state: "pending", expiresAt: { gt: now } },
    });
    return rows.map(requestOf);
  }

  async insert(transaction: Transaction, request: NewRequest): Promise<StoredRequest> {
    const { terms, identities, groups, tools, durationMs, ...rest } = request;
    const row = await transaction.accessRequest.create({
      data: {
        ...rest,
        identities: [...identities],
        groups: [...groups],
        tools: [...tools],
        terms: json(terms),
        durationMs: BigInt(durationMs),
      },
    });
    return requestOf(row);
  }

  async find(id: string): Promise<StoredRequest | undefined> {
    const row = await this.database.prisma.accessRequest.findUnique({ where: { id } });
    return row ? requestOf(row) : undefined;
  }

  /** Nobody else decides or votes on it until the transaction is over. */
  async lock(transaction: Transaction, id: string): Promise<StoredRequest | undefined> {
    await transaction.$queryRaw`SELECT 1 FROM access_request WHERE id = ${id}::uuid FOR UPDATE`;
    const row = await transaction.accessRequest.findUnique({ where: { id } });
    return row ? requestOf(row) : undefined;
  }

  /** pending → one of the others, once: undefined when it was not pending any more, or its time is over. */
  async decide(
    transaction: Transaction,
    id: string,
    { state, now, by, comment, grantId }: RequestDecision,
  ): Promise<StoredRequest | undefined> {
    const isExpiry = state === "expired";
    const [row] = await transaction.accessRequest.updateManyAndReturn({
      where: { id, state: "pending", expiresAt: isExpiry ? { lte: now } : { gt: now } },
      data: {
        state,
        decidedAt: now,
        decidedBy: by ?? null,
        comment: comment ?? null,
        ...(grantId === undefined ? {} : { grantId }),
      },
    });
    return row && requestOf(row);
  }

  /** Others are asked, once, when the time of the first is over. */
  async escalate(
    transaction: Transaction,
    id: string,
    { terms, now, expiresAt }: { readonly terms: AccessTerms; readonly now: Date; readonly expiresAt: Date },
  ): Promise<StoredRequest | undefined> {
    const [row] = await transaction.accessRequest.updateManyAndReturn({
      where: { id, state: "pending", escalatedAt: null, expiresAt: { lte: now } },
      data: { terms: json(terms), escalatedAt: now, expiresAt },
    });
    return row && requestOf(row);
  }

  /** Pending ones whose time is over, the oldest first. */
  async due(now: Date, count: number): Promise<string[]> {
    const rows = await this.database.prisma.accessRequest.findMany({
      where: { state: "pending", expiresAt: { lte: now } },
      orderBy: { expiresAt: "asc" },
      select: { id: true },
      take: count,
    });
    return rows.map(({ id }) => id);
  }

  /** Who was asked about it. */
  async groupsOf(transaction: Transaction, id: string): Promise<readonly string[]> {
    const row = await transaction.accessRequest.findUnique({ where: { id }, select: { terms: true } });
    return row ? (row.terms as unknown as AccessTerms).groups : [];
  }

  /** Those of `ids` that are pending no more. */
  async decidedOf(ids: readonly string[]): Promise<string[]> {
    const rows = await this.database.prisma.accessRequest.findMany({
      where: { id: { in: [...ids] }, state: { not: "pending" } },
      select: { id: true },
    });
    return rows.map(({ id }) => id);
  }

  /** Newest first. */
  async list(
    onlooker: Onlooker,
    { state, target, mine = false, before }: RequestFilter,
    { now, count }: { readonly now: Date; readonly count: number },
  ): Promise<StoredRequest[]> {
    const { principal, groups, seesAll } = onlooker;
    const { rows } = await this.database.pool.query<{ id: string }>(LIST, [
      seesAll,
      principal,
      mine,
      groups,
      state ?? null,
      now,
      target ?? null,
      before ?? null,
      count,
    ]);
    const found = await this.database.prisma.accessRequest.findMany({
      where: { id: { in: rows.map(({ id }) => id) } },
      orderBy: { id: "desc" },
    });
    return found.map(requestOf);
  }
}

function requestOf({ kind, state, terms, durationMs, ...rest }: Row): StoredRequest {
  return {
    ...rest,
    kind: kind as AccessKind,
    state: state as RequestState,
    terms: terms as unknown as AccessTerms,
    durationMs: Number(durationMs),
  };
}

function json(terms: AccessTerms): Prisma.InputJsonObject {
  return terms as unknown as Prisma.InputJsonObject;
}
