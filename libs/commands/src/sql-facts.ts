import type { SqlDialect, SqlFacts } from "./facts.js";
import { mysqlFacts } from "./mysql/mysql-facts.js";
import { postgresqlFacts } from "./postgresql/postgresql-facts.js";

/** What the texts, taken together, would do. Never throws; before `loadParsers` nothing is parsed. */
export function sqlFacts(dialect: SqlDialect, texts: readonly string[]): SqlFacts {
  return dialect === "postgresql" ? postgresqlFacts(texts) : mysqlFacts(texts);
}
