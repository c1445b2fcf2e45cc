/** What a statement may do beside reading. `acts` is what has no fact of its own: it only makes it not read-only. */
export type Effect =
  | "writes"
  | "ddl"
  | "privileges"
  | "deletesAll"
  | "runsCode"
  | "reachesOut"
  | "copyProgram"
  | "changesSession"
  | "acts";

/** What was found in one statement so far. */
export interface Findings {
  readonly kinds: Set<string>;
  readonly effects: Set<Effect>;
  readonly tables: Set<string>;
  readonly functions: Set<string>;
  /** Functions in FROM by their alias, with the columns that their rows are known to have. */
  readonly rangeFunctions: Map<string, ReadonlySet<string>>;
  /** `alias.name`, as far as it may stand for `name(alias)`. */
  readonly qualified: { readonly alias: string; readonly name: string }[];
}

export function noFindings(): Findings {
  return {
    kinds: new Set(),
    effects: new Set(),
    tables: new Set(),
    functions: new Set(),
    rangeFunctions: new Map(),
    qualified: [],
  };
}
