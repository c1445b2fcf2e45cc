import { beforeAll, describe, expect, test } from "vitest";

import { DIALECTS, type Dialect, MAX_COMMAND_BYTES } from "./facts.js";
import { loadParsers, shellFacts, sqlFacts } from "./index.js";

beforeAll(loadParsers);

const SIZE = MAX_COMMAND_BYTES;
/** On a quiet machine each takes less than 50 ms; a busy one must not make this fail, an explosion must. */
const PATIENCE_MS = 400;

/** As many of it as the limit allows, between a start and an end. */
function filled(start: string, part: string, end = ""): string {
  return start + part.repeat(Math.floor((SIZE - start.length - end.length) / part.length)) + end;
}

/** So many of what opens, something in the middle, and as many of what closes. */
function nested(parts: readonly [string, string, string, string], depth: number): string {
  const [start, open, middle, close] = parts;
  return start + open.repeat(depth) + middle + close.repeat(depth);
}

/** In each of these something is worst somewhere: few that multiply, some that add up, and as many as fit. */
function depths(parts: readonly [string, string, string, string]): string[] {
  const most = Math.floor((SIZE - parts[0].length - parts[2].length) / (parts[1].length + parts[3].length));
  return [8, 12, 16, 20, 23, 30, 60, 150, 400, 1000, most]
    .filter((depth) => depth <= most)
    .map((depth) => nested(parts, depth));
}

const EXPRESSIONS: readonly (readonly [string, string])[] = [
  ["(", ")"],
  ["((", "))"],
  ["f(", ")"],
  ["(1, ", ")"],
  ["(select ", ")"],
  ["(select (", "))"],
  ["exists(select ", ")"],
  ["not ", ""],
  ["- ", ""],
  ["~", ""],
  ["+ ", ""],
  ["@", ""],
  ["1 in (", ")"],
  ["1 in (select ", ")"],
  ["1 = any(select ", ")"],
  ["case when ", " then 1 end"],
  ["case ", " when 1 then 1 end"],
  ["cast(", " as char)"],
  ["cast(cast(", " as char) as char)"],
  ["convert(", ", char)"],
  ["convert(", " using utf8)"],
  ["extract(year from ", ")"],
  ["position(", " in 1)"],
  ["substring(", " from 1)"],
  ["substring(", ", 1)"],
  ["trim(both 'x' from ", ")"],
  ["interval ", " day"],
  ["interval (", ") day"],
  ["date_add(a, interval ", " day)"],
  ["now() - interval cast(", " as char) day"],
  ["match(a) against (", ")"],
  ["binary ", ""],
  ["binary(", ")"],
  ["row(", ")"],
  ["array[", "]"],
  ["a[", "]"],
  ["{a: ", "}"],
  ["coalesce(1, ", ")"],
  ["sum(", ") over ()"],
  ["sum(1) over (partition by ", ")"],
  ["group_concat(", " separator ',')"],
  ["json_table(", ", '$' columns(a int path '$'))"],
  ["current_date + ", ""],
  ["1 between 1 and ", ""],
  ["position(cast(", " as char) in 1)"],
  ["ceil(", " to day)"],
  ["overlay(", " placing 1 from 1)"],
  ["xmlelement(name a, ", ")"],
  ["grouping sets (", ")"],
];
const MIDDLES = ["1", "1 1 1", ")", "'", ""];

const QUERIES: readonly (readonly [string, string, string, string])[] = [
  ["", "(", "select 1", ")"],
  ["", "select * from (", "select 1", ") x"],
  ["select * from ", "(", "t", ")"],
  ["select * from ", "(t join ", "t", ")"],
  ["select * from ", "(select * from ", "t", ") x"],
  ["", "with a as (", "select 1", ") select 1"],
  ["", "explain ", "select 1", ""],
  ["", "explain analyze ", "select 1", ""],
  ["", "select 1 union (", "select 1", ")"],
  ["", "select 1 where exists (", "select 1", ")"],
  ["", "(select 1) union ", "select 1", ""],
  ["", "begin ", "select 1", "; end"],
  ["", "do ", "1", ""],
  ["", "prepare a as ", "select 1", ""],
  ["", "create table t as ", "select 1", ""],
  ["select * from ", "lateral (select * from ", "t", ") x"],
];

const CHAINS: readonly (readonly [string, string, string])[] = [
  ["select 1", "+1", ""],
  ["select 1", " + 1", ")"],
  ["select * from t where ", "a=1 or ", "1"],
  ["select * from t where ", "a=1 and b=2 or ", "1"],
  ["delete from t where ", "a=1 or ", "a=2"],
  ["delete from t where ", "(a=1) or ", "a=2"],
  ["delete from t where a = 1", " or a = 1 and b < 2", ""],
  ["select 1", " is null", ""],
  ["select 1", " like 1", ""],
  ["select 1", " between 1 and 1", ""],
  ["select a", "->'$.a'", ""],
  ["select a", "->>'a'", " = 1"],
  ["select a", "::int", ""],
  ["select a", " collate b", ""],
  ["select a", ".a", ""],
  ["select a", "[1]", ""],
  ["select a", "||a", ""],
  ["select a", " div a", ""],
  ["select 1", " union select 1", ""],
  ["select 1", " union all select 1 order by 1", ""],
  ["select 1", ",1", ""],
  ["select a", ",a", ""],
  ["select a", ",a.b", ""],
  ["select a", ",f(a)", ""],
  ["select a", ",a b", ""],
  ["select a", ",interval 1 day", ""],
  ["select 1 in (1", ",1", ")"],
  ["select 1 in (1", ",-1", ")"],
  ["select 1 in ('a'", ",'a'", ")"],
  ["select 1 in (a", ",a", ")"],
  ["select 1 in ((1,1)", ",(1,1)", ")"],
  ["select 1 in ((1)", ",((1))", ")"],
  ["insert into t values (1)", ",(1,'a',null)", ""],
  ["insert into t values (1)", ",(now())", ""],
  ["insert into t values (1", ",1", ")"],
  ["update t set a = 1", ", a = 1", ""],
  ["select * from t", ", t", ""],
  ["select * from t", " join t", ""],
  ["select * from t", " natural join t", ""],
  ["select * from t", " join t on 1", ""],
  ["with a as (select 1)", ", a as (select 1)", " select 1"],
  ["select * from t order by a", ", a desc", ""],
  ["grant select on t to a", ", a", ""],
  ["drop table a", ", a", ""],
  ["create table a (a int", ", a int", ")"],
  ["alter table a add b int", ", add b int", ""],
  ["select ", "case when 1 then ", ""],
  ["select case", " when 1 then 1", " end"],
  ["", "select 1;", ""],
  ["", ";", ""],
  ["", "; ", "select 1"],
  ["", "delete from t where a = 1;", ""],
  ["", "begin;", ""],
  ["set a = 1", ", b = 1", ""],
  ["", "/**/", "select 1"],
  ["select 1", "/**/", ""],
  ["select 1", " -- a\n", ""],
  ["select 1", "#\n", ""],
  ["select 1 ", "/*", ""],
  ["select 1 ", "/*", "*/"],
  ["select 1 ", "*/", ""],
  ["select ", "'", ""],
  ["select ", '"', ""],
  ["select ", "`", ""],
  ["select ", "'a' ", ""],
  ["select ", "'a'\n", ""],
  ["select '", "a", ""],
  ["select '", "a", "'"],
  ["select '", "\\", "'"],
  ["select '", "\\'", "'"],
  ["select '", "''", "'"],
  ['select "', '\\"', '"'],
  ["select ", "'\\'' ", ""],
  ["select ", '"a" ', ""],
  ["select ", "a", ""],
  ["select ", "é", ""],
  ["select ", "a ", ""],
  ["select ", "`a`", ""],
  ["select ", "1", ""],
  ["select 1", "0", "e5"],
  ["select ", "1.", ""],
  ["select ", "0x", ""],
  ["select $", "$", ""],
  ["select ", "$a$", ""],
  ["select ", "$1 ", ""],
  ["select ", "? ", ""],
  ["select ", "@a:=", "1"],
  ["select ", "@", ""],
  ["select ", "e'\\''", ""],
  ["select U&'", "\\0061", "'"],
  ["", "(", ""],
  ["", ")", ""],
  ["", "[", ""],
  ["", "{", ""],
  ["", "select ", ""],
  ["", "not ", ""],
  ["", "\n", "select 1"],
  ["", " ", ""],
  ["", "\u00a0", ""],
  ["", "😀", ""],
  ["select 1", "\u0000", ""],
  ["select '$", ".a", "'"],
  ["select a->'$", "[0].a", "'"],
  ["select jsonb_path_query(a, '$", "[*].a", "')"],
];

const SHELL_NESTS: readonly (readonly [string, string, string, string])[] = [
  ["", "(", "ls", ")"],
  ["", "( ", "ls", " )"],
  ["", "{ ", "ls", "; }"],
  ["echo ", "$(", "ls", ")"],
  ["echo ", "$(echo ", "ls", ")"],
  ["echo ", '"$(', "ls", ')"'],
  ["echo ", "<(", "ls", ")"],
  ["echo ", "`", "ls", ""],
  ["echo ", "${a:-", "b", "}"],
  ["echo ", '"${a:-', "b", '}"'],
  ["echo ", "$((", "1", "))"],
  ["echo ", "$((1+", "1", "))"],
  ["echo $((", "(", "1", ")"] as const,
  ["", "if ", "ls", "; then ls; fi"],
  ["", "if ls; then ", "ls", "; fi"],
  ["", "while ", "ls", "; do ls; done"],
  ["", "while ls; do ", "ls", "; done"],
  ["", "for a in b; do ", "ls", "; done"],
  ["", "case a in a) ", "ls", ";; esac"],
  ["", "f() { ", "ls", "; }"],
  ["", "! ", "ls", ""],
  ["", "sudo ", "ls", ""],
  ["", "xargs ", "ls", ""],
  ["", "env A=b ", "ls", ""],
  ["", "sh -c '", "ls", "'"],
  ["", "eval ", "ls", ""],
  ["", "time ", "ls", ""],
  ["[[ ", "( ", "a", " )"],
  ["[[ ", "! ", "a", ""],
  ["a=", "(", "b", ")"],
  ["echo ", "{a,", "b", "}"],
  ["echo ", "@(", "b", ")"],
  ["echo ", "[[:", "b", ":]]"],
  ["", "cat <<E\n$(", "ls", ")\nE\n"],
];

const SHELL_CHAINS: readonly (readonly [string, string, string])[] = [
  ["ls", " | ls", ""],
  ["ls", " && ls", ""],
  ["ls", " || ls", ""],
  ["ls", "; ls", ""],
  ["ls", " & ls", ""],
  ["ls", "\nls", ""],
  ["ls", " a", ""],
  ["ls ", "a", ""],
  ["ls", " -a", ""],
  ["ls", " >a", ""],
  ["ls", " <a", ""],
  ["ls", " 2>&1", ""],
  ["ls", " <<A", ""],
  ["cat", " <<A", "\nA\n"],
  ["", "cat <<A\nA\n", ""],
  ["cat <<A\n", "a\n", ""],
  ["cat <<A\n", "$(ls)\n", "A\n"],
  ["cat <<<", "a", ""],
  ["echo ", "'", ""],
  ["echo ", '"', ""],
  ["echo '", "a", ""],
  ['echo "', "a", ""],
  ['echo "', "$a", '"'],
  ["echo ", "$a", ""],
  ["echo ", "$", ""],
  ["echo ", "\\", ""],
  ["echo ", "\\\n", ""],
  ["echo ", "$(", ""],
  ["echo ", "$(ls) ", ""],
  ["echo ", "`", ""],
  ["echo ", "`ls` ", ""],
  ["echo ", "${", ""],
  ["echo ", "${a} ", ""],
  ["echo ", "$((", ""],
  ["echo $((1", "+1", "))"],
  ["echo $((1", "?1:1", "))"],
  ["echo ", "$'\\x41'", ""],
  ["echo ", "{a,b}", ""],
  ["echo ", "{1..9}", ""],
  ["echo ", "*", ""],
  ["echo ", "?", ""],
  ["echo ", "[", ""],
  ["echo ", "a=b ", ""],
  ["", "a=b ", "ls"],
  ["", "a=b;", "ls"],
  ["", "(", ""],
  ["", ")", ""],
  ["", "{ ", ""],
  ["", "}", ""],
  ["", ";", ""],
  ["", "&", ""],
  ["", "|", ""],
  ["", "<", ""],
  ["", "#", ""],
  ["", "# a\n", "ls"],
  ["", "\n", "ls"],
  ["", " ", ""],
  ["", "if ", ""],
  ["", "f() ", ""],
  ["", "f() { ls; }; ", ""],
  ["", "case a in ", ""],
  ["case a in", " a) ls;;", " esac"],
  ["case a in a", "|a", ") ls;; esac"],
  ["for a in", " b", "; do ls; done"],
  ["[[ a", " && a", " ]]"],
  ["[[ a =~ ", "(a", " ]]"],
  ["a=(", "b ", ")"],
  ["", "😀", ""],
  ["ls ", "\u0000", ""],
  ["", "sudo -u a ", "ls"],
  ["", "env -S 'a' ", "ls"],
  ["find .", " -exec ls {} ;", ""],
  ["find .", " -exec ls {} \\;", ""],
  ["psql -c '", "select 1;", "'"],
  ["psql", " -c 'select 1'", ""],
  ["", "psql -c 'select 1';", ""],
  ["mysql -e '", "select 1;", "'"],
];

interface Case {
  readonly name: string;
  readonly texts: readonly string[];
}

const SQL_CASES: readonly Case[] = [
  ...EXPRESSIONS.map(([open, close]) => ({
    name: `select ${open} … ${close}`,
    texts: MIDDLES.flatMap((middle) => depths(["select ", open, middle, close])),
  })),
  ...EXPRESSIONS.map(([open, close]) => ({
    name: `delete … where ${open} … ${close}`,
    texts: MIDDLES.flatMap((middle) => depths(["delete from t where id = ", open, middle, close])),
  })),
  // What is tried again at each level, with much in it.
  ...EXPRESSIONS.map(([open, close]) => ({
    name: `select ${open} (much) … ${close}`,
    texts: [2, 4, 6, 8, 10, 14].map((depth) =>
      nested(["select ", open, filled("1", ", a", " 1 1").slice(0, 50_000), close], depth),
    ),
  })),
  ...QUERIES.map((parts) => ({ name: parts.join("…"), texts: depths(parts) })),
  ...CHAINS.map(([start, part, end]) => ({
    name: `${start}${part}…${end}`.replaceAll("\0", "NUL"),
    texts: [
      ...[50, 200, 500, 1000, 3000].map(
        (times) => (start + part.repeat(times)).slice(0, SIZE - end.length) + end,
      ),
      filled(start, part, end),
    ],
  })),
];

/** As deep as a text may go in both ways at once: parentheses, and operators between them. */
const MIXED: readonly Case[] = EXPRESSIONS.filter(([, close]) => close.endsWith(")")).map(
  ([open, close]) => ({
    name: `select 1 + ${open} 1 + … ${close} or …`,
    texts: [5, 11, 23].flatMap((depth) =>
      [20, 90, 195, 600].map((times) =>
        nested([`select 1${" + 1".repeat(times)} + `, open, `1${" + 1".repeat(times)}`, close], depth),
      ),
    ),
  }),
);

const SHELL_CASES: readonly Case[] = [
  ...SHELL_NESTS.map((parts) => ({ name: parts.join("…"), texts: depths(parts) })),
  ...SHELL_CHAINS.map(([start, part, end]) => ({
    name: `${start}${part}…${end}`.replaceAll("\0", "NUL"),
    texts: [
      ...[50, 200, 500, 1000, 3000].map(
        (times) => (start + part.repeat(times)).slice(0, SIZE - end.length) + end,
      ),
      filled(start, part, end),
    ],
  })),
];

/** How many milliseconds the slowest of the texts took; of what is slow, the better of two tries. */
function slowest(texts: readonly string[], read: (text: string) => void): { ms: number; text: string } {
  let worst = { ms: 0, text: "" };
  for (const text of texts) {
    const first = timed(text, read);
    const ms = first > 40 ? Math.min(first, timed(text, read)) : first;
    if (ms > worst.ms) worst = { ms, text: `${text.slice(0, 60)} (${text.length})` };
  }
  return worst;
}

function timed(text: string, read: (text: string) => void): number {
  const start = performance.now();
  read(text);
  return performance.now() - start;
}

function readOnlyIn(dialect: Dialect, text: string): boolean {
  const found = dialect === "sh" ? shellFacts([text]) : sqlFacts(dialect, [text]);
  return found.parsed && found.readOnly;
}

const ORDINARY = { postgresql: "select a from t", mysql: "select a from t", sh: "ls -l" };
const HARMFUL = { postgresql: "drop table t", mysql: "drop table t", sh: "rm -rf /" };

describe.each(DIALECTS)("hostile texts in %s", (dialect) => {
  const cases = dialect === "sh" ? SHELL_CASES : [...SQL_CASES, ...MIXED];

  test.each(cases)("$name", ({ texts }) => {
    const { ms, text } = slowest(texts, (hostile) => {
      readOnlyIn(dialect, hostile);
    });
    expect({ text, inTime: ms < PATIENCE_MS }).toEqual({ text, inTime: true });
    // A parser that was hurt would understand nothing any more, or anything.
    expect(readOnlyIn(dialect, ORDINARY[dialect])).toBe(true);
    expect(readOnlyIn(dialect, HARMFUL[dialect])).toBe(false);
  });
});
