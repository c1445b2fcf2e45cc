import { describe, expect, test } from "vitest";

import { readPolicySource } from "./policy-source.js";

const HEAD = `apiVersion: drawbridge/v1
kind: Policy
metadata: { name: shop-engineering }
`;
const SPEC = `${HEAD}spec:
  targets: { names: [shop] }
  subjects: { groups: [engineering] }
  rules:
    - name: read
`;
/** A rule from line 9 on. */
const withRule = (...lines: string[]) => `${SPEC}${lines.map((line) => `      ${line}\n`).join("")}`;
const withCondition = (when: string) => withRule("effect: deny", `when: ${when}`);
const withTargets = (targets: string) => SPEC.replace("{ names: [shop] }", targets) + "      effect: deny\n";
const withSubjects = (subjects: string) =>
  SPEC.replace("{ groups: [engineering] }", subjects) + "      effect: deny\n";

const problemsOf = (source: string) => {
  const read = readPolicySource(source);
  return read.ok ? [] : read.problems.map(({ line, message }) => `${line}: ${message}`);
};

describe("a mistake is told with its line and what to do", () => {
  test.each<{ written: string; source: string; says: string }>([
    { written: "effects:", source: withRule("effects: allow"), says: "8: give it: it is missing here" },
    { written: "effects:", source: withRule("effects: allow"), says: "is it effect?" },
    { written: "tool:", source: withRule("tool: [x]", "effect: deny"), says: "is it tools?" },
    { written: "a merge key", source: withRule("<<: { effect: deny }"), says: '8: correct or remove "<<"' },
    { written: "Allow", source: withRule("effect: Allow"), says: "9: write allow, deny or" },
    { written: "permit", source: withRule("effect: permit"), says: "9: write allow, deny or" },
    { written: "Tools/Call", source: withRule("methods: [Tools/Call]"), says: "is it tools/call?" },
    { written: "tools.call", source: withRule("methods: [tools.call]"), says: "is it tools/call?" },
    { written: "tool/call", source: withRule("methods: [tool/call]"), says: "is it tools/call?" },
    { written: "tools/list", source: withRule("methods: [tools/list]"), says: "lists follow from" },
    { written: "no list", source: withRule("tools: x", "effect: deny"), says: "9: write a list" },
    {
      written: "an empty list",
      source: withRule("tools: []", "effect: deny"),
      says: "9: put something into",
    },
    { written: "no quotes at *", source: withRule("tools: [*]"), says: "9: put quotes around" },
    { written: "a number", source: withTargets("{ labels: { tier: 1 } }"), says: "5: put quotes around it" },
    { written: "a bool", source: withTargets("{ labels: { p: true } }"), says: "5: put quotes around it" },
    { written: "octal", source: withTargets("{ labels: { p: 0o17 } }"), says: "5: put quotes around it" },
    { written: "a list of labels", source: withTargets("{ labels: [a=b] }"), says: "5: write a map" },
    { written: "nothing", source: withTargets("{ labels: { env: } }"), says: "5: write a text" },
    {
      written: "__proto__",
      source: withTargets("{ names: [a], labels: { __proto__: b } }"),
      says: "5: take out",
    },
    { written: "group:", source: withSubjects("{ group: [a] }"), says: "6: correct or remove" },
    { written: "everybody", source: withSubjects('{ groups: ["*"] }'), says: "6: name them one by one" },
    { written: "0/h", source: withRule("effect: allow", "limits: { calls: 0/h }"), says: "10: write a rate" },
    { written: "500", source: withRule("effect: allow", "limits: { calls: 500 }"), says: "10: write a rate" },
    {
      written: "50MB/h",
      source: withRule("effect: allow", "limits: { resultBytes: 50MB/h }"),
      says: "50MiB/h",
    },
    {
      written: "a text",
      source: withRule("effect: allow", 'limits: { concurrent: "4" }'),
      says: "10: write a number, without quotes",
    },
    { written: "call:", source: withRule("effect: allow", "limits: { call: 1/h }"), says: "is it calls?" },
    {
      written: "onExpiry: allow",
      source: withRule(
        "effect: require_approval",
        "approval: { from: [{ group: a, count: 1 }], expiresIn: 1h, onExpiry: allow }",
      ),
      says: "10: write deny, or",
    },
    { written: "kind: policy", source: SPEC.replace("Policy", "policy"), says: "2: write Policy" },
    { written: "a tab", source: `${SPEC}\t  effect: deny\n`, says: "9: indent with spaces" },
    { written: "another line end", source: withRule("effects: deny").replaceAll("\n", "\r\n"), says: "8: " },
    {
      written: "UTF-16",
      source: Buffer.from(SPEC, "utf16le").toString("utf8"),
      says: "the file must be UTF-8",
    },
    { written: "a long tag", source: "!".repeat(1_000), says: "put quotes around" },
    { written: "when: true", source: withCondition("true"), says: "10: put quotes around it" },
    { written: "when: yes", source: withCondition("yes"), says: "10: correct yes" },
    { written: "=", source: withCondition("args.a = 1"), says: "10: write == to compare at character 8" },
    { written: "===", source: withCondition("args.a === 1"), says: "write == to compare" },
    { written: "and", source: withCondition("args.a and args.b"), says: "write && for and" },
    { written: "or", source: withCondition("args.a or args.b"), says: "write || for or" },
    { written: "not", source: withCondition("not args.a"), says: "write ! for not" },
    { written: "&", source: withCondition("args.a & args.b"), says: "write && for and" },
    { written: "|", source: withCondition("args.a | args.b"), says: "write || for or" },
    { written: "<>", source: withCondition("args.a <> 1"), says: "write != for <>" },
    { written: "=~", source: withCondition('args.a =~ "b"'), says: "write text.matches" },
    { written: "=>", source: withCondition("sql.tables.exists(t => true)"), says: "list.exists(x, …)" },
    { written: "one backslash", source: withCondition('args.a.matches("\\d")'), says: "backslash twice" },
    { written: "a list as text", source: withCondition('sql.tables == "a"'), says: '"text" in list' },
    { written: "list.contains", source: withCondition('sql.tables.contains("a")'), says: '"text" in list' },
    {
      written: "a list in a list",
      source: withCondition('sql.tables in ["a"]'),
      says: "list.exists(x, x in",
    },
    { written: ".length", source: withCondition("sql.tables.length > 1"), says: "list.size()" },
    { written: "now.hour", source: withCondition("now.hour < 7"), says: 'such as getHours("Europe/Berlin")' },
    { written: "a text as time", source: withCondition('now > "2026"'), says: "makes a moment of a text" },
  ])("$written: $says", ({ source, says }) => {
    const problems = problemsOf(source);
    expect(problems.join("\n")).toContain(says);
    for (const problem of problems) expect(problem.length).toBeLessThan(500);
  });

  test("also behind a byte order mark", () => {
    expect(problemsOf(`\uFEFF${withRule("effect: deny")}`)).toEqual([]);
  });
});
