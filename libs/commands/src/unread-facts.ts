import type { Dialect, ShellFacts, SqlDialect, SqlFacts } from "./facts.js";

/** The facts of SQL that was not parsed: everything is in doubt. */
export function unreadSql(dialect: SqlDialect, reason: string): SqlFacts {
  return {
    parsed: false,
    reason,
    dialect,
    statements: 0,
    kinds: [],
    readOnly: false,
    writes: true,
    writesInQuery: true,
    ddl: true,
    privileges: true,
    deletesAll: true,
    runsCode: true,
    reachesOut: true,
    copyProgram: true,
    changesSession: true,
    tables: [],
    functions: [],
  };
}

/** The facts of a shell line that was not parsed: everything is in doubt. */
export function unreadShell(reason: string): ShellFacts {
  return {
    parsed: false,
    reason,
    programs: [],
    readOnly: false,
    writes: true,
    destructive: true,
    privileges: true,
    runsCode: true,
    pipesIntoInterpreter: true,
    network: true,
    sendsData: true,
    substitutions: true,
    dynamic: true,
    background: true,
    redirections: [],
    sql: [],
  };
}

const NOT_TEXT = "the argument is neither a text nor a list of texts";

/** The facts of an argument that should be a command and is not a text, see `commandTexts`. */
export function unreadable(dialect: "sh"): ShellFacts;
export function unreadable(dialect: SqlDialect): SqlFacts;
export function unreadable(dialect: Dialect): SqlFacts | ShellFacts;
export function unreadable(dialect: Dialect): SqlFacts | ShellFacts {
  return dialect === "sh" ? unreadShell(NOT_TEXT) : unreadSql(dialect, NOT_TEXT);
}
