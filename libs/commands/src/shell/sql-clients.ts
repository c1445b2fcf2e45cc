import type { SqlDialect, SqlFacts } from "../facts.js";
import { sqlFacts } from "../sql-facts.js";
import type { Analysis, Call, Feed } from "./analysis.js";
import { behind, type Field } from "./field.js";
import { hasOption, hasUncertainOption, operandsOf, optionNames, takesNextWord } from "./options.js";

interface SqlClient {
  readonly dialect: SqlDialect;
  /** Options whose value is SQL. */
  readonly statement: string;
  readonly valued: string;
  /** Options by which it runs a file, or a program. */
  readonly code: string;
  readonly writes: string;
  /** Its second operand is SQL. */
  readonly operand?: boolean;
}

const POSTGRESQL: SqlClient = {
  dialect: "postgresql",
  statement: "c command",
  valued:
    "c d f F h L o p P R U v command dbname file field-separator host log-file output port pset record-separator username set variable",
  code: "f file v set variable",
  writes: "o output L log-file",
};
const MYSQL: SqlClient = {
  dialect: "mysql",
  statement: "e execute",
  valued: "e D h P S u execute database host port socket user default-character-set ssl-ca",
  code: "init-command defaults-file defaults-extra-file plugin-dir pager default-auth",
  writes: "tee",
};

const CLIENTS: Readonly<Record<string, SqlClient>> = {
  psql: POSTGRESQL,
  pgcli: POSTGRESQL,
  mysql: MYSQL,
  mariadb: MYSQL,
  mycli: MYSQL,
  sqlite3: {
    dialect: "postgresql",
    statement: "cmd",
    valued: "cmd init separator nullvalue newline",
    code: "init cmd A",
    writes: "",
    operand: true,
  },
  duckdb: {
    dialect: "postgresql",
    statement: "c s",
    valued: "c s cmd init",
    code: "init cmd",
    writes: "",
    operand: true,
  },
  "clickhouse-client": {
    dialect: "postgresql",
    statement: "q query",
    valued: "q h u d query host user password port database",
    code: "queries-file config-file",
    writes: "",
  },
};

/** Judges a client of a database by the SQL it is given; false when the program is none. */
export function judgeSqlClient(analysis: Analysis, call: Call): boolean {
  const client = Object.hasOwn(CLIENTS, call.name) ? CLIENTS[call.name] : undefined;
  if (client === undefined) return false;
  const { found } = analysis;
  found.mark("network");
  if (onlyShows(call.words)) return true;
  if (hasOption(call.words, client.code, client.valued)) found.mark("runsCode");
  if (client.writes !== "" && hasOption(call.words, client.writes, client.valued))
    found.mark("writes", "runsCode");
  if (hasUncertainOption(call.words, client.valued)) found.mark("dynamic");
  const statements = statementsOf(client, call.words);
  if (statements.length === 0) judgeFed(analysis, client, call.feed);
  for (const statement of statements) judgeStatement(analysis, client, statement.text);
  return true;
}

function onlyShows(words: readonly Field[]): boolean {
  return words.length === 1 && ["--version", "--help", "-V", "-l", "--list"].includes(words[0]?.text ?? "");
}

function statementsOf(client: SqlClient, words: readonly Field[]): readonly Field[] {
  const names = optionNames(client.statement);
  const found = words.flatMap((word, index) => {
    if (takesNextWord(words[index - 1]?.text ?? "", names)) return [word];
    return attachedStatement(word, names);
  });
  if (client.operand === true) found.push(...operandsOf(words, client.valued).slice(1));
  return found;
}

/** --command=…, -c… and -Xc…: the rest of the word. */
function attachedStatement(word: Field, names: readonly string[]): readonly Field[] {
  const [, long] = /^--([^=]+)=/.exec(word.prefix) ?? [];
  if (long !== undefined) {
    return names.some((name) => name.length > 1 && name.startsWith(long))
      ? [behind(word, long.length + 3)]
      : [];
  }
  const match = /^-([A-Za-z]+)/.exec(word.prefix);
  const at = (match?.[1] ?? "").split("").findIndex((letter) => names.includes(letter));
  if (at === -1 || word.prefix.length <= at + 2) return [];
  return [behind(word, at + 2)];
}

/** SQL on the standard input: looked at when the line itself has all of it. */
function judgeFed(analysis: Analysis, client: SqlClient, feed: Feed): void {
  if (feed.text !== undefined) judgeStatement(analysis, client, feed.text);
  else if (feed.fed) analysis.found.mark("pipesIntoInterpreter");
  else analysis.found.mark("runsCode");
}

/** psql's and sqlite's own commands that only show something. */
const SHOWS =
  /^(?:\\(?:d[a-zA-Z+]*|l\+?|z|conninfo|timing|x|encoding|sf|sv|echo|q)|\.(?:tables|schema|databases|indexes|headers|mode|dump|show|width|timer))(?:\s+[\w.*"%-]+)*;?$/;

function judgeStatement(analysis: Analysis, client: SqlClient, text: string | undefined): void {
  const { found } = analysis;
  if (text === undefined) {
    found.mark("dynamic", "destructive");
    return;
  }
  const lines = text.split("\n");
  const sql = lines.filter((line) => !SHOWS.test(line.trim())).join("\n");
  if (sql.trim() === "") return;
  found.sql.push(sql);
  fold(analysis, sqlFacts(client.dialect, [sql]));
}

function fold(analysis: Analysis, facts: SqlFacts): void {
  const { found } = analysis;
  if (!facts.parsed || facts.ddl || facts.deletesAll) found.mark("destructive");
  if (!facts.parsed || facts.runsCode || facts.reachesOut) found.mark("destructive", "runsCode");
  if (facts.privileges) found.mark("destructive", "privileges");
  if (!facts.readOnly) found.mark("writes");
}
