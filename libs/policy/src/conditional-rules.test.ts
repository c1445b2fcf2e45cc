import { SQL_FACTS, type SqlFacts } from "@drawbridge/commands/facts";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { compilePolicies, type PolicyVersion } from "./compile.js";
import { couldBeAllowed, evaluate } from "./evaluate.js";
import { explainOperation } from "./explain.js";
import { argumentConditions, someArguments } from "./fixtures/conditions.js";
import { alice, approval, callOf, ENFORCED, policyOf } from "./fixtures/policies.js";
import { wholeDocument } from "./fixtures/whole-document.js";
import type { Context, Effect, Operation } from "./operation.js";

const decide = (rules: readonly unknown[], operation: Operation, context: Context = alice) =>
  evaluate(compilePolicies([policyOf(rules)], ENFORCED), operation, context);

const allowAll = { name: "all", effect: "allow" };

describe("a rule with a condition", () => {
  test.each<{ says: string; rules: readonly unknown[]; effect: Effect; rule?: string }>([
    {
      says: "matches where it holds",
      rules: [{ name: "r", effect: "allow", when: "args.n == 1" }],
      effect: "allow",
      rule: "r",
    },
    {
      says: "does not where it does not",
      rules: [{ name: "r", effect: "allow", when: "args.n == 2" }],
      effect: "deny",
    },
    {
      says: "denies before an allow",
      rules: [allowAll, { name: "r", effect: "deny", when: "args.n == 1" }],
      effect: "deny",
      rule: "r",
    },
    {
      says: "leaves others alone",
      rules: [allowAll, { name: "r", effect: "deny", when: "args.n == 2" }],
      effect: "allow",
      rule: "all",
    },
    {
      says: "asks before an allow",
      rules: [allowAll, { name: "r", effect: "require_approval", approval, when: "args.n > 0" }],
      effect: "require_approval",
      rule: "r",
    },
    {
      says: "that fails denies, although it allows",
      rules: [allowAll, { name: "r", effect: "allow", when: "args.x == 1" }],
      effect: "deny",
      rule: "r",
    },
    {
      says: "that fails denies, although it asks",
      rules: [{ name: "r", effect: "require_approval", approval, when: "args.x == 1" }, allowAll],
      effect: "deny",
      rule: "r",
    },
    {
      says: "that fails stands behind one that denies",
      rules: [
        { name: "f", effect: "deny", when: "args.x == 1" },
        { name: "d", effect: "deny", when: "args.n == 1" },
      ],
      effect: "deny",
      rule: "d",
    },
    {
      says: "that fails stands behind an unconditional denial",
      rules: [
        { name: "f", effect: "deny", when: "args.x == 1" },
        { name: "d", effect: "deny" },
      ],
      effect: "deny",
      rule: "d",
    },
    {
      says: "is not asked about other names",
      rules: [allowAll, { name: "r", tools: ["other"], effect: "deny", when: "args.x == 1" }],
      effect: "allow",
      rule: "all",
    },
    {
      says: "the first of equals decides",
      rules: [
        { name: "a", effect: "deny", when: "args.n == 1" },
        { name: "b", effect: "deny" },
      ],
      effect: "deny",
      rule: "a",
    },
    {
      says: "the first of equals decides the other way",
      rules: [
        { name: "a", effect: "deny" },
        { name: "b", effect: "deny", when: "args.n == 1" },
      ],
      effect: "deny",
      rule: "a",
    },
  ])("$says", ({ rules, effect, rule }) => {
    for (const order of [rules, [...rules].reverse()]) {
      expect(decide(order, callOf("t", { n: 1 })).effect).toBe(effect);
    }
    expect(decide(rules, callOf("t", { n: 1 })).rule).toBe(rule);
  });

  test("that fails says why in words, and never what the operation holds", () => {
    const rules = [{ name: "r", effect: "allow", message: "No.", when: "args.secret > 1" }];
    const decision = decide(rules, callOf("t", { secret: "hunter2" }));
    expect(decision).toEqual({
      effect: "deny",
      policy: "p",
      version: 3,
      rule: "r",
      reason:
        'rule "r" of policy "p" could not be decided: it compares string > int; so it denies tools/call of "t" on target "shop"',
      failed: [{ policy: "p", version: 3, rule: "r", problem: "it compares string > int" }],
    });
  });

  test("asks for what it reads only when it is needed, and once", () => {
    const asked: string[] = [];
    const more = (parsed: boolean): Partial<Operation> => ({
      arguments: () => asked.push("args") && {},
      sql: () => {
        asked.push("sql");
        return { ...FACTS, parsed };
      },
    });
    const readsSql = ["sql.writes", "sql.ddl || sql.writes", "!sql.parsed"].map((when, n) => ({
      name: `r${n}`,
      tools: ["sql"],
      effect: "deny",
      when,
    }));
    expect(decide([...readsSql, allowAll], callOf("other", {}, more(true))).effect).toBe("allow");
    expect(asked).toEqual([]);
    expect(decide([...readsSql, allowAll], callOf("sql", {}, more(true))).effect).toBe("allow");
    expect(asked).toEqual(["sql"]);
    expect(decide([...readsSql, allowAll], callOf("sql", {}, more(false))).rule).toBe("r2");
    expect(
      decide([...readsSql, allowAll, { name: "d", effect: "deny" }], callOf("sql", {}, more(true))).rule,
    ).toBe("d");
  });

  test("of a stored document that is not valid any more denies", () => {
    const stored = policyOf([{ name: "r", effect: "allow", when: "true" }]);
    const [rule] = stored.document.spec.rules;
    const broken: PolicyVersion = {
      ...stored,
      document: {
        ...stored.document,
        spec: { ...stored.document.spec, rules: [{ ...rule!, when: "nonsense" }] },
      },
    };
    const { effect, reason } = evaluate(compilePolicies([broken], ENFORCED), callOf("t", {}), alice);
    expect(effect).toBe("deny");
    expect(reason).toContain("not valid any more");
  });
});

const FACTS = Object.fromEntries(Object.keys(SQL_FACTS).map((fact) => [fact, false])) as unknown as SqlFacts;

describe("the example of the specification", () => {
  const rules = wholeDocument.spec.rules.map((rule) => ({ ...rule, mask: undefined }));
  const compiled = compilePolicies([policyOf(rules)], ENFORCED);
  const sql = (facts: Partial<SqlFacts>) =>
    callOf("execute_sql", {}, { sql: () => ({ ...FACTS, parsed: true, ...facts }) });

  test.each<{ says: string; operation: Operation; effect: Effect; rule: string }>([
    { says: "a select", operation: sql({ readOnly: true }), effect: "allow", rule: "read" },
    {
      says: "an insert",
      operation: sql({ writes: true }),
      effect: "require_approval",
      rule: "ask-before-writing",
    },
    { says: "a drop", operation: sql({ ddl: true, writes: true }), effect: "deny", rule: "no-destruction" },
    {
      says: "what does not parse",
      operation: sql({ parsed: false }),
      effect: "deny",
      rule: "ask-before-writing",
    },
    { says: "no SQL at all", operation: callOf("execute_sql", {}), effect: "deny", rule: "no-destruction" },
    { says: "another tool", operation: callOf("search_objects", {}), effect: "allow", rule: "read" },
  ])("$says: $effect by $rule", ({ operation, effect, rule }) => {
    expect(evaluate(compiled, operation, alice)).toMatchObject({ effect, rule });
  });

  test("its limits hold where it allows", () => {
    expect(evaluate(compiled, sql({ readOnly: true }), alice).limits).toEqual([
      {
        policy: "p",
        rule: "read",
        per: "principal",
        calls: { count: 500, windowMs: 3_600_000 },
        resultBytes: { bytes: 52_428_800, windowMs: 3_600_000 },
        concurrent: 4,
      },
    ]);
    expect(evaluate(compiled, sql({ ddl: true }), alice).limits).toBeUndefined();
  });
});

test("the limits of every rule that matches hold, whichever decides", () => {
  const rules = [
    { name: "a", effect: "allow", limits: { calls: "2/s" } },
    {
      name: "b",
      effect: "allow",
      limits: [
        { per: "tool", concurrent: 1 },
        { per: "target", resultBytes: "1KiB/d" },
      ],
    },
    { name: "c", effect: "allow", when: "args.n == 1", limits: { per: "session", calls: "9/m" } },
    { name: "d", effect: "allow", when: "args.n == 2", limits: { concurrent: 7 } },
    { name: "e", effect: "require_approval", approval },
    { name: "f", effect: "allow", tools: ["other"], limits: { concurrent: 8 } },
  ];
  const { effect, limits } = decide(rules, callOf("t", { n: 1 }));
  expect(effect).toBe("require_approval");
  expect(limits?.map(({ rule, per }) => `${rule} ${per}`)).toEqual([
    "a principal",
    "b tool",
    "b target",
    "c session",
  ]);
  expect(limits?.[0]?.calls).toEqual({ count: 2, windowMs: 1_000 });
  expect(limits?.[2]?.resultBytes).toEqual({ bytes: 1024, windowMs: 86_400_000 });
});

describe("a list shows", () => {
  const shows = (rules: readonly unknown[], context = alice) =>
    couldBeAllowed(
      compilePolicies([policyOf(rules)], ENFORCED),
      { target: { name: "shop", labels: {} }, method: "tools/call", name: "t" },
      context,
    );

  test.each<{ says: string; rules: readonly unknown[]; shown: boolean }>([
    {
      says: "what a condition over arguments may allow",
      rules: [{ name: "r", effect: "allow", when: "args.n == 1" }],
      shown: true,
    },
    {
      says: "what a condition over facts may deny",
      rules: [allowAll, { name: "r", effect: "deny", when: "sql.writes" }],
      shown: true,
    },
    {
      says: "not what is denied to this principal",
      rules: [allowAll, { name: "r", effect: "deny", when: 'principal.id == "alice"' }],
      shown: false,
    },
    {
      says: "not what is allowed to others only",
      rules: [{ name: "r", effect: "allow", when: 'principal.id == "bob" && args.n == 1' }],
      shown: false,
    },
    {
      says: "not what always fails",
      rules: [allowAll, { name: "r", effect: "deny", when: 'tool.title == "x"' }],
      shown: false,
    },
    {
      says: "what fails for some arguments only",
      rules: [allowAll, { name: "r", effect: "deny", when: 'args.n == 1 && tool.title == "x"' }],
      shown: true,
    },
    {
      says: "what depends on the time",
      rules: [{ name: "r", effect: "allow", when: "now.getHours() > 25" }],
      shown: true,
    },
    {
      says: "what depends on the session",
      rules: [{ name: "r", effect: "allow", when: 'session.callsOf("t") < 3' }],
      shown: true,
    },
    {
      says: "not what nothing allows",
      rules: [{ name: "r", effect: "deny", when: "args.n == 1" }],
      shown: false,
    },
    {
      says: "not what always fails behind what is left open",
      rules: [
        allowAll,
        { name: "open", effect: "deny", when: "args.n == 1" },
        { name: "r", effect: "deny", when: 'tool.title == "x"' },
      ],
      shown: false,
    },
  ])("$says", ({ rules, shown }) => {
    expect(shows(rules)).toBe(shown);
  });

  test("what only costs too much because arguments are left open", () => {
    const costly = "args.n == 1 || tool.inputSchema.exists(x, x == -1)";
    const rules = ["a", "b"].map((name) => ({ name, effect: "allow", when: costly }));
    const compiled = compilePolicies(
      [policyOf([...rules, { name: "c", effect: "allow", when: 'tool.name == "t"' }])],
      ENFORCED,
    );
    const inputSchema = Array.from({ length: 100_000 }, (_, n) => n);
    const call = callOf("t", { n: 1 }, { tool: { name: "t", inputSchema } });
    expect(evaluate(compiled, call, alice).effect).toBe("allow");
    expect(couldBeAllowed(compiled, call, alice)).toBe(true);
  });
});

describe("for all policies with conditions", () => {
  const when = fc.option(
    fc.oneof(
      argumentConditions.bool,
      fc.constantFrom(
        'principal.id == "alice"',
        'tool.name == "t"',
        "sql.writes",
        'tool.title == "x"',
        "now.getHours() < 12",
        "session.calls > 1",
      ),
    ),
    { nil: undefined },
  );
  const rule = fc.record({
    when,
    effect: fc.constantFrom<Effect>("allow", "allow", "deny", "require_approval"),
    limited: fc.boolean(),
    tools: fc.constantFrom(undefined, ["t"], ["*"], ["other"]),
  });
  const rules = fc.array(rule, { minLength: 1, maxLength: 6 }).map((each) =>
    each.map((parts, n) => ({
      name: `r${n}`,
      effect: parts.effect,
      ...(parts.when !== undefined && { when: parts.when }),
      ...(parts.tools && { tools: parts.tools }),
      ...(parts.effect === "require_approval" && { approval }),
      ...(parts.limited && parts.effect !== "deny" && { limits: { concurrent: n + 1 } }),
    })),
  );
  type Rules = readonly { readonly name: string; readonly effect: Effect; readonly when?: string }[];
  /** As documents that parse. */
  const valid = rules.filter((each) => {
    try {
      policyOf(each);
      return true;
    } catch {
      return false;
    }
  });
  const context = fc.record({
    principal: fc.record({ id: fc.constantFrom("alice", "bob"), groups: fc.constant(["engineering"]) }),
    client: fc.constant({ id: "c" }),
    now: fc.constantFrom(new Date(0), new Date(50_000_000)),
  });
  const operation = fc
    .record({ given: someArguments, facts: fc.constantFrom("none", "writes", "reads", "throws") })
    .map(({ given, facts }) =>
      callOf("t", given, {
        ...(facts === "writes" && { sql: () => ({ ...FACTS, parsed: true, writes: true }) }),
        ...(facts === "reads" && { sql: () => ({ ...FACTS, parsed: true }) }),
        ...(facts === "throws" && {
          sql: () => {
            throw new Error("no");
          },
        }),
      }),
    );
  const LOOSENESS = { deny: 0, require_approval: 1, allow: 2 };
  const compile = (each: Rules) => compilePolicies([policyOf(each)], ENFORCED);

  test("the order of rules does not matter, nor how they are spread over policies", () => {
    fc.assert(
      fc.property(valid, operation, context, (each: Rules, op, who) => {
        const { effect, limits } = evaluate(compile(each), op, who);
        const turned = evaluate(compile([...each].reverse()), op, who);
        expect(turned.effect).toBe(effect);
        expect(new Set(turned.limits)).toEqual(new Set(limits));
        const spread = each.map((one, n) => policyOf([one], { name: `p${n}` }));
        expect(evaluate(compilePolicies(spread, ENFORCED), op, who).effect).toBe(effect);
        expect(evaluate(compilePolicies([...spread].reverse(), ENFORCED), op, who).effect).toBe(effect);
      }),
      { numRuns: 300 },
    );
  });

  test("one more deny never allows more", () => {
    fc.assert(
      fc.property(valid, valid, operation, context, (each: Rules, more: Rules, op, who) => {
        const denies = more.map(({ when: condition }, n) => ({
          name: `deny${n}`,
          effect: "deny" as const,
          ...(condition !== undefined && { when: condition }),
        }));
        const before = evaluate(compile(each), op, who).effect;
        const after = evaluate(compile([...each, ...denies]), op, who).effect;
        expect(LOOSENESS[after]).toBeLessThanOrEqual(LOOSENESS[before]);
      }),
      { numRuns: 300 },
    );
  });

  test("a condition that fails never lets anything through", () => {
    let failures = 0;
    fc.assert(
      fc.property(valid, operation, context, (each: Rules, op, who) => {
        const { decision, rules: voices } = explainOperation(compile(each), op, who);
        const hasFailed = voices.some(({ condition }) => condition === "failed");
        failures += Number(hasFailed);
        expect(hasFailed && decision.effect !== "deny").toBe(false);
        expect(decision.failed !== undefined && decision.effect !== "deny").toBe(false);
      }),
      { numRuns: 300 },
    );
    expect(failures).toBeGreaterThan(20);
  });

  test("an explanation has the decision of evaluate, and one decisive rule where a rule decided", () => {
    fc.assert(
      fc.property(valid, operation, context, (each: Rules, op, who) => {
        const compiled = compile(each);
        const { decision, rules: voices } = explainOperation(compiled, op, who);
        expect(decision).toEqual(evaluate(compiled, op, who));
        expect(voices.filter(({ decisive }) => decisive).map(({ rule: name }) => name)).toEqual(
          decision.rule === undefined ? [] : [decision.rule],
        );
        const decisive = voices.find(({ decisive: is }) => is);
        expect(decisive?.effect).toBe(decision.rule === undefined ? undefined : decision.effect);
      }),
      { numRuns: 300 },
    );
  });

  test("what some call of it is allowed is listed", () => {
    let allowed = 0;
    fc.assert(
      fc.property(valid, operation, context, (each: Rules, op, who) => {
        const compiled = compile(each);
        const isAllowed = evaluate(compiled, op, who).effect !== "deny";
        allowed += Number(isAllowed);
        const listed = { target: op.target, method: op.method, name: op.name };
        expect(isAllowed && !couldBeAllowed(compiled, listed, who)).toBe(false);
      }),
      { numRuns: 500 },
    );
    expect(allowed).toBeGreaterThan(50);
  });

  test("evaluation ends with a decision whatever the operation holds", () => {
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withNullPrototype: true,
      withObjectString: true,
      withSparseArray: true,
      withTypedArray: true,
    });
    const given = fc.oneof(
      anything,
      fc.record({ i: anything, s: anything, l: fc.array(anything), m: anything }),
    );
    fc.assert(
      fc.property(valid, given, fc.string(), (each: Rules, args, name) => {
        const compiled = compile(each);
        const op = callOf(name, args);
        expect(["allow", "deny", "require_approval"]).toContain(evaluate(compiled, op, alice).effect);
        expect(typeof couldBeAllowed(compiled, op, alice)).toBe("boolean");
      }),
      { numRuns: 300 },
    );
  });
});

describe("a hostile operation", () => {
  const nested = (depth: number): unknown => {
    let value: unknown = 1;
    for (let level = 0; level < depth; level++) value = { a: value };
    return value;
  };
  const given = {
    text: "a".repeat(1_000_000),
    half: `${"a".repeat(500_000)}b`,
    nul: "\0".repeat(1_000_000),
    numbers: Array.from({ length: 100_000 }, (_, n) => n),
    texts: Array.from({ length: 100_000 }, (_, n) => `t${n}`),
    members: Object.fromEntries(Array.from({ length: 50_000 }, (_, n) => [`k${n}`, n])),
    deep: nested(128),
    deeper: nested(20_000),
  };
  const CONDITIONS = [
    "args.text.contains(args.half)",
    'args.nul.contains("a") || args.text == args.nul',
    "args.numbers.exists(x, args.numbers.exists(y, x + y == -1))",
    "args.numbers.exists(x, x.missing == 1)",
    "args.numbers.map(x, args.text + args.text).size() > 0",
    'args.texts.exists(t, t.contains("zz") || t.matches("(a|b|c)*a(a|b|c){60}$"))',
    'args.texts.map(t, t.split("")).size() > 0',
    "args.members == args.members && args.members.exists(k, k == args.text)",
    "args.deep == args.deep && [args.deep] == [args.deep]",
    "args.deeper == args.deeper || [args.deeper] == [args.deeper]",
    'args.half.split("a").join("aa") == args.text',
    "args.text.lowerAscii() == args.half.upperAscii()",
    "args.numbers == args.texts || args.numbers + args.texts == args.numbers",
    'args.numbers.exists(n, timestamp(n).getHours("Europe/Berlin") == 25)',
  ];

  /** Processor time in milliseconds, because other tests run beside this one; the least of three. */
  const quickest = (work: () => void): number =>
    Math.min(
      ...Array.from({ length: 3 }, () => {
        const start = process.threadCpuUsage();
        work();
        const { user, system } = process.threadCpuUsage(start);
        return (user + system) / 1_000;
      }),
    );

  // On an idle machine these take 2 to 30 ms; the bounds leave room for other tests beside them.
  test.each(CONDITIONS)("is decided in time by %s", (condition) => {
    const compiled = compilePolicies([policyOf([{ ...allowAll, when: `!(${condition})` }])], ENFORCED);
    expect(quickest(() => evaluate(compiled, callOf("t", given), alice))).toBeLessThan(150);
  });

  test.each(CONDITIONS)("is decided in time by 1,000 rules with %s", (condition) => {
    const rules = Array.from({ length: 1_000 }, (_, n) => ({
      name: `r${n}`,
      effect: n % 2 === 0 ? "deny" : "allow",
      when: `(${condition}) && args.numbers[0] == ${n + 1}`,
    }));
    const compiled = compilePolicies([policyOf(rules)], ENFORCED);
    expect(quickest(() => evaluate(compiled, callOf("t", given), alice))).toBeLessThan(250);
  });

  test.each([
    { says: "one condition has a bound of its own", when: "args.some.exists(x, x == -1) == false" },
    {
      says: "what could not be looked at to the end is not known",
      when: "args.numbers.exists(x, x == -1) || true",
    },
  ])("$says", ({ when }) => {
    const some = given.numbers.slice(0, 50_000);
    const decision = decide([{ ...allowAll, when }], callOf("t", { ...given, some }));
    expect(decision.effect).toBe("deny");
    expect(decision.reason).toContain("it costs too much");
  });

  test("names at most 20 of the conditions that failed", () => {
    const rules = Array.from({ length: 50 }, (_, n) => ({ name: `r${n}`, effect: "deny", when: "args.x" }));
    expect(decide(rules, callOf("t", given)).failed).toHaveLength(20);
  });
});

test("a document that is compiled again keeps its conditions, which are most of the work", () => {
  const when = (index: number) => `args.a == "${index}" && !args.b.matches("^(one|two)[0-9]{${index % 9}}$")`;
  const rules = Array.from({ length: 1_000 }, (_, index) => ({
    name: `r${index}`,
    effect: "allow",
    tools: [`t${index}`],
    when: when(index),
  }));
  const cpuOf = (policy: PolicyVersion) => {
    const before = process.cpuUsage();
    compilePolicies([policy], ENFORCED);
    const { user, system } = process.cpuUsage(before);
    return user + system;
  };
  const fresh = Array.from({ length: 5 }, () => policyOf(rules));
  const first = Math.min(...fresh.map(cpuOf));
  const again = Math.min(...fresh.map(cpuOf));
  expect(again).toBeLessThan(first / 2);
});
