import type { SqlFacts } from "../facts.js";

/** Loads the parser's WebAssembly once; until then every text counts as not parsed. */
export async function loadMysqlParser(): Promise<void> {}

/** What the texts of one operation would do on a MySQL or MariaDB server. Never throws. */
export function mysqlFacts(texts: readonly string[]): SqlFacts {
  return {
    parsed: false,
    reason: "the parser is not loaded",
    dialect: "mysql",
    statements: texts.length,
    kinds: [],
    readOnly: false,
    writes: true,
    writesInQuery: true,
    ddl: true,
    privileges: true,
    deletesAll: true,
    runsCode: true,
    reachesOut: true,
    copyProgram: false,
    changesSession: true,
    tables: [],
    functions: [],
  };
}
