import { refusedUnparsed } from "../command-texts.js";
import type { SqlFacts } from "../facts.js";
import { unreadSql } from "../unread-facts.js";
import { nodeOf } from "./ast.js";
import { type Effect, type Findings, noFindings } from "./findings.js";
import { parse } from "./parser.js";
import { looksLikeReading } from "./statement-effects.js";
import { STATEMENT_KINDS } from "./statement-kinds.js";
import { ownTransactions } from "./transactions.js";
import { TooDeepError, walkStatement } from "./walk.js";

/**
 * What the texts would do on a PostgreSQL server with its own names: what cannot be seen from a text is a view, rule or
 * trigger that does more than its name says, a function or operator of the database that hides a built-in one of the
 * same name, a column that is a function of its row, and a server with standard_conforming_strings off.
 */
export function postgresqlFacts(texts: readonly string[]): SqlFacts {
  const refused = refusedUnparsed(texts);
  if (refused !== undefined) return unreadSql("postgresql", refused);
  const statements: unknown[] = [];
  const own = new Set<unknown>();
  for (const text of texts) {
    const parsed = parse(text);
    if (parsed.statements === undefined) return unreadSql("postgresql", parsed.reason);
    statements.push(...parsed.statements);
    for (const statement of ownTransactions(parsed.statements)) own.add(statement);
  }
  try {
    return factsOf(statements, own);
  } catch (error) {
    return unreadSql(
      "postgresql",
      error instanceof TooDeepError ? error.message : "it could not be understood",
    );
  }
}

/** `own`: statements of transactions that begin and end here. */
function factsOf(statements: readonly unknown[], own: ReadonlySet<unknown>): SqlFacts {
  const all = noFindings();
  let writesInQuery = false;
  for (const statement of statements) {
    const found = noFindings();
    walkStatement(statement, found);
    if (own.has(statement)) found.effects.delete("changesSession");
    writesInQuery ||= found.effects.has("writes") && isQuery(statement);
    merge(all, found);
  }
  const has = (effect: Effect): boolean => all.effects.has(effect);
  return {
    parsed: true,
    reason: "",
    dialect: "postgresql",
    statements: statements.length,
    kinds: [...all.kinds].toSorted(),
    readOnly: all.effects.size === 0,
    writes: has("writes"),
    writesInQuery,
    ddl: has("ddl"),
    privileges: has("privileges"),
    deletesAll: has("deletesAll"),
    runsCode: has("runsCode"),
    reachesOut: has("reachesOut"),
    copyProgram: has("copyProgram"),
    changesSession: has("changesSession"),
    tables: [...all.tables].toSorted(),
    functions: [...all.functions].toSorted(),
  };
}

function isQuery(statement: unknown): boolean {
  const node = nodeOf(statement);
  if (node === undefined) return true;
  return looksLikeReading(STATEMENT_KINDS.get(node.type)?.kind ?? "other", node.fields);
}

function merge(into: Findings, found: Findings): void {
  for (const kind of found.kinds) into.kinds.add(kind);
  for (const effect of found.effects) into.effects.add(effect);
  for (const table of found.tables) into.tables.add(table);
  for (const name of found.functions) into.functions.add(name);
}
