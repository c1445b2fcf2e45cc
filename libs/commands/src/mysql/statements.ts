import { canonical } from "./canonical.js";
import { Effects } from "./effects.js";
import { isKnownBad, reachesOut } from "./functions.js";
import { parseStatement } from "./parser.js";
import { addSyntax } from "./syntax.js";
import { type Token, Unreadable } from "./tokens.js";

/** What one statement does, beyond its own tokens. */
interface Surroundings {
  readonly effects: Effects;
  readonly pipesAreOr: boolean;
}

type Reader = (tokens: readonly Token[], surroundings: Surroundings) => void;

/** Adds what one statement does; throws {@link Unreadable} when nobody can say. */
export function addStatement(tokens: readonly Token[], surroundings: Surroundings): void {
  const first = tokens[0];
  const leading = first?.kind === "symbol" && first.text === "(" ? "(" : wordAt(tokens, 0);
  const read = leading !== undefined && Object.hasOwn(STATEMENTS, leading) ? STATEMENTS[leading] : undefined;
  if (read === undefined) {
    throw new Unreadable("it begins with a word that begins no statement this knows", false);
  }
  read(tokens, surroundings);
  addBadCalls(tokens, surroundings.effects);
}

/** Calls that nothing may hide, wherever they stand: a second look that does not depend on the parser. */
function addBadCalls(tokens: readonly Token[], effects: Effects): void {
  for (const [at, token] of tokens.entries()) {
    // With ANSI_QUOTES it is the name of a function.
    if (token.kind === "string" && token.quote === '"' && isSymbolAt(tokens, at + 1, "(")) {
      effects.runsCode = true;
    }
    if ((token.kind !== "word" && token.kind !== "quoted") || !isSymbolAt(tokens, at + 1, "(")) continue;
    const name = token.text.toLowerCase();
    if (!isKnownBad(name)) continue;
    effects.functions.add(name);
    effects.runsCode = true;
    effects.reachesOut ||= reachesOut(name);
  }
}

const wordAt = (tokens: readonly Token[], at: number): string | undefined => {
  const token = tokens[at];
  return token?.kind === "word" ? token.lower : undefined;
};
const isSymbolAt = (tokens: readonly Token[], at: number, symbol: string): boolean => {
  const token = tokens[at];
  return token?.kind === "symbol" && token.text === symbol;
};
const hasWord = (tokens: readonly Token[], ...words: readonly string[]): boolean =>
  tokens.some((token) => token.kind === "word" && words.includes(token.lower));

/** Statements that rows are read or changed with: understood by the parser. */
const parsed: Reader = (tokens, { effects, pipesAreOr }) => {
  const { text, precedenceUnsure } = canonical(withoutInto(tokens, effects), pipesAreOr);
  const tree = parseStatement(text);
  if (tree === undefined) {
    throw new Unreadable("its grammar is not understood", false);
  }
  addSyntax(tree, effects, precedenceUnsure);
};

/** An expression, or a list of them, as a statement that only computes it. */
function parsedExpression(tokens: readonly Token[], { effects, pipesAreOr }: Surroundings): void {
  const own = new Effects();
  parsed([word("select"), ...tokens], { effects: own, pipesAreOr });
  own.kinds.delete("select");
  if (own.disturbs || own.writes) throw new Unreadable("its grammar is not understood", false);
  addAll(own, effects);
}

const word = (lower: string): Token => ({ kind: "word", text: lower, lower });

function addAll(from: Effects, to: Effects): void {
  for (const name of ["kinds", "tables", "functions"] as const) {
    for (const item of from[name]) to[name].add(item);
  }
  for (const name of FLAGS) to[name] ||= from[name];
}

const FLAGS = [
  "writes",
  "writesInQuery",
  "ddl",
  "privileges",
  "deletesAll",
  "runsCode",
  "reachesOut",
  "changesSession",
  "disturbs",
] as const;

const INTO_OPTIONS = new Set(
  "fields columns terminated by optionally enclosed escaped lines starting".split(" "),
);

/** Takes SELECT's INTO away, which the parser does not know, and says what it does. */
function withoutInto(tokens: readonly Token[], effects: Effects): readonly Token[] {
  const at = placeOfInto(tokens);
  if (at === -1) return tokens;
  const end = endOfInto(tokens, at + 1);
  if (end === at + 1) return tokens;
  if (tokens[at + 1]?.kind === "variable") effects.changesSession = true;
  else effects.reachesOut = true;
  return withoutInto([...tokens.slice(0, at), ...tokens.slice(end)], effects);
}

/** Where SELECT's INTO is; that of INSERT stands among its first words. */
function placeOfInto(tokens: readonly Token[]): number {
  const inserts = ["insert", "replace"].includes(wordAt(tokens, 0) ?? "");
  return tokens.findIndex(
    (_, at) => at >= (inserts ? 8 : 0) && wordAt(tokens, at) === "into" && !isSymbolAt(tokens, at - 1, "."),
  );
}

/** Where the file or the variables end that something is put into; the start when it is neither. */
function endOfInto(tokens: readonly Token[], start: number): number {
  if (["outfile", "dumpfile"].includes(wordAt(tokens, start) ?? "")) {
    return endOfOptions(tokens, start + 1);
  }
  if (tokens[start]?.kind !== "variable") return start;
  let end = start + 1;
  while (isSymbolAt(tokens, end, ",") && tokens[end + 1]?.kind === "variable") end += 2;
  return end;
}

function endOfOptions(tokens: readonly Token[], start: number): number {
  for (let at = start; at < tokens.length; at++) {
    const option = wordAt(tokens, at);
    if (option === "character" || option === "charset") at += option === "character" ? 2 : 1;
    else if (tokens[at]?.kind !== "string" && !(option !== undefined && INTO_OPTIONS.has(option))) return at;
  }
  return tokens.length;
}

// Statements that are known by their first words: what they do is said in full, whatever comes after.

type Flag = (typeof FLAGS)[number];

function known(kind: string, ...flags: readonly Flag[]): Reader {
  return (tokens, { effects }) => {
    effects.kinds.add(kind);
    for (const flag of flags) effects[flag] = true;
    addNames(tokens, effects);
  };
}

/** The same of statements that do little by themselves: with an expression in them, what it does is not known. */
function plain(kind: string, ...flags: readonly Flag[]): Reader {
  const add = known(kind, ...flags);
  return (tokens, surroundings) => {
    add(tokens, surroundings);
    if (tokens.some((_, at) => isSymbolAt(tokens, at, "("))) surroundings.effects.runsCode = true;
  };
}

/** After which words names of tables stand. */
const BEFORE_NAMES = new Set(
  "table tables view on references like from join into update truncate handler rename".split(" "),
);
const NOT_NAMES = new Set(
  "if not exists only table tables select set column index key user duplicate delete update cascade no restrict current_timestamp with read write low_priority local".split(
    " ",
  ),
);

function addNames(tokens: readonly Token[], effects: Effects): void {
  for (let at = 0; at < tokens.length; at++) {
    const lead = wordAt(tokens, at);
    if (lead === undefined || !BEFORE_NAMES.has(lead)) continue;
    let next = at + 1;
    while (["if", "not", "exists", "only", "table", "to", "as"].includes(wordAt(tokens, next) ?? "")) next++;
    addNameList(tokens, next, effects);
  }
}

function addNameList(tokens: readonly Token[], start: number, effects: Effects): void {
  for (let at = start; ; at++) {
    const found = nameAt(tokens, at);
    if (found === undefined) return;
    effects.tables.add(found.name);
    at = found.end;
    while (["read", "write"].includes(wordAt(tokens, at) ?? "")) at++;
    if (!isSymbolAt(tokens, at, ",")) return;
  }
}

/** `a TO b, c TO d`. */
function addRenamed(tokens: readonly Token[], effects: Effects): void {
  const pairs = tokens
    .slice(2)
    .map((token) => (token.kind === "word" && token.lower === "to" ? COMMA : token));
  addNameList(pairs, 0, effects);
}

const COMMA: Token = { kind: "symbol", text: "," };

function nameAt(
  tokens: readonly Token[],
  start: number,
): { readonly name: string; readonly end: number } | undefined {
  const parts: string[] = [];
  for (let at = start; ; at += 2) {
    const token = tokens[at];
    if (!isName(token, parts.length)) return undefined;
    parts.push(token.text);
    if (!isSymbolAt(tokens, at + 1, ".")) return { name: parts.join("."), end: at + 1 };
  }
}

function isName(token: Token | undefined, before: number): token is Token {
  if (token === undefined) return false;
  if (token.kind === "word") return before > 0 || !NOT_NAMES.has(token.lower);
  return (
    token.kind === "quoted" ||
    (token.kind === "string" && token.quote === '"') ||
    (token.kind === "symbol" && token.text === "*")
  );
}

const RIGHTS = ["identified", "definer", "security"];
const EMPTYING = ["truncate", "discard", "drop", "exchange"];
const ACCOUNTS = ["user", "role"];
const CODE = ["function", "procedure", "trigger", "event", "aggregate", "package", "soname", "library"];
const OUTSIDE = ["server", "federated", "connection", "directory", "soname", "connect", "logfile", "wrapper"];

function definition(kind: "create" | "alter" | "drop"): Reader {
  return (tokens, { effects }) => {
    effects.kinds.add(kind);
    effects.ddl = true;
    const noun = nounOf(tokens);
    effects.privileges ||= ACCOUNTS.includes(noun) || hasWord(tokens, ...RIGHTS);
    effects.runsCode ||= hasWord(tokens, ...CODE) || noun === "instance";
    effects.reachesOut ||= hasWord(tokens, ...OUTSIDE);
    effects.deletesAll ||= kind === "alter" && hasWord(tokens, ...EMPTYING);
    if (replacesRows(tokens)) {
      effects.kinds.add("drop");
      effects.deletesAll = true;
    }
    effects.writes ||= hasWord(tokens, "select");
    addNames(tokens, effects);
  };
}

const HOLDS = ["table", "temporary", "database", "schema", "sequence"];

/** CREATE OR REPLACE TABLE drops the table that was there, with its rows. */
function replacesRows(tokens: readonly Token[]): boolean {
  return wordAt(tokens, 1) === "or" && HOLDS.includes(nounOf(tokens));
}

/** What is defined; CREATE OR REPLACE has it two words later. */
function nounOf(tokens: readonly Token[]): string {
  return wordAt(tokens, wordAt(tokens, 1) === "or" ? 3 : 1) ?? "";
}

const truncate: Reader = (tokens, { effects }) => {
  effects.kinds.add("truncate");
  effects.writes = true;
  effects.deletesAll = true;
  addNameList(tokens, wordAt(tokens, 1) === "table" ? 2 : 1, effects);
};

const analyze: Reader = (tokens, surroundings) => {
  const what = ["local", "no_write_to_binlog"].includes(wordAt(tokens, 1) ?? "") ? 2 : 1;
  if (["table", "tables"].includes(wordAt(tokens, what) ?? "")) {
    plain("maintenance", "disturbs")(tokens, surroundings);
    return;
  }
  // MariaDB: ANALYZE and a statement does what the statement does.
  explained(tokens, 1, { surroundings, runs: true });
};

const explain: Reader = (tokens, surroundings) => {
  surroundings.effects.kinds.add("explain");
  if (wordAt(tokens, 1) === "for" && wordAt(tokens, 2) === "connection" && tokens.length === 4) return;
  explained(tokens, 1, { surroundings, runs: false });
};

const EXPLAINED = new Set([
  "select",
  "with",
  "table",
  "values",
  "insert",
  "replace",
  "update",
  "delete",
  "(",
]);

function explained(
  tokens: readonly Token[],
  start: number,
  how: { readonly surroundings: Surroundings; readonly runs: boolean },
): void {
  const at = endOfExplainOptions(tokens, start);
  const runs = how.runs || hasWord(tokens.slice(start, at), "analyze");
  const rest = tokens.slice(at);
  const leading = isSymbolAt(rest, 0, "(") ? "(" : wordAt(rest, 0);
  const { effects, pipesAreOr } = how.surroundings;
  effects.kinds.add("explain");
  if (leading === undefined || !EXPLAINED.has(leading)) {
    described(rest, effects);
    return;
  }
  const own = new Effects();
  addStatement(rest, { effects: own, pipesAreOr });
  if (runs) {
    own.writesInQuery = own.writes;
  } else {
    own.writes = own.deletesAll = own.disturbs = false;
  }
  addAll(own, effects);
}

function endOfExplainOptions(tokens: readonly Token[], start: number): number {
  for (let at = start; ;) {
    const option = wordAt(tokens, at) ?? "";
    if (option === "format" && isSymbolAt(tokens, at + 1, "=")) at += 3;
    else if (EXPLAIN_OPTIONS.has(option) && at + 1 < tokens.length) at++;
    else return at;
  }
}

const EXPLAIN_OPTIONS = new Set(["analyze", "extended", "partitions"]);

/** A table, and maybe a column of it or a pattern for its columns. */
function described(tokens: readonly Token[], effects: Effects): void {
  const found = nameAt(tokens, 0);
  const after = found === undefined ? [] : tokens.slice(found.end);
  const isColumn =
    after.length === 0 || (after.length === 1 && ["word", "quoted", "string"].includes(after[0]?.kind ?? ""));
  if (found === undefined || !isColumn) throw new Unreadable("its grammar is not understood", false);
  effects.tables.add(found.name);
}

const SHOWN = new Set(
  `databases schemas tables full extended columns fields index indexes keys create table view database schema triggers
  trigger events event procedure function user variables global session local status warnings errors engine engines
  storage processlist grants privileges plugins character charset collation binary binlog master replica slave replicas
  slaves hosts relaylog open profile profiles logs log count code package sequence authors contributors parse_tree
  locales query_response_time client_statistics index_statistics user_statistics table_statistics`.split(
    /\s+/,
  ),
);

const show: Reader = (tokens, surroundings) => {
  const { effects } = surroundings;
  effects.kinds.add("show");
  if (!SHOWN.has(wordAt(tokens, 1) ?? "")) throw new Unreadable("its grammar is not understood", false);
  const where = tokens.findIndex((token) => token.kind === "word" && token.lower === "where");
  const before = where === -1 ? tokens : tokens.slice(0, where);
  // SHOW CREATE PROCEDURE and the like name no table: only what stands after these does.
  if (
    hasWord(before, "columns", "fields", "index", "indexes", "keys", "table", "view") &&
    !hasWord(before, "status")
  ) {
    addShownName(before, effects);
  }
  if (before.some((_, at) => isSymbolAt(before, at, "("))) effects.runsCode = true;
  if (where !== -1) parsedExpression(tokens.slice(where + 1), surroundings);
};

function addShownName(tokens: readonly Token[], effects: Effects): void {
  const at = tokens.findIndex(
    (token, index) =>
      index > 0 && token.kind === "word" && ["from", "in", "table", "view"].includes(token.lower),
  );
  const found = at === -1 ? undefined : nameAt(tokens, at + 1);
  if (found === undefined) return;
  const schema = ["from", "in"].includes(wordAt(tokens, found.end) ?? "")
    ? nameAt(tokens, found.end + 1)
    : undefined;
  effects.tables.add(schema === undefined ? found.name : `${schema.name}.${found.name}`);
}

/** Character sets in which no byte of a letter looks like a quote or a backslash, so that texts end where we see it. */
const PLAIN_CHARSETS = new Set(["utf8", "utf8mb3", "utf8mb4", "latin1", "ascii", "binary", "default"]);
const CHARSET_VARIABLE = /(?:^|\.|@)character_set_/i;
const SERVER_SCOPES = new Set(["global", "persist", "persist_only"]);

const set: Reader = (tokens, surroundings) => {
  const { effects } = surroundings;
  effects.kinds.add("set");
  effects.changesSession = true;
  const what = wordAt(tokens, 1);
  if (what === "statement") throw new Unreadable("SET STATEMENT is not understood", false);
  const isAssignment = isSymbolAt(tokens, 2, "=") || isSymbolAt(tokens, 2, ":=");
  const own =
    !isAssignment && what !== undefined && Object.hasOwn(SETTINGS, what) ? SETTINGS[what] : undefined;
  if (own !== undefined) {
    own(tokens, surroundings);
  } else if (hasWord(tokens.slice(1, 3), "transaction")) {
    if (what === "global") addServerSetting(effects);
  } else {
    addAssignments(tokens.slice(1), surroundings);
  }
};

const setAccount: Reader = (_tokens, { effects }) => {
  effects.privileges = true;
};
const setCharset: Reader = (tokens, surroundings) => {
  addCharset(tokens[wordAt(tokens, 1) === "character" ? 3 : 2], surroundings.effects);
  addAssignmentsAfterComma(tokens, surroundings);
};

/** What SET begins with that is no variable. */
const SETTINGS: Readonly<Record<string, Reader>> = {
  password: setAccount,
  role: setAccount,
  default: setAccount,
  resource: setAccount,
  names: setCharset,
  character: setCharset,
  charset: setCharset,
};

function addServerSetting(effects: Effects): void {
  // Where logs are written, which plugins are loaded, who may connect: a variable of the server can be any of these.
  effects.privileges = true;
  effects.runsCode = true;
  effects.reachesOut = true;
}

function addCharset(token: Token | undefined, effects: Effects): void {
  const name = token !== undefined && "text" in token ? token.text.toLowerCase() : "";
  if (!PLAIN_CHARSETS.has(name)) effects.runsCode = true;
}

function addAssignmentsAfterComma(tokens: readonly Token[], surroundings: Surroundings): void {
  const comma = tokens.findIndex((token) => token.kind === "symbol" && token.text === ",");
  if (comma !== -1) addAssignments(tokens.slice(comma + 1), surroundings);
}

function addAssignments(tokens: readonly Token[], surroundings: Surroundings): void {
  for (const assignment of splitAtCommas(tokens)) addAssignment(assignment, surroundings);
}

function addAssignment(tokens: readonly Token[], surroundings: Surroundings): void {
  const { effects } = surroundings;
  const equals = tokens.findIndex(
    (token) => token.kind === "symbol" && (token.text === "=" || token.text === ":="),
  );
  const names = tokens.slice(0, equals === -1 ? 0 : equals);
  const isNamed = names.every(
    (token) => token.kind !== "number" && (token.kind !== "symbol" || token.text === "."),
  );
  if (names.length === 0 || !isNamed) throw new Unreadable("its grammar is not understood", false);
  const target = names.map((token) => token.text.toLowerCase()).join(" ");
  const value = tokens.slice(equals + 1);
  if ([...SERVER_SCOPES].some((scope) => new RegExp(`(?:^|@@ ?)${scope}(?:$|[ .])`).test(target))) {
    addServerSetting(effects);
  }
  if (/(?:^|[ .@])password$/.test(target)) effects.privileges = true;
  if (CHARSET_VARIABLE.test(target.replaceAll(" ", "."))) addCharset(value[0], effects);
  if (value.length !== 1 || value[0]?.kind === "symbol") parsedExpression(value, surroundings);
}

function splitAtCommas(tokens: readonly Token[]): Token[][] {
  const parts: Token[][] = [[]];
  let depth = 0;
  for (const token of tokens) {
    if (token.kind === "symbol") depth += token.text === "(" ? 1 : token.text === ")" ? -1 : 0;
    if (depth === 0 && token.kind === "symbol" && token.text === ",") parts.push([]);
    else parts.at(-1)?.push(token);
  }
  return parts;
}

/** BEGIN, COMMIT and the like are a few words: with more after them they may be a program of MariaDB's. */
const transaction: Reader = (tokens, { effects }) => {
  const words = new Set(
    "begin work start transaction with consistent snapshot read only write commit rollback and no chain release savepoint to xa end prepare recover convert xid one phase join resume suspend for migrate".split(
      " ",
    ),
  );
  const isPlain = tokens.every(
    (token, at) => token.kind !== "word" || words.has(token.lower) || at === tokens.length - 1,
  );
  if (!isPlain || tokens.length > 8 || (wordAt(tokens, 0) === "begin" && hasWord(tokens, "not"))) {
    throw new Unreadable("its grammar is not understood", false);
  }
  effects.kinds.add("transaction");
  effects.changesSession = true;
};

const start: Reader = (tokens, surroundings) => {
  if (wordAt(tokens, 1) === "transaction") transaction(tokens, surroundings);
  else administration(tokens, surroundings);
};

const administration = known("maintenance", "disturbs", "privileges", "runsCode");
const grants = (kind: "grant" | "revoke"): Reader => known(kind, "privileges");
const locks: Reader = (tokens, surroundings) => {
  plain("lock", "changesSession", "disturbs")(tokens, surroundings);
  if (hasWord(tokens, "instance")) surroundings.effects.runsCode = true;
};
const forgets = plain("other", "changesSession");
const maintains = plain("maintenance", "disturbs");
const rebuilds = known("maintenance", "disturbs", "writes", "ddl");

const STATEMENTS: Readonly<Record<string, Reader>> = {
  "(": parsed,
  select: parsed,
  with: parsed,
  values: parsed,
  insert: parsed,
  replace: parsed,
  update: parsed,
  delete: parsed,
  table: (tokens, surroundings) => {
    parsed([word("select"), { kind: "symbol", text: "*" }, word("from"), ...tokens.slice(1)], surroundings);
  },
  do: (tokens, surroundings) => {
    surroundings.effects.kinds.add("do");
    parsedExpression(tokens.slice(1), surroundings);
  },
  explain,
  describe: explain,
  desc: explain,
  analyze,
  show,
  help: plain("show"),
  use: plain("set", "changesSession"),
  set,
  begin: transaction,
  start,
  commit: transaction,
  rollback: transaction,
  savepoint: transaction,
  release: transaction,
  xa: transaction,
  lock: locks,
  unlock: locks,
  create: definition("create"),
  alter: definition("alter"),
  drop: (tokens, surroundings) => {
    (wordAt(tokens, 1) === "prepare" ? forgets : definition("drop"))(tokens, surroundings);
  },
  rename: (tokens, { effects }) => {
    effects.kinds.add("alter");
    effects.ddl = true;
    effects.privileges ||= wordAt(tokens, 1) === "user";
    if (wordAt(tokens, 1) !== "user") addRenamed(tokens, effects);
  },
  truncate,
  grant: grants("grant"),
  revoke: grants("revoke"),
  flush: administration,
  kill: administration,
  shutdown: administration,
  restart: administration,
  reset: administration,
  purge: administration,
  change: administration,
  stop: administration,
  install: known("other", "privileges", "runsCode", "reachesOut", "ddl"),
  uninstall: known("other", "privileges", "runsCode", "ddl"),
  clone: known("other", "privileges", "runsCode", "reachesOut"),
  binlog: known("other", "writes", "runsCode"),
  cache: maintains,
  load: known("copy", "writes", "reachesOut"),
  import: known("create", "ddl", "reachesOut"),
  handler: plain("other", "changesSession", "disturbs"),
  call: known("call", "runsCode"),
  prepare: known("other", "runsCode", "changesSession"),
  execute: known("other", "runsCode"),
  deallocate: forgets,
  optimize: rebuilds,
  repair: rebuilds,
  check: maintains,
  checksum: maintains,
};
