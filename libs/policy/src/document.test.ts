import { describe, expect, test } from "vitest";

import { parsePolicy, policyJsonSchema } from "./document.js";
import { featuresRequired, unenforceable, type Feature } from "./features.js";
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
    { what: "no object", value: "kind: Policy", path: [], says: "expected object" },
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
    { what: "no rule", value: withSpec({ rules: [] }), path: ["spec", "rules"], says: ">=1" },
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

test("the JSON schema refuses unknown keys too and names the required ones", () => {
  expect(policyJsonSchema()).toMatchObject({
    type: "object",
    additionalProperties: false,
    required: ["apiVersion", "kind", "metadata", "spec"],
  });
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

  test("is a problem with advice where the system lacks it, and none where it has it", () => {
    const all = new Set<Feature>(["condition", "approval", "limits", "mask_profile"]);
    expect(unenforceable(parsed(wholeDocument), all)).toEqual([]);
    all.delete("limits");
    const problems = unenforceable(parsed(wholeDocument), all);
    expect(problems.map(({ path }) => path)).toEqual([["spec", "rules", 2, "limits"]]);
    expect(problems[0]?.message).toContain("remove `limits`");
  });
});
