import { Injectable } from "@nestjs/common";
import { Database } from "../platform/database.js";

/** Somebody at a target. */
export interface Use {
  readonly principal: string;
  readonly client: string;
  readonly target: string;
}

const COUNT = `
  SELECT count(*)::int AS count
  FROM unnest($1::text[], $2::text[], $3::text[]) AS used(principal, client, target)
  JOIN session ON session.principal = used.principal AND session.oauth_client = used.client
   AND session.target_name = used.target AND session.closed_at IS NULL`;

@Injectable()
export class OpenSessionsRepository {
  constructor(private readonly database: Database) {}

  async count(uses: readonly Use[]): Promise<number> {
    const { rows } = await this.database.pool.query<{ count: number }>(COUNT, [
      uses.map(({ principal }) => principal),
      uses.map(({ client }) => client),
      uses.map(({ target }) => target),
    ]);
    return rows[0]?.count ?? 0;
  }
}
