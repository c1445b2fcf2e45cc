import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";

import type { SqlFacts } from "../facts.js";
import { ORDINARY, READING, SETTING } from "./fixtures/benign.js";
import { DEFINING, DESTRUCTIVE } from "./fixtures/destructive.js";
import { loadMysqlParser, mysqlFacts } from "./mysql-facts.js";

beforeAll(loadMysqlParser);

const facts = (text: string): SqlFacts => mysqlFacts([text]);
const harms = (of: SqlFacts): boolean =>
  of.ddl || of.deletesAll || of.privileges || of.runsCode || of.reachesOut;
const ALL = [...DESTRUCTIVE, ...DEFINING, ...READING, ...ORDINARY, ...SETTING];

describe("what destroys is never taken for reading", () => {
  test.each([...DESTRUCTIVE, ...DEFINING])("%j", (text) => {
    const found = facts(text);
    expect(found.readOnly).toBe(false);
    expect(!found.parsed || harms(found)).toBe(true);
  });
});

describe("what reads is known to read, whatever words are in it", () => {
  test.each(READING)("%j", (text) => {
    expect(facts(text)).toMatchObject({ parsed: true, reason: "", readOnly: true, writes: false });
  });
});

describe("ordinary writes and settings are understood, and do nothing worse", () => {
  test.each([...ORDINARY, ...SETTING])("%j", (text) => {
    const found = facts(text);
    expect(found).toMatchObject({ parsed: true, readOnly: false });
    expect(harms(found)).toBe(false);
  });
});

describe("what sets something, or leaves a transaction open or ends one it did not begin, is no ordinary write", () => {
  test.each(SETTING)("%j", (text) => {
    expect(facts(text).changesSession || !facts(text).writes).toBe(true);
  });
});

describe("a transaction that ends where it began leaves the session as it was", () => {
  test.each(ORDINARY)("%j", (text) => {
    expect(facts(text)).toMatchObject({ writes: true, changesSession: false });
  });

  test("and reads when all in it does", () => {
    expect(facts("start transaction read only; select 1; commit")).toMatchObject({ readOnly: true });
  });
});

describe("facts", () => {
  const cases: readonly (readonly [string, Partial<SqlFacts>])[] = [
    ["select 1; ; select 2;", { statements: 2, kinds: ["select"] }],
    ["select a from Shop.Users u join `b c` on 1", { tables: ["Shop.Users", "b c"] }],
    ["with x as (select * from t) select * from x", { tables: ["t"] }],
    ["with t as (select * from t) select * from t", { tables: ["t"] }],
    [
      "select UPPER(a), `lower`(b), shop.f(c) from t",
      { functions: ["upper", "lower", "shop.f"], runsCode: true },
    ],
    ["replace into t values (1)", { kinds: ["insert", "delete"], writes: true, deletesAll: false }],
    ["delete from a where id = 1", { kinds: ["delete"], writes: true, deletesAll: false, tables: ["a"] }],
    ["truncate table a.b", { kinds: ["truncate"], deletesAll: true, tables: ["a.b"] }],
    ["drop table if exists a, b.c", { kinds: ["drop"], ddl: true, tables: ["a", "b.c"] }],
    ["rename table a to b, c to d", { kinds: ["alter"], ddl: true, tables: ["a", "b", "c", "d"] }],
    ["create table a like b", { kinds: ["create"], ddl: true, tables: ["a", "b"] }],
    ["alter table a rename to b", { kinds: ["alter"], ddl: true, tables: ["a", "b"] }],
    ["grant select on shop.* to bob", { privileges: true, ddl: false, tables: ["shop.*"] }],
    ["create user bob", { kinds: ["create"], ddl: true, privileges: true }],
    ["set password = 'x'", { kinds: ["set"], privileges: true }],
    ["set @a = 1", { changesSession: true, privileges: false, readOnly: false }],
    ["set global x = 1", { privileges: true, runsCode: true, reachesOut: true }],
    ["select 1 into outfile '/tmp/x'", { reachesOut: true, writes: false }],
    [
      "load data infile 'x' into table a.t",
      { kinds: ["copy"], reachesOut: true, writes: true, tables: ["a.t"] },
    ],
    ["explain delete from t", { kinds: ["explain", "delete"], readOnly: true, writes: false }],
    ["explain analyze delete from t", { writes: true, writesInQuery: true, deletesAll: true }],
    ["show columns from users from shop", { kinds: ["show"], tables: ["shop.users"] }],
    ["desc shop.users", { kinds: ["explain"], tables: ["shop.users"] }],
    ["do 1", { kinds: ["do"], readOnly: true, runsCode: false }],
    ["call p(1)", { kinds: ["call"], runsCode: true }],
    ["select @a := 1", { changesSession: true, readOnly: false }],
    ["select * from t for update", { readOnly: false, writes: false, changesSession: false }],
    ["select 'a\\'; drop table t; -- '", { parsed: true, ddl: true, readOnly: false, statements: 1 }],
    ["select 'it\\'s'", { parsed: true, readOnly: true }],
  ];

  test.each(cases)("%j", (text, expected) => {
    expect(facts(text)).toMatchObject({ parsed: true, ...expected });
  });

  test("of several texts hold if they hold of any; reading must hold of all", () => {
    const found = mysqlFacts(["select a from t", "update u set a = 1 where id = 1"]);
    expect(found).toMatchObject({ parsed: true, readOnly: false, writes: true, statements: 2 });
    expect(found.tables).toEqual(["t", "u"]);
    expect(mysqlFacts(["select 1", "nonsense"]).parsed).toBe(false);
    expect(mysqlFacts([]).parsed).toBe(false);
  });

  test("a text that was not understood is in doubt in every way, and says why", () => {
    const found = facts("select /*! 1 */");
    expect(found.reason).not.toBe("");
    expect(found).toMatchObject({ parsed: false, readOnly: false });
    expect(harms(found)).toBe(true);
  });
});

const PARTS = [
  "select",
  "a",
  "from",
  "t",
  "where",
  "id",
  "=",
  "1",
  "or",
  "delete",
  "drop",
  "table",
  ";",
  "(",
  ")",
  "'",
  '"',
  "`",
  "\\",
  "--",
  "-- ",
  "#",
  "/*",
  "*/",
  "/*!",
  "\n",
  " ",
  ",",
  "@",
  ":=",
  "||",
  "%",
  "sleep",
  "into",
  "outfile",
  "\u0000",
  "é",
  "0x",
  "$",
];

test("no text makes it throw", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 60 }),
    fc.array(fc.constantFrom(...PARTS), { maxLength: 30 }).map((parts) => parts.join("")),
    fc.array(fc.constantFrom(...PARTS), { maxLength: 30 }).map((parts) => parts.join(" ")),
  );
  fc.assert(
    fc.property(text, (sql) => {
      const found = facts(sql);
      expect(found.dialect).toBe("mysql");
      expect(found.readOnly && (harms(found) || !found.parsed)).toBe(false);
    }),
    { numRuns: 3000 },
  );
});

/** Texts that have no place in which letters or spaces mean themselves. */
const PLAIN = ALL.filter((text) => /^[\w ,.*=<>()+%!;-]+$/.test(text) && !/--|0x/.test(text));
const SPACES = ["  ", "\n", "\t", " /* x */ ", "/**/", " -- x\n", " # '\n", "\r\n"];

test("neither case nor comments nor spaces between words change a fact", () => {
  expect(PLAIN.length).toBeGreaterThan(300);
  const seeds = fc.tuple(fc.constantFrom(...PLAIN), fc.infiniteStream(fc.nat(1000)));
  fc.assert(
    fc.property(seeds, ([text, stream]) => {
      const next = (): number => Number(stream.next().value);
      const other = text
        .replaceAll(/[a-z]/g, (letter) => (next() % 2 === 0 ? letter.toUpperCase() : letter))
        .replaceAll(" ", () => SPACES[next() % SPACES.length] ?? " ");
      expect(insensitive(facts(other))).toEqual(insensitive(facts(text)));
    }),
    { numRuns: 1500 },
  );
});

/** Names keep the case they are written in: these are compared without it. */
function insensitive(found: SqlFacts): unknown {
  return { ...found, tables: [...new Set(found.tables.map((name) => name.toLowerCase()))] };
}

test("what comes after a statement never makes it harmless", () => {
  for (const text of ALL.filter((one) => one !== ";")) {
    const [alone, together] = [facts(text), facts(`${text}\n; select 1`)];
    const loosened =
      (together.readOnly && !alone.readOnly) ||
      (harms(alone) && !(harms(together) && harms(facts(`select 1; ${text}`))));
    expect({ text, loosened }).toEqual({ text, loosened: false });
  }
});
