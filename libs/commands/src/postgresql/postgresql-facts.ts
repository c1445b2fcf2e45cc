import { refusedUnparsed } from "../command-texts.js";
import type { SqlFacts } from "../facts.js";
import { unreadSql } from "../unread-facts.js";

export function postgresqlFacts(texts: readonly string[]): SqlFacts {
  return unreadSql("postgresql", refusedUnparsed(texts) ?? "the parser is not loaded");
}
