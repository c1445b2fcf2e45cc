import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import type { SqlFacts } from "../facts.js";
import { POSTGRESQL_BENIGN } from "../fixtures/postgresql-benign.js";
import { POSTGRESQL_DESTRUCTIVE } from "../fixtures/postgresql-destructive.js";
import { loadPostgresqlParser } from "./parser.js";
import { postgresqlFacts } from "./postgresql-facts.js";

beforeAll(loadPostgresqlParser);

const factsOf = (text: string): SqlFacts => postgresqlFacts([text]);

/** The booleans that are true, but for `parsed`. */
function traits(text: string): readonly string[] {
  const { parsed, ...facts } = factsOf(text);
  expect(parsed).toBe(true);
  return Object.entries(facts).flatMap(([name, value]) => (value === true ? [name] : []));
}

describe("what is not parsed", () => {
  test.each([
    [
      "a NUL byte, which would end the text for the parser",
      "select 1\0; drop table users",
      "it has a NUL byte",
    ],
    ["half of a pair of surrogates", "select '\uD800'", "it is not well-formed Unicode"],
    ["more than 64 KiB", `select '${"a".repeat(64 * 1024)}'`, "it is longer than 64 KiB"],
    ["more than 64 KiB in UTF-8", `select '${"é".repeat(33_000)}'`, "it is longer than 64 KiB"],
    ["nothing", " ; -- nothing", "there is no statement in it"],
    ["no SQL", "hello", "syntax error"],
    ["too many parts", `select 1${",1".repeat(6000)}`, "it has too many parts"],
    ["too deep brackets", `select ${"(".repeat(500)}1${")".repeat(500)}`, "it is nested too deeply"],
    ["too long a chain", `select 1${" isnull".repeat(5000)}`, "it is nested too deeply"],
    ["a chain that is a deep tree", `select 1${"+1".repeat(1000)}`, "it is nested too deeply"],
  ])("%s", (_what, text, reason) => {
    expect(factsOf(text)).toMatchObject({
      parsed: false,
      reason,
      readOnly: false,
      ddl: true,
      runsCode: true,
    });
  });

  test("the reason quotes nothing of the text", () => {
    expect(factsOf("select from where 'hunter2'").reason).toBe("syntax error");
  });

  test("no text at all, and one text that does not parse among others", () => {
    expect(postgresqlFacts([])).toMatchObject({ parsed: false, reason: "there is no command" });
    expect(postgresqlFacts(["select 1", "nonsense"])).toMatchObject({
      parsed: false,
      reason: "syntax error",
    });
  });
});

describe("what a statement does", () => {
  test.each<[text: string, ...traits: string[]]>([
    ["select 1", "readOnly"],
    ["select * into copy from users", "writes", "writesInQuery", "ddl"],
    ["create table copy as select 1", "writes", "ddl"],
    ["insert into t values (1)", "writes"],
    ["with d as (delete from t where id = 1 returning *) select * from d", "writes", "writesInQuery"],
    ["with d as (delete from t where id = 1 returning *) insert into a select * from d", "writes"],
    ["explain delete from t", "readOnly"],
    ["explain analyze delete from t where id = 1", "writes", "writesInQuery"],
    ["copy t from stdin", "writes"],
    ["copy t to stdout", "readOnly"],
    ["copy t to '/tmp/x'", "reachesOut"],
    ["copy t from program 'id'", "writes", "runsCode", "reachesOut", "copyProgram"],
    ["copy (delete from t where id = 1 returning *) to stdout", "writes", "writesInQuery"],
    ["truncate t", "writes", "deletesAll"],
    ["select nextval('s')", "writes", "writesInQuery"],
    ["insert into t values (nextval('s'))", "writes"],
    ["select set_config('search_path', 'x', false)", "changesSession"],
    ["select set_config(x, 'x', false) from t", "privileges", "changesSession"],
    ["select pg_advisory_lock(1)", "changesSession"],
    ["select pg_notify('a', 'b')"],
    ["select * from t for update"],
    ["select * from t for key share"],
    ["lock table t"],
    ["notify a"],
    ["listen a", "changesSession"],
    ["vacuum full t"],
    ["analyze t"],
    ["reindex table t"],
    ["cluster t"],
    ["checkpoint"],
    ["refresh materialized view v", "writes"],
    ["set statement_timeout = 0", "changesSession"],
    ["reset all", "changesSession"],
    ["discard all", "changesSession"],
    ["begin", "changesSession"],
    ["prepare p as select 1", "changesSession"],
    ["deallocate p", "changesSession"],
    ["declare c cursor for select 1", "changesSession"],
    ["fetch 1 from c", "changesSession"],
    ["move 1 from c", "changesSession"],
    ["delete from t where current of c", "writes"],
    ["execute p", "runsCode"],
    ["comment on table t is 'x'", "ddl"],
    ["create view v as select 1", "ddl"],
    ["alter table t owner to x", "ddl", "privileges"],
    ["alter table t add column a int default evil()", "ddl", "runsCode"],
    ["select 'a'::mood"],
    ["select 1 operator(pg_catalog.+) 1", "readOnly"],
    ["select (jsonb_each(a)).key from t", "readOnly"],
  ])("%s: %s", (text, ...expected) => {
    expect(traits(text)).toEqual(expected);
  });
});

describe("kinds and names", () => {
  test("kinds are those of statements within others too", () => {
    expect(
      factsOf("explain analyze with a as (update t set x = 1 where id = 1 returning 1) table a").kinds,
    ).toEqual(["explain", "select", "update"]);
    expect(factsOf("grant select on t to x; revoke select on t from x").kinds).toEqual(["grant", "revoke"]);
  });

  test("statements are counted as they stand beside each other", () => {
    expect(factsOf("select 1; with a as (select 1) select 2;").statements).toBe(2);
    expect(postgresqlFacts(["select 1; select 2", "select 3"]).statements).toBe(3);
  });

  test.each<[text: string, ...tables: string[]]>([
    ['select * from Users u, "Orders", shop.items', "Orders", "shop.items", "users"],
    [
      "select (select 1 from a) from b where exists (select 1 from c) and x in (select y from d)",
      "a",
      "b",
      "c",
      "d",
    ],
    ["delete from a using b where a.id = b.id", "a", "b"],
    ["merge into a using b on a.id = b.id when matched then do nothing", "a", "b"],
    ["truncate a, s.b", "a", "s.b"],
    ["drop table a, s.b", "a", "s.b"],
    ["drop trigger x on s.a", "s.a"],
    ["comment on column s.a.c is 'x'", "s.a"],
    ["create table a (b int references c)", "a", "c"],
    ["create view v as select * from a", "a", "v"],
    ["alter table a rename to b", "a"],
    ["create index on a (lower(b))", "a"],
    ["grant select on a to x", "a"],
    ["copy a to stdout", "a"],
    ["vacuum a", "a"],
    ["lock a", "a"],
    ["explain delete from a", "a"],
    ["with a as (select 1) select * from a"],
    ["with a as (select * from a) select * from a", "a"],
    ["with recursive a as (select * from a) select * from a"],
    ["with a as (select 1) select * from s.a", "s.a"],
    ["select * from (with a as (select 1) select * from a) x, a", "a"],
    ["with a as (select 1), b as (select * from a) select * from b"],
    ["with b as (select * from a), a as (select 1) select * from b", "a"],
    ["with a as (select 1) delete from a where id in (select 1 from a)", "a"],
    ["select * from pg_authid, pg_catalog.pg_shadow", "pg_authid", "pg_catalog.pg_shadow"],
  ])("%s names %s", (text, ...tables) => {
    expect(factsOf(text).tables).toEqual(tables);
  });

  test("functions are those it calls, also as columns of values", () => {
    expect(
      factsOf("select Lower(a), pg_catalog.upper(b), app.f(c), (d).pg_read_file from t").functions,
    ).toEqual(["app.f", "lower", "pg_catalog.upper", "pg_read_file", "upper"]);
  });
});

describe("for all texts", () => {
  const anyCase = fc.constantFrom(...POSTGRESQL_BENIGN, ...POSTGRESQL_DESTRUCTIVE);
  const withoutReason = ({ reason: _reason, ...facts }: SqlFacts): Omit<SqlFacts, "reason"> => facts;

  test("facts are given and nothing is thrown", () => {
    const pieces = fc.array(
      fc.constantFrom(
        "select",
        "'",
        "$$",
        "(",
        ")",
        ";",
        "/*",
        "delete from t where",
        "a",
        "=",
        "--",
        "\\",
        "U&",
      ),
      {
        maxLength: 30,
      },
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary" }),
          pieces.map((parts) => parts.join(" ")),
        ),
        (text) => {
          expect(typeof factsOf(text).parsed).toBe("boolean");
          // And the next text does not suffer from it.
          expect(factsOf("select 1").readOnly).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
  });

  test("comments, blanks and the case of words between tokens change nothing", () => {
    // No strings, quoted names or operators in these: every blank is between tokens, every letter is of a word. And no
    // NOT IN: the parser does not take a comment between these two (which makes it not parsed).
    const plain = [...POSTGRESQL_BENIGN, ...POSTGRESQL_DESTRUCTIVE].filter(
      ({ text }) => /^[a-zA-Z0-9_ ,().;*]+$/u.test(text) && !/\bnot (?:in|like|between)\b/iu.test(text),
    );
    expect(plain.length).toBeGreaterThan(80);
    const blank = fc.constantFrom(
      " ",
      "\n",
      "\t \r\n",
      "/**/",
      "/* drop table x; */",
      " -- '\n",
      "/*/**/*/\f",
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...plain),
        fc.infiniteStream(blank),
        fc.infiniteStream(fc.boolean()),
        ({ text }, blanks, upper) => {
          const disguised = text.replace(/ +|[a-zA-Z]/gu, (found) => {
            if (found.startsWith(" ")) return String(blanks.next().value);
            return upper.next().value === true ? found.toUpperCase() : found.toLowerCase();
          });
          expect(withoutReason(factsOf(disguised))).toEqual(withoutReason(factsOf(text)));
        },
      ),
      { numRuns: 300 },
    );
  });

  const ALARMS = [
    "writes",
    "ddl",
    "privileges",
    "deletesAll",
    "runsCode",
    "reachesOut",
    "copyProgram",
    "changesSession",
  ] as const;

  function isNoLooser(facts: SqlFacts, before: SqlFacts): boolean {
    if (!facts.parsed) return true;
    return (before.readOnly || !facts.readOnly) && ALARMS.every((alarm) => facts[alarm] || !before[alarm]);
  }

  test("what comes before, after or around a statement never makes it look better", () => {
    const around = fc.constantFrom(
      ["", "\n; select 1"],
      ["select 1; ", ""],
      ["with w as (", "\n) select * from w"],
      ["explain analyze ", ""],
      ["copy (", "\n) to stdout"],
      ["prepare p as ", ""],
      ["select * from (", "\n) x"],
      ["insert into t ", ""],
    );
    const single = [...POSTGRESQL_BENIGN, ...POSTGRESQL_DESTRUCTIVE].filter(
      ({ text }) => factsOf(text).statements === 1,
    );
    expect(single.length).toBeGreaterThan(300);
    fc.assert(
      fc.property(fc.constantFrom(...single), around, ({ text }, [before, after]) => {
        expect(isNoLooser(factsOf(`${before}${text.replace(/;\s*$/u, "")}${after}`), factsOf(text))).toBe(
          true,
        );
      }),
      { numRuns: 800 },
    );
  });

  test("of several texts what holds of any of them holds", () => {
    fc.assert(
      fc.property(fc.array(anyCase, { minLength: 1, maxLength: 4 }), (several) => {
        const texts = several.map(({ text }) => text);
        const together = postgresqlFacts(texts);
        for (const text of texts) expect(isNoLooser(together, factsOf(text))).toBe(true);
        expect(together.parsed).toBe(texts.every((text) => factsOf(text).parsed));
      }),
    );
  });
});
