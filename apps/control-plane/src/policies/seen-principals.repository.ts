import { Injectable } from "@nestjs/common";
import { Database, type Transaction } from "../platform/database.js";

/** Somebody who opened a session, with what the token of then said. */
export interface SeenPrincipal {
  readonly principal: string;
  readonly client: string;
  readonly email?: string | undefined;
  readonly groups: readonly string[];
  /** Principal.identities. */
  readonly identities?: readonly string[] | undefined;
}

// One statement for all, in the order of the key, so that two processes never wait for each other's rows.
const PUT = `
  INSERT INTO seen_principal AS seen (principal, oauth_client, email, groups, identities, last_seen_at)
  SELECT principal, client, email, array(SELECT jsonb_array_elements_text(groups)),
    array(SELECT jsonb_array_elements_text(identities)), $2::timestamptz
  FROM jsonb_to_recordset($1::jsonb) AS row(principal text, client text, email text, groups jsonb, identities jsonb)
  ORDER BY principal, client
  ON CONFLICT (principal, oauth_client) DO UPDATE
  SET email = excluded.email, groups = excluded.groups, identities = excluded.identities, last_seen_at = excluded.last_seen_at
  WHERE seen.last_seen_at <= excluded.last_seen_at`;

@Injectable()
export class SeenPrincipalsRepository {
  constructor(private readonly database: Database) {}

  async put(seen: readonly SeenPrincipal[], at: Date): Promise<void> {
    const rows = seen.map(({ principal, client, email, groups, identities = [] }) => ({
      principal,
      client,
      email,
      groups,
      identities: identities.filter((identity) => !identity.startsWith("sub:")),
    }));
    await this.database.pool.query(PUT, [JSON.stringify(rows, storable), at]);
  }

  /** Who was seen last before then. */
  async forget(before: Date): Promise<void> {
    await this.database.prisma.seenPrincipal.deleteMany({ where: { lastSeenAt: { lt: before } } });
  }

  /** Of those clients through which each was seen, the last. */
  newestOf(
    principals: readonly string[],
    transaction: Transaction = this.database.prisma,
  ): Promise<{ principal: string; groups: string[]; lastSeenAt: Date }[]> {
    return transaction.seenPrincipal.findMany({
      where: { principal: { in: [...principals] } },
      orderBy: [{ principal: "asc" }, { lastSeenAt: "desc" }],
      distinct: ["principal"],
      select: { principal: true, groups: true, lastSeenAt: true },
    });
  }

  /** Of all of them and of all their clients. */
  async identitiesOf(
    principals: readonly string[],
    transaction: Transaction = this.database.prisma,
  ): Promise<string[]> {
    const rows = await transaction.seenPrincipal.findMany({
      where: { principal: { in: [...principals] } },
      select: { identities: true },
    });
    return rows.flatMap(({ identities }) => identities);
  }

  /** Newest first. */
  async since(since: Date, count: number): Promise<SeenPrincipal[]> {
    const rows = await this.database.prisma.seenPrincipal.findMany({
      where: { lastSeenAt: { gte: since } },
      orderBy: [{ lastSeenAt: "desc" }, { principal: "asc" }, { oauthClient: "asc" }],
      take: count,
    });
    return rows.map(({ principal, oauthClient, email, groups }) => ({
      principal,
      client: oauthClient,
      ...(email === null ? {} : { email }),
      groups,
    }));
  }
}

/** Postgres keeps no NUL, and one odd token must not fail a batch. */
function storable(_key: string, value: unknown): unknown {
  return typeof value === "string" ? value.toWellFormed().replaceAll("\0", "\uFFFD") : value;
}
