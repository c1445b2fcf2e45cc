import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { BOUNDS } from "./bounds.js";
import { checkCondition } from "./check-condition.js";
import { FUNCTIONS, takesArguments } from "./functions.js";
import { VARIABLES, type VariableDescription } from "./variables.js";

const problemOf = (text: string): string => {
  const checked = checkCondition(text);
  return checked.ok ? "" : checked.problem;
};

describe("a condition is taken", () => {
  test.each([
    "sql.parsed && (sql.ddl || sql.deletesAll || sql.privileges)",
    'sql.readOnly || tool.name == "search_objects"',
    "args.limit <= 100 && args.limit >= 1.5",
    'args.path.startsWith("/srv/") && !args.path.contains("..")',
    'target.labels.env == "production" && "dba" in principal.groups',
    'principal.emailVerified && principal.email.endsWith("@example.com")',
    'session.callsOf("deploy") < 3 && session.calls < 100',
    'now < timestamp("2027-01-01T00:00:00Z") && now.getHours("Europe/Berlin") >= 8',
    'now - timestamp("2026-01-01T00:00:00Z") > duration("24h")',
    "grant.expiresAt > now",
    "args.rows.all(row, row.cells.exists(cell, cell > 3))",
    "has(args.dryRun) ? args.dryRun : false",
    "has(tool.annotations.readOnlyHint) && tool.annotations.readOnlyHint",
    'shell.programs.all(p, p in ["ls", "cat"])',
    'sql.tables.exists(t, t.matches("(?i)^pay(roll|ments)$"))',
    "args.flag",
    'operation.name.matches("^file:///srv/")',
    Array.from({ length: 90 }, (_, n) => `args.a == ${n}`).join(" || "),
  ])("%s", (text) => {
    expect(problemOf(text)).toBe("");
  });

  test("when it reads any variable and field that is declared", () => {
    for (const [name, { type, fields }] of Object.entries<VariableDescription>(VARIABLES)) {
      expect(problemOf(`${name} == ${name}`) === "").toBe(type !== undefined);
      for (const field of Object.keys(fields ?? {})) {
        const checked = checkCondition(`${name}.${field} == ${name}.${field}`);
        expect(checked).toMatchObject({ ok: true, reads: new Set([`${name}.${field}`]) });
      }
    }
  });
});

describe("a condition is refused, with where and what to do", () => {
  test.each<{ text: string; says: string }>([
    { text: "sqll.writes", says: "correct sqll at character 1: there is no such variable; is it sql?" },
    { text: "sql.write", says: "sql has no such field; is it writes?" },
    { text: 'principal.mail == "a"', says: "is it email?" },
    { text: "has(sql.wrtes)", says: "is it writes?" },
    { text: 'args.a.startWith("x")', says: "is it startsWith?" },
    { text: "args.a.startsWith()", says: "it is written text.startsWith(text)" },
    { text: "sql == sql", says: "say which field of sql" },
    { text: "[tool].exists(t, t.annotations.a == 1)", says: "say which field of tool" },
    { text: 'tool["annotations"].a == 1', says: "say which field of tool" },
    { text: "[1].map(sql, sql)[0] == 1", says: "other than the variables" },
    { text: "[1].exists(x, [2].exists(x, x == 1))", says: "x is one already" },
    { text: "sql.statements == true", says: "make the types fit at character" },
    { text: 'sql.writes == "yes"', says: "no such overload" },
    { text: 'sql.tables.contains("a")', says: "make the types fit" },
    { text: "sql.statements", says: "type int, not to a bool" },
    { text: "1 +", says: "correct the condition at character 4" },
    { text: "", says: "correct the condition" },
    { text: "a b", says: "correct the condition" },
    { text: "cel.bind(t, args.a, t == 1)", says: "no such function" },
    { text: "type(args.a) == int", says: "no such function" },
    { text: 'bytes("a") == b"a"', says: "no such function" },
    { text: 'b"a" == b"a"', says: "bytes and uint are not used" },
    { text: "1u == 1u", says: "bytes and uint are not used" },
    { text: "99999999999999999999 > 1", says: "an int has 64 bits" },
    { text: "args.a.matches(args.b)", says: "write the pattern out" },
    { text: 'args.a.matches("(")', says: "correct the pattern, which is RE2" },
    { text: 'args.a.matches("a(?=b)")', says: "correct the pattern" },
    { text: 'args.a.matches("(a)\\\\1")', says: "correct the pattern" },
    { text: 'args.a.matches("a{500}")', says: "repeat less" },
    { text: 'args.a.matches("(a{100}){100}")', says: "pattern" },
    { text: `args.a.matches("${"a".repeat(600)}")`, says: "shorten the pattern" },
    { text: 'args.a.matches("(a|b){150}")', says: "simplify the pattern" },
    { text: 'now.getHours("Mars/Phobos") > 1', says: "write out a time zone" },
    { text: "now.getHours(args.zone) > 1", says: "write out a time zone" },
    { text: 'now > timestamp("tomorrow")', says: 'write the time at character 17 as "2026' },
    { text: 'now > timestamp("2026-02-30T00:00:00Z")', says: "write the time" },
    { text: 'now - now > duration("1 day")', says: 'as "1h30m"' },
    { text: "[[[1]]].exists(a, a.exists(b, b.exists(c, c == 1)))", says: "nested at most 2 deep" },
    { text: "args.__proto__.x == 1 && __proto__", says: "correct the condition" },
    { text: "constructor == 1", says: "there is no such variable" },
    { text: "sql.constructor == 1", says: "sql has no such field" },
    { text: "sql.hasOwnProperty == 1", says: "sql has no such field" },
    { text: 'args.a.constructor("x") == 1', says: "there is no such function" },
    { text: "args.toString() == 1", says: "there is no such function" },
  ])("$text", ({ text, says }) => {
    expect(problemOf(text)).toContain(says);
  });

  const long = BOUNDS.nodes * 8;
  test.each<{ what: string; text: string }>([
    { what: "parentheses", text: "(".repeat(4096) },
    { what: "closed parentheses", text: `${"(".repeat(2000)}true${")".repeat(2000)}` },
    { what: "negations", text: `${"!".repeat(4090)}true` },
    { what: "minus signs", text: `${"-".repeat(4090)}1 > 0` },
    { what: "ternaries", text: `${"true?".repeat(400)}true${":true".repeat(400)}` },
    { what: "nested ternaries", text: `${"true?true:".repeat(400)}true` },
    { what: "lists", text: `${"[".repeat(2000)}${"]".repeat(2000)} == []` },
    { what: "maps", text: `${'{"a":'.repeat(500)}1${"}".repeat(500)} == {}` },
    { what: "members", text: `args${".a".repeat(2000)} == 1` },
    { what: "indexes", text: `args${"[0]".repeat(1300)} == 1` },
    { what: "macros", text: `${"[1].exists(x, ".repeat(250)}true${")".repeat(250)}` },
    { what: "sums", text: `${"1+".repeat(long / 4)}1 > 0` },
    { what: "conjunctions", text: `${"true&&".repeat(680)}true` },
    { what: "an unclosed text", text: `"${"a".repeat(4090)}` },
    { what: "NUL bytes", text: "\0".repeat(4096) },
    { what: "half characters", text: "\uD800".repeat(4096) },
  ])("4,096 characters of $what within 50 ms", ({ text }) => {
    const took = Array.from({ length: 3 }, () => {
      const start = process.threadCpuUsage();
      expect(problemOf(text)).not.toBe("");
      return process.threadCpuUsage(start).user / 1_000;
    });
    // Processor time, because other tests run beside this one.
    expect(Math.min(...took)).toBeLessThan(50);
  });

  test("without ever throwing, whatever the text is", () => {
    const piece = fc.constantFrom(
      "(",
      ")",
      "[",
      "]",
      "args",
      ".",
      "a",
      "sql",
      "writes",
      "==",
      "1",
      '"',
      "&&",
      "!",
      "?",
      ":",
      ",",
      " ",
      "exists",
      "x",
      "matches",
      "{",
      "}",
      "\0",
      "in",
    );
    const text = fc.oneof(
      fc.string({ maxLength: 60 }),
      fc.array(piece, { maxLength: 40 }).map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(text, (each) => {
        const problem = problemOf(each);
        expect(problem.length).toBeLessThan(800);
        expect(problem).not.toMatch(/[\n\0]/);
      }),
      { numRuns: 1000 },
    );
  });
});

test("every function that is described says how it is written", () => {
  for (const [name, { forms, says }] of Object.entries(FUNCTIONS)) {
    expect(says.length).toBeGreaterThan(5);
    for (const form of forms) expect(form).toContain(`${name}(`);
  }
  expect(takesArguments("toString", 0, true)).toBe(false);
});
