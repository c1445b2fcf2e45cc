import { describe, expect, test } from "vitest";

import { parsePolicy, policyJsonSchema } from "./document.js";
import { featuresRequired, unenforceable, type Feature } from "./features.js";
import { LIMIT_SCOPES } from "./operation.js";
import { wholeDocument } from "./fixtures/whole-document.js";

const minimal = () => ({
  apiVersion: "drawbridge/v1",
  kind: "Policy",
  metadata: { name: "p" },
  spec: {
    targets: { names: ["shop"] },
    subjects: { groups: ["engineering"] },
    rules: [{ name: "r", effect: "allow" }],
  },
});

/** The minimal policy with its one rule changed. */
const withRule = (rule: object) => {
  const policy = minimal();
  return { ...policy, spec: { ...policy.spec, rules: [{ ...policy.spec.rules[0], ...rule }] } };
};
const withSpec = (spec: object) => ({ ...minimal(), spec: { ...minimal().spec, ...spec } });

const approval = { from: [{ group: "dba", count: 1 }], expiresIn: "15m", onExpiry: "deny" };

describe("parsePolicy", () => {
  test("takes the whole document, with the parts that nothing enforces yet", () => {
    expect(parsePolicy(wholeDocument)).toEqual({ ok: true, policy: wholeDocument });
  });

  test("takes the least document and fills nothing in", () => {
    expect(parsePolicy(minimal())).toEqual({ ok: true, policy: minimal() });
  });

  test("takes a policy without subjects, which speaks of nobody", () => {
    expect(parsePolicy(withSpec({ subjects: {} })).ok).toBe(true);
  });

  test("takes methods of a server's own beside those of the protocol", () => {
    expect(
      parsePolicy(withRule({ methods: ["acme/reindex", "notifications/acme/done", "rpc.reload"] })).ok,
    ).toBe(true);
  });

  test.each<{ what: string; value: unknown; path: (string | number)[]; says: string }>([
    { what: "no object", value: "kind: Policy", path: [], says: "write a map of its parts" },
    { what: "an unknown key", value: { ...minimal(), extra: 1 }, path: [], says: "extra" },
    {
      what: "an unknown key of a rule",
      value: withRule({ tool: ["x"] }),
      path: ["spec", "rules", 0],
      says: "tool",
    },
    {
      what: "another version",
      value: { ...minimal(), apiVersion: "v2" },
      path: ["apiVersion"],
      says: "drawbridge/v1",
    },
    {
      what: "an unknown method",
      value: withRule({ methods: ["tools/cal"] }),
      path: ["spec", "rules", 0, "methods", 0],
      says: "tools/call",
    },
    {
      what: "a method that opens a session",
      value: withRule({ methods: ["tools/call", "initialize"] }),
      path: ["spec", "rules", 0, "methods", 1],
      says: "a method of the server's own",
    },
    {
      what: "names for methods that have none",
      value: withRule({ methods: ["acme/reindex"], tools: ["x"] }),
      path: ["spec", "rules", 0, "tools"],
      says: "add a method",
    },
    {
      what: "no target",
      value: withSpec({ targets: {} }),
      path: ["spec", "targets"],
      says: "give names, labels or both",
    },
    {
      what: "no label",
      value: withSpec({ targets: { labels: {} } }),
      path: ["spec", "targets"],
      says: "give names, labels or both",
    },
    {
      what: "no rule",
      value: withSpec({ rules: [] }),
      path: ["spec", "rules"],
      says: "put something into the list",
    },
    {
      what: "approval without approvers",
      value: withRule({ effect: "require_approval" }),
      path: ["spec", "rules", 0, "approval"],
      says: "say who approves",
    },
    {
      what: "approvers without approval",
      value: withRule({ approval }),
      path: ["spec", "rules", 0, "approval"],
      says: "make the effect require_approval",
    },
    {
      what: "limits of a denial",
      value: withRule({ effect: "deny", limits: { concurrent: 1 } }),
      path: ["spec", "rules", 0, "limits"],
      says: "remove it",
    },
    {
      what: "prompts of a tool rule",
      value: withRule({ prompts: ["x"] }),
      path: ["spec", "rules", 0, "prompts"],
      says: "add a method",
    },
    {
      what: "a method left open beside a narrowed one",
      value: withRule({ methods: ["tools/call", "resources/read"], tools: ["x"] }),
      path: ["spec", "rules", 0, "methods"],
      says: 'add resources: ["*"]',
    },
    {
      what: "a rate without a unit",
      value: withRule({ limits: { calls: "500" } }),
      path: ["spec", "rules", 0, "limits", "calls"],
      says: "500/h",
    },
    {
      what: "a limit that limits nothing",
      value: withRule({ limits: { per: "tool" } }),
      path: ["spec", "rules", 0, "limits"],
      says: "say what is limited",
    },
    {
      what: "two limits of one scope",
      value: withRule({ limits: [{ concurrent: 1 }, { per: "principal", calls: "1/s" }] }),
      path: ["spec", "rules", 0, "limits", 1],
      says: "put them together: there is a limit per principal",
    },
    {
      what: "a limit per something else",
      value: withRule({ limits: [{ per: "group", concurrent: 1 }] }),
      path: ["spec", "rules", 0, "limits", 0, "per"],
      says: "session",
    },
    {
      what: "an unknown key of a limit",
      value: withRule({ limits: { rate: "1/s" } }),
      path: ["spec", "rules", 0, "limits"],
      says: "rate",
    },
    {
      what: "no limit in a list",
      value: withRule({ limits: [] }),
      path: ["spec", "rules", 0, "limits"],
      says: "",
    },
    {
      what: "a condition over what there is not",
      value: withRule({ when: "sql.write" }),
      path: ["spec", "rules", 0, "when"],
      says: "is it writes?",
    },
    {
      what: "a condition over what a method never has",
      value: withRule({ methods: ["tools/call", "sampling/createMessage"], when: "sql.writes" }),
      path: ["spec", "rules", 0, "when"],
      says: "make a rule of its own for sampling/createMessage: it never has sql",
    },
    {
      what: "arguments of a method of the server's own",
      value: withRule({ methods: ["acme/reindex"], when: "args.a == 1" }),
      path: ["spec", "rules", 0, "when"],
      says: "it never has args",
    },
    {
      what: "an allow because of annotations",
      value: withRule({ when: "tool.annotations.readOnlyHint" }),
      path: ["spec", "rules", 0, "when"],
      says: "tool.annotations is only claimed",
    },
    {
      what: "an allow because of a client's name",
      value: withRule({ when: 'has(client.name) || client.id == "x"' }),
      path: ["spec", "rules", 0, "when"],
      says: "client.name is only claimed",
    },
    {
      what: "more patterns than can be checked in good time",
      value: withSpec({
        rules: Array.from({ length: 4_000 }, (_, n) => ({
          name: `r${n}`,
          effect: "allow",
          when: `args.a.matches("(?i)[\\\\p{L}\\\\p{N}]{1,150}${n}")`,
        })),
      }),
      path: ["spec", "rules", 101, "when"],
      says: "more than 100 patterns",
    },
    {
      what: "two rules of one name",
      value: withSpec({
        rules: [
          { name: "r", effect: "allow" },
          { name: "r", effect: "deny" },
        ],
      }),
      path: ["spec", "rules", 1, "name"],
      says: "is taken",
    },
    {
      what: "activation by approval that nobody reviews",
      value: withSpec({ access: { mode: "jit", activation: "approval", maxDuration: "4h" } }),
      path: ["spec", "access", "review"],
      says: "say who reviews",
    },
  ])("refuses $what and says where and what to do", ({ value, path, says }) => {
    const parsed = parsePolicy(value);
    const problem = parsed.ok ? undefined : parsed.problems.find((each) => each.path.join() === path.join());
    expect(problem?.message).toContain(says);
  });

  test("reports every problem at once", () => {
    const parsed = parsePolicy({ ...withRule({ effect: "permit" }), kind: "Rule" });
    expect(parsed.ok ? [] : parsed.problems.map(({ path }) => path.join("."))).toEqual([
      "kind",
      "spec.rules.0.effect",
    ]);
  });
});

describe("the JSON schema", () => {
  const schema = policyJsonSchema();

  test("refuses unknown keys too and names the required ones", () => {
    expect(schema).toMatchObject({
      $schema: "https://json-schema.org/draft/2020-12/schema",
      $id: "urn:drawbridge:schema:policy:v1",
      title: "Drawbridge policy",
      type: "object",
      additionalProperties: false,
      required: ["apiVersion", "kind", "metadata", "spec"],
    });
  });

  test("describes every member for editors", () => {
    const bare: string[] = [];
    const visit = (node: unknown, path: string): void => {
      if (typeof node !== "object" || node === null) return;
      for (const [key, value] of Object.entries((node as { properties?: object }).properties ?? {})) {
        if ((value as { description?: string }).description === undefined) bare.push(`${path}.${key}`);
      }
      for (const [key, value] of Object.entries(node))
        visit(value, key === "properties" ? path : `${path}.${key}`);
    };
    visit(schema, "");
    expect(bare).toEqual([]);
  });

  test("gives examples that a policy can have", () => {
    const [example] = schema["examples"] as unknown[];
    expect(parsePolicy(example)).toEqual({ ok: true, policy: example });
  });
});

describe("what is checked for many rules is checked in time", () => {
  const many = (when: (n: number) => string) =>
    withSpec({
      rules: Array.from({ length: 5_000 }, (_, n) => ({ name: `r${n}`, effect: "deny", when: when(n) })),
    });

  test.each<{ what: string; value: unknown }>([
    { what: "one pattern", value: many(() => 'args.a.matches("a{200}b{150}")') },
    { what: "one pattern that is too large", value: many(() => 'args.a.matches("((a{19}){50})")') },
    { what: "one time zone", value: many(() => 'now.getHours("Europe/Berlin") < 7') },
    { what: "time zones that nobody knows", value: many((n) => `now.getHours("Europe/B${n}") < 7`) },
    { what: "fields that are not there", value: many((n) => `sql.${"z".repeat(30)}${n} == 1`) },
  ])("$what", ({ value }) => {
    const before = process.threadCpuUsage();
    parsePolicy(value);
    const { user, system } = process.threadCpuUsage(before);
    expect((user + system) / 1_000).toBeLessThan(400);
  });
});

test("takes one limit, or several that count apart", () => {
  expect(parsePolicy(withRule({ limits: { concurrent: 4 } })).ok).toBe(true);
  const several = LIMIT_SCOPES.map((per) => ({ per, calls: "5/m", resultBytes: "1MiB/h", concurrent: 1 }));
  expect(parsePolicy(withRule({ limits: several })).ok).toBe(true);
});

test("takes a denial because of annotations, and a condition over prompts", () => {
  expect(parsePolicy(withRule({ effect: "deny", when: "tool.annotations.destructiveHint" })).ok).toBe(true);
  expect(parsePolicy(withRule({ methods: ["prompts/get"], when: 'args.a == "b"' })).ok).toBe(true);
});

describe("what a policy needs", () => {
  const parsed = (value: unknown) => {
    const result = parsePolicy(value);
    if (!result.ok) throw new Error(JSON.stringify(result.problems));
    return result.policy;
  };

  test("is nothing for plain rules, and nothing for the default masking profile", () => {
    expect(featuresRequired(parsed(withRule({ mask: { profile: "default" } })))).toEqual([]);
  });

  test("is listed with its place and its rule, in the order of the document", () => {
    expect(featuresRequired(parsed(wholeDocument))).toEqual([
      { feature: "condition", path: ["spec", "rules", 0, "when"], rule: "no-destruction" },
      { feature: "condition", path: ["spec", "rules", 1, "when"], rule: "ask-before-writing" },
      { feature: "approval", path: ["spec", "rules", 1, "effect"], rule: "ask-before-writing" },
      { feature: "condition", path: ["spec", "rules", 2, "when"], rule: "read" },
      { feature: "mask_profile", path: ["spec", "rules", 2, "mask"], rule: "read" },
      { feature: "limits", path: ["spec", "rules", 2, "limits"], rule: "read" },
    ]);
  });

  test("is a grant for just-in-time access", () => {
    const jit = withSpec({
      access: { mode: "jit", activation: "self", maxDuration: "4h", reason: "required" },
    });
    expect(featuresRequired(parsed(jit))).toEqual([{ feature: "jit", path: ["spec", "access", "mode"] }]);
  });

  test("is a grant for a condition that reads one", () => {
    const reads = parsed(
      withSpec({
        access: { mode: "jit", activation: "self", maxDuration: "4h" },
        rules: [{ name: "r", effect: "deny", when: 'grant.reason.contains("test")' }],
      }),
    );
    expect(featuresRequired(reads).map(({ feature, rule }) => [feature, rule])).toEqual([
      ["jit", undefined],
      ["condition", "r"],
      ["jit", "r"],
    ]);
    const names = parsed(withRule({ effect: "deny", when: 'args.grant == "grant.id"' }));
    expect(featuresRequired(names).map(({ feature }) => feature)).toEqual(["condition"]);
  });

  test("is a problem with advice where the system lacks it, and none where it has it", () => {
    const all = new Set<Feature>(["condition", "approval", "limits", "mask_profile"]);
    expect(unenforceable(parsed(wholeDocument), all)).toEqual([]);
    all.delete("limits");
    const problems = unenforceable(parsed(wholeDocument), all);
    expect(problems.map(({ path }) => path)).toEqual([["spec", "rules", 2, "limits"]]);
    expect(problems[0]?.message).toContain("remove `limits`");
  });
});
