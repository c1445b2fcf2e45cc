import { createRequire } from "node:module";
import type * as libpgQuery from "libpg-query";
import { tooLargeToParse } from "./size.js";

type Library = typeof libpgQuery;

export type Parsed =
  | { readonly statements: readonly unknown[] }
  | { readonly statements: undefined; readonly reason: string };

const require = createRequire(import.meta.url);

/** One to parse with and one in reserve. */
const WANTED = 2;

const instances: Library[] = [];
let loaded = false;
let loading: Promise<void> | undefined;

/** Loads the parser, with another in reserve: see `parse`. */
export async function loadPostgresqlParser(): Promise<void> {
  while (instances.length < WANTED) {
    await loadAnother();
  }
  loaded = true;
}

/**
 * The raw parse trees of a text, as libpg-query gives them in JSON. A parser that stopped for any reason but an error
 * in the text (it runs in WebAssembly: the stack may end in the midst of a statement) is never used again: the one in
 * reserve takes its place, and with the next text another is loaded.
 */
export function parse(text: string): Parsed {
  const refused = text === "" ? NO_STATEMENT : tooLargeToParse(text);
  if (refused !== undefined) return { statements: undefined, reason: refused };
  if (loaded && instances.length < WANTED) loadAnother().catch(() => undefined);
  // Taken out while it works: only what came to a good end is put back.
  const library = instances.pop();
  if (library === undefined) return { statements: undefined, reason: "the parser is not loaded" };
  const parsed = parseWith(library, text);
  if (parsed === undefined) return { statements: undefined, reason: "the parser could not finish it" };
  instances.push(library);
  return parsed;
}

/** Undefined when the parser is not to be used again. */
function parseWith(library: Library, text: string): Parsed | undefined {
  try {
    const statements = (library.parseSync(text).stmts ?? []).map((raw) => raw.stmt);
    return statements.length === 0 ? { statements: undefined, reason: NO_STATEMENT } : { statements };
  } catch (error) {
    return library.hasSqlDetails(error)
      ? { statements: undefined, reason: reasonOf(error.message) }
      : undefined;
  }
}

const NO_STATEMENT = "there is no statement in it";

/** The parser's own words quote the text: without the quote, which may be long, or a secret. */
function reasonOf(message: string): string {
  return message.replace(/ (?:at or near|in) .*/su, "").slice(0, 200);
}

function loadAnother(): Promise<void> {
  loading ??= newInstance()
    .then((instance) => {
      instances.push(instance);
    })
    .finally(() => {
      loading = undefined;
    });
  return loading;
}

/** What WebAssembly is not called with at first, it compiles when it is called: not while somebody waits. */
const WARMING_UP: readonly string[] = [
  "WITH a AS (SELECT 1) SELECT x.*, count(*) OVER (PARTITION BY y) FROM a x LEFT JOIN b USING (i) WHERE c = ANY (ARRAY[1]) GROUP BY 1",
  "INSERT INTO t (a) VALUES (1, 'x') ON CONFLICT (a) DO UPDATE SET a = 1; UPDATE t SET a = 1 WHERE b IN (1, 2)",
  "DELETE FROM t USING u WHERE t.a LIKE 'x' RETURNING *; EXPLAIN ANALYZE SELECT a -> 'b', c::int[] FROM f(1)",
  "CREATE TABLE t (a int PRIMARY KEY); ALTER TABLE t ADD b text; DROP TABLE t; SHOW x; SET a = 1; BEGIN; COPY t TO STDOUT",
];

/** The package keeps one instance of its WebAssembly for a process: forgetting its module gives another. */
async function newInstance(): Promise<Library> {
  const path = require.resolve("libpg-query");
  // oxlint-disable-next-line typescript/no-dynamic-delete
  delete require.cache[path];
  const library = require(path) as Library;
  await library.loadModule();
  for (const text of WARMING_UP) library.parseSync(text);
  return library;
}
