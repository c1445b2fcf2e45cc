/** In which language a command is written; `sh` stands for every shell of the Bourne family. */
export const DIALECTS = ["postgresql", "mysql", "sh"] as const;
export type Dialect = (typeof DIALECTS)[number];
export type SqlDialect = Exclude<Dialect, "sh">;

/** Longer texts are not parsed: `parsed` is false. In bytes of UTF-8. */
export const MAX_COMMAND_BYTES = 64 * 1024;

/** Of a fact that a condition may ask for. */
export type FactType = "bool" | "int" | "list<string>" | "string";

export interface FactDescription {
  readonly type: FactType;
  /** One sentence for people who write policies. */
  readonly says: string;
}

/**
 * What is known of the SQL of one operation; of several texts, what holds of any of them (`parsed` and `readOnly`: of
 * all). Every boolean but those two is true when in doubt, `readOnly` is false when in doubt. When `parsed` is false
 * nothing else but `reason` means anything.
 */
export const SQL_FACTS = {
  parsed: { type: "bool", says: "the parser of the dialect understood all of it" },
  reason: { type: "string", says: "why it was not parsed; empty when it was" },
  dialect: { type: "string", says: "postgresql or mysql" },
  statements: { type: "int", says: "how many statements there are, not counting those within others" },
  kinds: {
    type: "list<string>",
    says: "kinds of statements, also of those within others: select, insert, update, delete, merge, truncate, copy, create, alter, drop, grant, revoke, set, show, explain, call, do, transaction, lock, maintenance, other",
  },
  readOnly: {
    type: "bool",
    says: "it reads and does nothing else; calls of functions that are not known to be harmless are not read-only",
  },
  writes: { type: "bool", says: "it changes, adds or removes rows" },
  writesInQuery: {
    type: "bool",
    says: "rows are changed from within a statement that looks like reading: a WITH of a SELECT, EXPLAIN ANALYZE, COPY of a query",
  },
  ddl: { type: "bool", says: "it creates, alters or drops something" },
  privileges: { type: "bool", says: "it changes roles, privileges, owners or row security" },
  deletesAll: {
    type: "bool",
    says: "DELETE or UPDATE without a WHERE that restricts it (WHERE true is none), or TRUNCATE",
  },
  runsCode: {
    type: "bool",
    says: "it runs code that is not looked into: DO, EXECUTE of a string, CALL, CREATE FUNCTION, unknown functions",
  },
  reachesOut: {
    type: "bool",
    says: "it reaches out of the database: files, programs, other servers, COPY to or from a file",
  },
  copyProgram: { type: "bool", says: "COPY … PROGRAM" },
  changesSession: { type: "bool", says: "it changes settings, roles or transactions of the connection" },
  tables: {
    type: "list<string>",
    says: "tables and views it names, as written but in the case the server sees: schema.table or table",
  },
  functions: { type: "list<string>", says: "functions it calls, as written but in the case the server sees" },
} as const satisfies Record<string, FactDescription>;

/** The same of a shell line. */
export const SHELL_FACTS = {
  parsed: { type: "bool", says: "the shell's grammar understood all of it" },
  reason: { type: "string", says: "why it was not parsed; empty when it was" },
  programs: {
    type: "list<string>",
    says: "programs it runs, also by way of others (sudo, xargs, sh -c …), without their folders",
  },
  readOnly: {
    type: "bool",
    says: "every program is known, and known to read only with these options; nothing is redirected into a file",
  },
  writes: { type: "bool", says: "it writes, moves or changes files, packages, services or settings" },
  destructive: {
    type: "bool",
    says: "it removes or overwrites what could not be had back: rm, dd, mkfs, truncate, shred, git push --force, DROP through a client …",
  },
  privileges: { type: "bool", says: "it runs as somebody else, or changes owners, modes, users or keys" },
  runsCode: {
    type: "bool",
    says: "it runs code that is not looked into: eval, source, an interpreter's -c or -e, a script, an unknown program",
  },
  pipesIntoInterpreter: {
    type: "bool",
    says: "it pipes or redirects something into a shell or an interpreter",
  },
  network: { type: "bool", says: "it talks to other hosts" },
  sendsData: {
    type: "bool",
    says: "it sends files, or what another program says, to another host: curl -T or -d @file, scp to a host, nc, /dev/tcp",
  },
  substitutions: { type: "bool", says: "it has $(…), `…` or <(…)" },
  dynamic: { type: "bool", says: "which program runs, or an option of one, depends on variables or output" },
  background: { type: "bool", says: "it leaves something running" },
  redirections: { type: "list<string>", says: "files it redirects into or from: > a, >> a, < a" },
  sql: {
    type: "list<string>",
    says: "SQL that it hands to a database client: what became of it is in the other facts",
  },
} as const satisfies Record<string, FactDescription>;

type ValueOf<Type extends FactType> = {
  bool: boolean;
  int: number;
  string: string;
  "list<string>": readonly string[];
}[Type];

export type SqlFacts = {
  readonly [Name in keyof typeof SQL_FACTS]: ValueOf<(typeof SQL_FACTS)[Name]["type"]>;
};
export type ShellFacts = {
  readonly [Name in keyof typeof SHELL_FACTS]: ValueOf<(typeof SHELL_FACTS)[Name]["type"]>;
};
