import type { SqlFacts } from "../facts.js";

/** Effects only ever grow: what one reading of a text, or one of its statements, does is done by all. */
export class Effects {
  readonly kinds = new Set<string>();
  readonly tables = new Set<string>();
  readonly functions = new Set<string>();
  statements = 0;
  writes = false;
  writesInQuery = false;
  ddl = false;
  privileges = false;
  deletesAll = false;
  runsCode = false;
  reachesOut = false;
  changesSession = false;
  /** It neither writes nor changes the session, and yet does more than read: it locks, or it maintains tables. */
  disturbs = false;

  facts(): SqlFacts {
    const does =
      this.writes || this.ddl || this.privileges || this.deletesAll || this.runsCode || this.reachesOut;
    return {
      parsed: true,
      reason: "",
      dialect: "mysql",
      statements: this.statements,
      kinds: [...this.kinds],
      readOnly: !does && !this.changesSession && !this.disturbs,
      writes: this.writes,
      writesInQuery: this.writesInQuery,
      ddl: this.ddl,
      privileges: this.privileges,
      deletesAll: this.deletesAll,
      runsCode: this.runsCode,
      reachesOut: this.reachesOut,
      copyProgram: false,
      changesSession: this.changesSession,
      tables: [...this.tables],
      functions: [...this.functions],
    };
  }
}
