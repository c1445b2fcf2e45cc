import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { compilePolicies, type PolicyVersion } from "./compile.js";
import type { PolicyDocument, PolicyRule } from "./document.js";
import { couldBeAllowed, evaluate, isTargetVisible } from "./evaluate.js";
import type { Feature } from "./features.js";
import { compileGlob } from "./glob.js";
import type { Context, Effect, Operation, Target } from "./operation.js";

interface PolicyParts {
  readonly name?: string;
  readonly targets?: PolicyDocument["spec"]["targets"];
  readonly subjects?: PolicyDocument["spec"]["subjects"];
  readonly access?: PolicyDocument["spec"]["access"];
  readonly rules: readonly PolicyRule[];
}

function policy({
  name = "p",
  targets = { names: ["shop"] },
  subjects = { groups: ["engineering"] },
  access,
  rules,
}: PolicyParts): PolicyVersion {
  const spec = { targets, subjects, rules: [...rules], ...(access && { access }) };
  return {
    name,
    version: 3,
    document: { apiVersion: "drawbridge/v1", kind: "Policy", metadata: { name }, spec },
  };
}

const shop: Target = { name: "shop", labels: { env: "production" } };
const alice: Context = {
  principal: { id: "alice", groups: ["engineering"], email: "alice@example.com", emailVerified: true },
  client: { id: "claude-code" },
};
const call = (name: string, target = shop): Operation => ({ target, method: "tools/call", name });
const approval = { from: [{ group: "dba", count: 1 }], expiresIn: "15m" };
const APPROVALS: ReadonlySet<Feature> = new Set(["approval"]);

const effectOf = (policies: readonly PolicyVersion[], operation: Operation, context = alice): Effect =>
  evaluate(compilePolicies(policies, APPROVALS), operation, context).effect;

describe("evaluate", () => {
  test("denies when there is no policy at all, and says that the target is the reason", () => {
    expect(evaluate(compilePolicies([]), call("read"), alice)).toEqual({
      effect: "deny",
      reason: 'no policy gives this principal access to target "shop"',
    });
  });

  test("denies what no rule mentions, and says so", () => {
    const policies = compilePolicies([policy({ rules: [{ name: "r", tools: ["read"], effect: "allow" }] })]);
    expect(evaluate(policies, call("write"), alice)).toEqual({
      effect: "deny",
      reason: 'no rule allows tools/call of "write" on target "shop"',
    });
  });

  test("allows a method of a server's own where a rule names it, and nowhere else", () => {
    const policies = [
      policy({
        rules: [
          { name: "own", methods: ["acme/reindex"], effect: "allow" },
          { name: "tools", tools: ["*"], effect: "allow" },
        ],
      }),
    ];
    const own = (method: string): Operation => ({ target: shop, method });
    expect(effectOf(policies, own("acme/reindex"))).toBe("allow");
    expect(effectOf(policies, own("acme/reindex2"))).toBe("deny");
    expect(effectOf(policies, own("Acme/reindex"))).toBe("deny");
    expect(effectOf(policies, { target: { ...shop, name: "other" }, method: "acme/reindex" })).toBe("deny");
    const denied = policy({ name: "q", rules: [{ name: "no", methods: ["acme/reindex"], effect: "deny" }] });
    expect(effectOf([...policies, denied], own("acme/reindex"))).toBe("deny");
  });

  test.each(["initialize", "tools/list", "Tools/Call", "no method", "notifications/cancelled"])(
    "denies %s, which no rule can name",
    (method) => {
      // Past the check of documents, as a row of the database could come.
      const rules: PolicyRule[] = [{ name: "r", methods: [method], effect: "allow" }];
      expect(effectOf([policy({ rules })], { target: shop, method })).toBe("deny");
    },
  );

  test("names the policy, its version and the rule that decided, with the rule's message", () => {
    const rules: PolicyRule[] = [
      { name: "no-writing", tools: ["write*"], effect: "deny", message: "Ask the owner." },
    ];
    expect(evaluate(compilePolicies([policy({ rules })]), call("write_file"), alice)).toEqual({
      effect: "deny",
      policy: "p",
      version: 3,
      rule: "no-writing",
      reason: 'rule "no-writing" of policy "p" denies tools/call of "write_file" on target "shop"',
      message: "Ask the owner.",
    });
  });

  test.each<{ effects: Effect[]; wins: Effect }>([
    { effects: ["allow"], wins: "allow" },
    { effects: ["allow", "deny"], wins: "deny" },
    { effects: ["deny", "allow"], wins: "deny" },
    { effects: ["allow", "require_approval"], wins: "require_approval" },
    { effects: ["require_approval", "deny", "allow"], wins: "deny" },
  ])("of $effects the strictest wins: $wins", ({ effects, wins }) => {
    const rules = effects.map((effect, index): PolicyRule => ({
      name: `r${index}`,
      effect,
      ...(effect === "require_approval" && { approval }),
    }));
    expect(effectOf([policy({ rules })], call("x"))).toBe(wins);
    expect(
      effectOf(
        rules.map((rule, index) => policy({ name: `p${index}`, rules: [rule] })),
        call("x"),
      ),
    ).toBe(wins);
  });

  test("among equal effects names the first policy by name, then the first rule by place", () => {
    const rules: PolicyRule[] = [
      { name: "z", effect: "deny" },
      { name: "a", effect: "deny" },
    ];
    const compiled = compilePolicies([policy({ name: "second", rules }), policy({ name: "first", rules })]);
    expect(evaluate(compiled, call("x"), alice)).toMatchObject({ policy: "first", rule: "z" });
  });

  test.each<{ says: string; rule: Partial<PolicyRule>; operation: Operation; effect: Effect }>([
    { says: "a rule without methods speaks of tool calls", rule: {}, operation: call("x"), effect: "allow" },
    {
      says: "a rule without methods is silent on resources",
      rule: {},
      operation: { target: shop, method: "resources/read", name: "file:///a" },
      effect: "deny",
    },
    {
      says: "a rule without tools speaks of every tool",
      rule: {},
      operation: call("anything"),
      effect: "allow",
    },
    {
      says: "tools are globs",
      rule: { tools: ["get_*", "list"] },
      operation: call("get_user"),
      effect: "allow",
    },
    {
      says: "tools are compared with case",
      rule: { tools: ["get_*"] },
      operation: call("GET_user"),
      effect: "deny",
    },
    {
      says: "resources are globs over URIs",
      rule: { methods: ["resources/read"], resources: ["file:///srv/*"] },
      operation: { target: shop, method: "resources/read", name: "file:///srv/a/b" },
      effect: "allow",
    },
    {
      says: "another URI is not",
      rule: { methods: ["resources/read"], resources: ["file:///srv/*"] },
      operation: { target: shop, method: "resources/read", name: "file:///etc/passwd" },
      effect: "deny",
    },
    {
      says: "prompts are globs",
      rule: { methods: ["prompts/get"], prompts: ["review-?"] },
      operation: { target: shop, method: "prompts/get", name: "review-1" },
      effect: "allow",
    },
    {
      says: "what the target asks of the client is denied unless a rule allows",
      rule: {},
      operation: { target: shop, method: "sampling/createMessage" },
      effect: "deny",
    },
    {
      says: "and allowed when one does",
      rule: { methods: ["sampling/createMessage"] },
      operation: { target: shop, method: "sampling/createMessage" },
      effect: "allow",
    },
    {
      says: "a method nobody knows is denied",
      rule: {},
      operation: { target: shop, method: "tools/destroy", name: "x" },
      effect: "deny",
    },
    {
      says: "a method named like a property of every object is denied",
      rule: {},
      operation: { target: shop, method: "constructor", name: "x" },
      effect: "deny",
    },
    {
      says: "a tool call that names no tool is denied",
      rule: {},
      operation: { target: shop, method: "tools/call" },
      effect: "deny",
    },
  ])("$says", ({ rule, operation, effect }) => {
    expect(effectOf([policy({ rules: [{ name: "r", effect: "allow", ...rule }] })], operation)).toBe(effect);
  });

  const workload = { id: "spiffe://example.com/ci" };
  test.each<{
    says: string;
    subjects: PolicyDocument["spec"]["subjects"];
    context?: Context;
    effect: Effect;
  }>([
    { says: "a group", subjects: { groups: ["engineering"] }, effect: "allow" },
    { says: "one of several groups", subjects: { groups: ["dba", "engineering"] }, effect: "allow" },
    { says: "a user by identifier", subjects: { users: ["alice"] }, effect: "allow" },
    {
      says: "a user by verified e-mail, without case",
      subjects: { users: ["Alice@Example.com"] },
      effect: "allow",
    },
    {
      says: "not by an e-mail that only looks so in lower case",
      subjects: { users: ["mark@example.com"] },
      context: {
        ...alice,
        principal: { ...alice.principal, email: "mar\u212A@example.com", emailVerified: true },
      },
      effect: "deny",
    },
    {
      says: "not by an e-mail nobody verified",
      subjects: { users: ["alice@example.com"] },
      context: { ...alice, principal: { ...alice.principal, emailVerified: false } },
      effect: "deny",
    },
    { says: "a client", subjects: { clients: ["claude-code"] }, effect: "allow" },
    {
      says: "a workload",
      subjects: { workloads: [workload.id] },
      context: { ...alice, workload },
      effect: "allow",
    },
    { says: "any kind is enough", subjects: { groups: ["dba"], clients: ["claude-code"] }, effect: "allow" },
    { says: "nobody when there is no subject", subjects: {}, effect: "deny" },
    { says: "nobody when every list is empty", subjects: { groups: [], users: [] }, effect: "deny" },
    { says: "not a user whose name is a group's", subjects: { users: ["engineering"] }, effect: "deny" },
    { says: "not a group whose name is a user's", subjects: { groups: ["alice"] }, effect: "deny" },
    { says: "no globs: * is a group like any other", subjects: { groups: ["*"] }, effect: "deny" },
  ])("selects subjects: $says", ({ subjects, context, effect }) => {
    expect(
      effectOf([policy({ subjects, rules: [{ name: "r", effect: "allow" }] })], call("x"), context),
    ).toBe(effect);
  });

  test.each<{ says: string; targets: PolicyDocument["spec"]["targets"]; effect: Effect }>([
    { says: "by name", targets: { names: ["shop"] }, effect: "allow" },
    { says: "by glob", targets: { names: ["sh*"] }, effect: "allow" },
    { says: "by label", targets: { labels: { env: "production" } }, effect: "allow" },
    { says: "by name and label", targets: { names: ["*"], labels: { env: "production" } }, effect: "allow" },
    {
      says: "not when the name differs",
      targets: { names: ["files"], labels: { env: "production" } },
      effect: "deny",
    },
    {
      says: "not when a label differs",
      targets: { names: ["shop"], labels: { env: "staging" } },
      effect: "deny",
    },
    {
      says: "not when one of two labels is missing",
      targets: { labels: { env: "production", tier: "1" } },
      effect: "deny",
    },
    {
      says: "not by a label every object has",
      targets: { labels: { constructor: "Object" } },
      effect: "deny",
    },
  ])("selects targets: $says", ({ targets, effect }) => {
    expect(effectOf([policy({ targets, rules: [{ name: "r", effect: "allow" }] })], call("x"))).toBe(effect);
  });

  test("quotes names from outside short and on one line", () => {
    const { reason } = evaluate(
      compilePolicies([]),
      call("x", { name: `a\n${"b".repeat(5000)}`, labels: {} }),
      alice,
    );
    expect(reason.length).toBeLessThan(250);
    expect(reason).not.toContain("\n");
  });
});

describe("a rule that needs what the system lacks", () => {
  test.each<{ what: string; parts: PolicyParts }>([
    { what: "a condition", parts: { rules: [{ name: "r", effect: "allow", when: "true" }] } },
    { what: "limits", parts: { rules: [{ name: "r", effect: "allow", limits: { concurrent: 1 } }] } },
    {
      what: "a masking profile",
      parts: { rules: [{ name: "r", effect: "allow", mask: { profile: "other" } }] },
    },
    { what: "approval", parts: { rules: [{ name: "r", effect: "require_approval", approval }] } },
    {
      what: "a grant",
      parts: {
        access: { mode: "jit", activation: "self", maxDuration: "1h" },
        rules: [{ name: "r", effect: "allow" }],
      },
    },
  ])("denies, although another policy allows: $what", ({ parts }) => {
    const compiled = compilePolicies([
      policy(parts),
      policy({ name: "q", rules: [{ name: "all", effect: "allow" }] }),
    ]);
    const { effect, rule, reason } = evaluate(compiled, call("x"), alice);
    expect({ effect, rule }).toEqual({ effect: "deny", rule: "r" });
    expect(reason).toContain("does not enforce yet");
  });

  test("denies even when a caller claims a feature that evaluate cannot judge", () => {
    const everything = new Set<Feature>(["condition", "approval", "jit", "limits", "mask_profile"]);
    const rules: PolicyRule[] = [{ name: "r", effect: "allow", mask: { profile: "other" } }];
    const compiled = compilePolicies([policy({ rules })], everything);
    expect(evaluate(compiled, call("search_objects"), alice).effect).toBe("deny");
    expect(isTargetVisible(compiled, shop, alice)).toBe(false);
  });
});

describe("what is listed", () => {
  const rules: PolicyRule[] = [
    { name: "some", tools: ["a", "b"], effect: "allow" },
    { name: "not-b", tools: ["b"], effect: "deny" },
  ];
  const compiled = compilePolicies([policy({ rules })]);

  test("is what could be called", () => {
    expect(["a", "b", "c"].filter((name) => couldBeAllowed(compiled, call(name), alice))).toEqual(["a"]);
  });

  test("a target is visible to those for whom some rule does more than deny", () => {
    const stranger: Context = { ...alice, principal: { id: "eve", groups: [] } };
    expect(isTargetVisible(compiled, shop, alice)).toBe(true);
    expect(isTargetVisible(compiled, shop, stranger)).toBe(false);
    expect(isTargetVisible(compiled, { ...shop, name: "files" }, alice)).toBe(false);
    const denies = compilePolicies([policy({ rules: [{ name: "r", effect: "deny" }] })]);
    expect(isTargetVisible(denies, shop, alice)).toBe(false);
  });
});

test("a policy given twice is refused when policies are compiled", () => {
  const one = policy({ rules: [{ name: "r", effect: "allow" }] });
  expect(() => compilePolicies([one, { ...one, version: 4 }])).toThrow('policy "p" is given twice');
});

describe("for all policies", () => {
  const word = fc.constantFrom("a", "ab", "abc", "b");
  const glob = fc.constantFrom("a", "ab", "*", "a*", "*b", "?b", "a?c", "b*");
  const rule = fc
    .record({
      methods: fc.constantFrom<PolicyRule["methods"]>(
        undefined,
        ["tools/call"],
        ["prompts/get"],
        ["tools/call", "prompts/get"],
        ["roots/list"],
      ),
      names: fc.option(fc.array(glob, { minLength: 1, maxLength: 3 })),
      effect: fc.constantFrom<Effect>("allow", "deny", "require_approval"),
    })
    .map(({ methods, names, effect }): Omit<PolicyRule, "name"> => ({
      ...(methods && { methods }),
      ...(names && { tools: names, prompts: names }),
      effect,
    }));
  const document = fc
    .record({
      names: fc.option(fc.array(glob, { minLength: 1, maxLength: 2 })),
      label: fc.option(word),
      groups: fc.array(word, { maxLength: 2 }),
      users: fc.array(word, { maxLength: 2 }),
      rules: fc.array(rule, { minLength: 1, maxLength: 5 }),
    })
    .map(({ names, label, groups, users, rules }): PolicyParts => ({
      targets: { ...(names && { names }), ...((label ?? !names) && { labels: { l: label ?? "a" } }) },
      subjects: { groups, users },
      rules: rules.map((each, index) => ({ name: `r${index}`, ...each })),
    }));
  const policies = fc
    .array(document, { maxLength: 6 })
    .map((parts) => parts.map((each, index) => policy({ ...each, name: `p${index}` })));
  const operation = fc.record({
    target: fc.record({
      name: word,
      labels: fc.constantFrom<Record<string, string>>({}, { l: "a" }, { l: "ab", m: "b" }),
    }),
    method: fc.constantFrom("tools/call", "prompts/get", "roots/list", "tools/list", "nonsense"),
    name: fc.option(word, { nil: undefined }),
  });
  const context = fc.record({
    principal: fc.record({ id: word, groups: fc.array(word, { maxLength: 3 }) }),
    client: fc.record({ id: word }),
  });

  interface Outcome {
    readonly effect: Effect;
    readonly policy?: string;
    readonly rule?: string;
  }

  /** The semantics without any index: every rule of every policy, in order. */
  function naive(versions: readonly PolicyVersion[], operation: Operation, context: Context): Outcome {
    const known = ["tools/call", "prompts/get", "roots/list"].includes(operation.method);
    if (!known || (operation.method !== "roots/list" && operation.name === undefined))
      return { effect: "deny" };
    const matching = [...versions]
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .filter(({ document: { spec } }) => naiveSelects(spec, operation.target, context))
      .flatMap(({ name, document: { spec } }) =>
        spec.rules
          .filter((candidate) => naiveMatches(candidate, operation))
          .map(({ effect, name: ruleName }): Outcome => ({ effect, policy: name, rule: ruleName })),
      );
    const strictest = (["deny", "require_approval", "allow"] as const).flatMap((effect) =>
      matching.filter((candidate) => candidate.effect === effect),
    );
    return strictest[0] ?? { effect: "deny" };
  }

  function naiveSelects(
    { targets, subjects }: PolicyDocument["spec"],
    target: Target,
    { principal }: Context,
  ): boolean {
    const isNamed = targets.names?.some((pattern) => compileGlob(pattern).matches(target.name)) ?? true;
    const isLabelled = Object.entries(targets.labels ?? {}).every(
      ([key, value]) => target.labels[key] === value,
    );
    const isInGroup = principal.groups.some((group) => subjects.groups?.includes(group));
    return isNamed && isLabelled && (isInGroup || subjects.users?.includes(principal.id) === true);
  }

  function naiveMatches(rule: PolicyRule, { method, name }: Operation): boolean {
    if (!(rule.methods ?? ["tools/call"]).some((each) => each === method)) return false;
    const list = method === "tools/call" ? rule.tools : method === "prompts/get" ? rule.prompts : undefined;
    return list?.some((pattern) => compileGlob(pattern).matches(name ?? "")) ?? true;
  }

  const decide = (versions: readonly PolicyVersion[], op: Operation, who: Context) => {
    const { effect, policy: by, rule: decidedBy } = evaluate(compilePolicies(versions, APPROVALS), op, who);
    return { effect, ...(by !== undefined && { policy: by, rule: decidedBy }) };
  };

  test("the indexes change nothing: the decision is that of the naive reading", () => {
    fc.assert(
      fc.property(policies, operation, context, (versions, op, who) => {
        expect(decide(versions, op, who)).toEqual(naive(versions, op, who));
      }),
      { numRuns: 2000 },
    );
  });

  test("the order in which policies are given does not matter", () => {
    fc.assert(
      fc.property(policies, operation, context, (versions, op, who) => {
        expect(decide([...versions].reverse(), op, who)).toEqual(decide(versions, op, who));
      }),
    );
  });

  test("the order of the rules of a policy does not change the effect", () => {
    fc.assert(
      fc.property(document, operation, context, (parts, op, who) => {
        const turned = { ...parts, rules: [...parts.rules].reverse() };
        expect(decide([policy(turned)], op, who).effect).toBe(decide([policy(parts)], op, who).effect);
      }),
    );
  });

  test("one more deny never allows more", () => {
    const looseness = { deny: 0, require_approval: 1, allow: 2 };
    fc.assert(
      fc.property(policies, document, operation, context, (versions, extra, op, who) => {
        const denies = policy({
          ...extra,
          name: "extra",
          rules: extra.rules.map((each) => ({ ...each, effect: "deny" as const })),
        });
        const before = decide(versions, op, who).effect;
        expect(looseness[decide([...versions, denies], op, who).effect]).toBeLessThanOrEqual(
          looseness[before],
        );
      }),
    );
  });

  test("what is allowed is on a visible target, and listed", () => {
    fc.assert(
      fc.property(policies, operation, context, (versions, op, who) => {
        const compiled = compilePolicies(versions, APPROVALS);
        const isAllowed = evaluate(compiled, op, who).effect !== "deny";
        expect(couldBeAllowed(compiled, op, who)).toBe(isAllowed);
        expect(isAllowed && !isTargetVisible(compiled, op.target, who)).toBe(false);
      }),
    );
  });
});
