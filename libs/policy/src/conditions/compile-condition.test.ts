import { Environment } from "@marcbachmann/cel-js";
import { SQL_FACTS, type SqlFacts } from "@drawbridge/commands/facts";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { argumentConditions, someArguments } from "../fixtures/conditions.js";
import type { Context, Operation } from "../operation.js";
import { checkCondition } from "./check-condition.js";
import { compileCondition } from "./compile-condition.js";
import { Scope } from "./scope.js";
import { Failure } from "./values.js";

const context: Context = {
  principal: { id: "alice", groups: ["engineering"], email: "alice@example.com", emailVerified: true },
  client: { id: "c1" },
};
const seen: Context = {
  ...context,
  now: new Date("2026-03-29T00:30:00Z"),
  session: {
    calls: 7,
    callsOf: (tool) => (tool === "deploy" ? 2 : 0),
    resultBytes: undefined,
    ageSeconds: 60.7,
  },
};
const call = (given: unknown): Operation => ({
  target: { name: "shop", labels: { env: "production" } },
  method: "tools/call",
  name: "execute_sql",
  arguments: () => given,
});

function evaluateText(text: string, operation: Operation, who = context): boolean | Failure {
  const checked = checkCondition(text);
  if (!checked.ok) throw new Error(`${text}: ${checked.problem}`);
  return compileCondition(checked.root)(new Scope(operation, who));
}

const PEER = new Environment({ homogeneousAggregateLiterals: false }).registerVariable(
  "args",
  "map<string, dyn>",
);

/** What the parser's own evaluation says; undefined for an error. */
function evaluatePeer(text: string, given: Record<string, unknown>): unknown {
  try {
    const value: unknown = PEER.evaluate(text, { args: withInts(given) });
    return typeof value === "boolean" ? value : undefined;
  } catch {
    return undefined;
  }
}

function withInts(value: unknown): unknown {
  if (typeof value === "number") return Number.isInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(withInts);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withInts(each)]));
}

describe("a condition", () => {
  test("comes to what the parser's own evaluation says", () => {
    let compared = 0;
    fc.assert(
      fc.property(argumentConditions.bool, someArguments, (text, given) => {
        if (!checkCondition(text).ok) return;
        const mine = evaluateText(text, call(given));
        const peer = evaluatePeer(text, given);
        compared++;
        expect({ text, value: mine instanceof Failure ? undefined : mine }).toEqual({ text, value: peer });
      }),
      { numRuns: 3000 },
    );
    expect(compared).toBeGreaterThan(1500);
  });

  test.each<{ text: string; given: unknown }>([
    { text: "double(args.part) / double(args.whole) <= 0.5", given: { part: 0, whole: 0 } },
    { text: "!(double(args.part) / double(args.whole) > 0.5)", given: { part: 0, whole: 0 } },
    { text: "args.n * 10.0 - args.n * 10.0 < 1.0", given: { n: 1.5e308 } },
    { text: 'double(args.n) > 5.0 && args.n != ""', given: { n: "1e400" } },
  ])("fails where a calculation comes to no number: $text", ({ text, given }) => {
    expect(evaluateText(text, call(given))).toBeInstanceOf(Failure);
  });

  test("finds maps unequal of which one has more members", () => {
    expect(evaluateText('args.m == {"a": 1}', call({ m: { a: 1, b: 2 } }))).toBe(false);
    expect(evaluateText('{"a": 1} == args.m', call({ m: { a: 1, b: 2 } }))).toBe(false);
    expect(evaluateText('{"a": 1} == args.m', call({ m: { a: 1.0 } }))).toBe(true);
  });

  test.each<{ text: string; value: boolean }>([
    { text: 'principal.id == "alice" && principal.groups == ["engineering"]', value: true },
    { text: 'principal.emailVerified && principal.email.endsWith("@example.com")', value: true },
    { text: 'client.id == "c1" && !has(client.name)', value: true },
    { text: 'target.name == "shop" && target.labels.env == "production"', value: true },
    { text: 'operation.method == "tools/call" && operation.name == tool.name', value: true },
    { text: "has(target.labels.tier)", value: false },
    { text: "args.one == 1 && args.one == 1.0 && args.one < 1.5 && args.half < 1", value: true },
    { text: 'args.big == "1" || args.list.size() == 3', value: true },
    { text: 'args.one == "1"', value: false },
    { text: "args.nothing == null && args.one != null", value: true },
    { text: "args.list[0] == 1 && args.list[2] == 3", value: true },
    { text: 'args["half"] == 0.5 && "half" in args && !("toString" in args)', value: true },
    { text: 'args.exists(key, key == "one") && args.list.exists_one(x, x > 2)', value: true },
    { text: "args.list.map(x, x * 2) == [2, 4, 6] && args.list.map(x, x > 1, x) == [2, 3]", value: true },
    { text: "args.list.filter(x, x != 2) == [1, 3] && [1] + [2] == [1, 2]", value: true },
    { text: 'args.text == "Ünïcode 😀" && args.text.size() == 9', value: true },
    { text: 'args.text.lowerAscii() == "Ünïcode 😀" && "aB".upperAscii() == "AB"', value: true },
    { text: '"\\u212A".lowerAscii() == "k"', value: false },
    { text: '" a ".trim() == "a" && "a,b".split(",").join("-") == "a-b"', value: true },
    { text: 'args.text.matches("(?i)NÏCODE") && !args.text.matches("^n")', value: true },
    { text: 'int("7") + 1 == 8 && double(args.one) / 2.0 == 0.5 && string(args.half) == "0.5"', value: true },
    { text: "int(2.9) == 2 && int(-2.9) == -2 && 7 / 2 == 3 && -7 % 3 == -1", value: true },
    { text: '{"a": 1, "b": args.one} == {"b": 1, "a": 1} && {"a": 1}["a"] == 1', value: true },
    { text: 'now == timestamp("2026-03-29T00:30:00Z") && now.getHours() == 0', value: true },
    { text: 'now.getHours("Europe/Berlin") == 1 && now.getDayOfWeek("UTC") == 0', value: true },
    { text: '(now + duration("1h")).getHours("Europe/Berlin") == 3', value: true },
    {
      text: "now.getFullYear() == 2026 && now.getMonth() == 2 && now.getDate() == 29 && now.getMinutes() == 30",
      value: true,
    },
    {
      text: 'now - timestamp("2026-03-28T00:30:00Z") == duration("24h") && duration("90m").getHours() == 1',
      value: true,
    },
    { text: 'session.calls == 7 && session.callsOf("deploy") == 2 && session.ageSeconds == 60', value: true },
    { text: "false && args.missing == 1", value: false },
    { text: "args.missing == 1 && false", value: false },
    { text: "true || args.missing == 1", value: true },
    { text: "args.missing == 1 || true", value: true },
    { text: "args.list.exists(x, x == 1 || x.missing)", value: true },
    { text: "[1, 2].all(x, args.missing == x && x == 3)", value: false },
  ])("$text is $value", ({ text, value }) => {
    const given = { one: 1, half: 0.5, list: [1, 2, 3], nothing: null, text: "Ünïcode 😀", big: 1 };
    expect(evaluateText(text, call(given), seen)).toBe(value);
  });

  test.each<{ text: string; says: string; operation?: Partial<Operation>; who?: Context }>([
    { text: "args.missing == 1", says: 'there is no member "missing"' },
    { text: "args.one.missing == 1", says: "something that has no members" },
    { text: "args.constructor == 1", says: "no member" },
    { text: "args.__proto__ == 1", says: "no member" },
    { text: 'args["toString"] == 1', says: "no such member" },
    { text: "args.list[3] == 1", says: "no such element" },
    { text: "args.list[-1] == 1", says: "no such element" },
    { text: "args.exact == 1", says: "not plain JSON" },
    { text: "args.list.exists(x, x > 5 || args.exact == x)", says: "not plain JSON" },
    { text: "args.one", says: "no bool" },
    { text: "!args.one", says: "negates with !" },
    { text: "args.one && true", says: "combines with &&" },
    { text: 'args.one + "x" == "1x"', says: "not of one type" },
    { text: "args.one + 0.5 == 1.5", says: "not of one type" },
    { text: "args.one / 0 == 1", says: "divides by zero" },
    { text: "args.max + 1 > 0", says: "64 bits" },
    { text: 'args.one < "2"', says: "compares int < string" },
    { text: 'args.one.startsWith("1")', says: "calls startsWith of a int" },
    { text: 'args.one.matches("1")', says: "pattern in a int" },
    { text: "timestamp(args.word) < now", says: "RFC 3339" },
    { text: "int(args.word) == 1", says: "int from what is none" },
    { text: "args.one in args", says: "nor a text in a map" },
    { text: "sql.writes", says: "sql is not known for this tool" },
    { text: "sql.parsed", says: "sql is not known for this tool" },
    { text: "shell.parsed", says: "shell is not known for this tool" },
    { text: "has(tool.title)", says: "definition of the tool is not known" },
    {
      text: 'tool.title == "x"',
      says: "its definition has none",
      operation: { tool: { name: "execute_sql" } },
    },
    { text: "session.calls > 0", says: "session is not known", who: context },
    { text: "session.resultBytes > 0", says: "not known any more" },
    { text: 'grant.id == "x"', says: "nothing is given by a grant" },
    { text: 'request.kind == "access"', says: "nothing is asked for" },
    { text: 'client.name == "x"', says: "client.name is not known" },
    {
      text: 'principal.email == "alice@example.com"',
      says: "not verified",
      who: { ...context, principal: { id: "alice", groups: [], email: "alice@example.com" } },
    },
    { text: "args.one == 1", says: "arguments cannot be read", operation: { arguments: () => [1] } },
    {
      text: "args.one == 1",
      says: "arguments cannot be read",
      operation: {
        arguments: () => {
          throw new Error("secret");
        },
      },
    },
    {
      text: "sql.writes",
      says: "sql could not be found out",
      operation: {
        sql: () => {
          throw new Error("secret");
        },
      },
    },
  ])("$text fails: $says", ({ text, says, operation, who }) => {
    const given = { one: 1, list: [1], word: "secret", max: 2 ** 53, exact: new (class Exact {})() };
    const value = evaluateText(
      text.replace("args.max", "(9223372036854775807 + args.max - args.max)"),
      {
        ...call(given),
        ...operation,
      },
      who ?? seen,
    );
    expect(value).toBeInstanceOf(Failure);
    expect((value as Failure).problem).toContain(says);
    expect((value as Failure).problem).not.toContain("secret");
  });

  test("reads facts that were parsed, and of others only that they were not", () => {
    const sql = (parsed: boolean) => ({
      ...call({}),
      sql: () => ({ ...FACTS, parsed, reason: parsed ? "" : "x" }),
    });
    expect(evaluateText("sql.parsed && sql.writes", sql(true))).toBe(true);
    expect(evaluateText('sql.tables.exists(t, t == "a")', sql(true))).toBe(true);
    expect(evaluateText("sql.parsed && sql.writes", sql(false))).toBe(false);
    expect(evaluateText('!sql.parsed && sql.reason == "x"', sql(false))).toBe(true);
    expect(evaluateText("sql.writes", sql(false))).toMatchObject({
      problem: expect.stringContaining("parsed") as string,
    });
  });
});

const FACTS = {
  ...Object.fromEntries(Object.keys(SQL_FACTS).map((fact) => [fact, false])),
  writes: true,
  tables: ["a"],
} as unknown as SqlFacts;
