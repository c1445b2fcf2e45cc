import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { compilePolicies, type PolicyVersion } from "./compile.js";
import type { JitAccess } from "./document.js";
import {
  couldBeAllowed,
  couldBeAllowedNow,
  evaluate,
  hasAccess,
  isTargetVisible,
  jitPolicies,
} from "./evaluate.js";
import { explainOperation } from "./explain.js";
import { alice, approval, callOf, ENFORCED, grantOf, jit, NOW, policyOf } from "./fixtures/policies.js";
import type { Context, Grant, Operation } from "./operation.js";

const holding = (...grants: Grant[]): Context => ({ ...alice, now: NOW, grants });
const underJit = (rules: readonly unknown[], name = "p", access: JitAccess = jit) =>
  policyOf(rules, { name, spec: { access } });
const allow = { name: "a", effect: "allow" };
const compile = (...versions: PolicyVersion[]) => compilePolicies(versions, ENFORCED);
const call = callOf("t", { n: 1 });

describe("the rules of a policy with just-in-time access", () => {
  const compiled = compile(underJit([allow]));

  test("match under a grant of it, which the decision names", () => {
    const grant = grantOf("p");
    expect(evaluate(compiled, call, holding(grant))).toMatchObject({ effect: "allow", rule: "a", grant });
  });

  test.each<{ what: string; context: Context }>([
    { what: "no grant", context: { ...alice, now: NOW } },
    { what: "an empty list", context: holding() },
    { what: "a grant of another policy", context: holding(grantOf("q")) },
    {
      what: "one that has not begun",
      context: holding(grantOf("p", { startsAt: new Date(NOW.getTime() + 1) })),
    },
    { what: "one that ends at this moment", context: holding(grantOf("p", { endsAt: NOW })) },
    { what: "one of no known end", context: holding(grantOf("p", { endsAt: new Date(Number.NaN) })) },
    { what: "one of no known beginning", context: holding(grantOf("p", { startsAt: new Date(Number.NaN) })) },
    { what: "no known time", context: { ...holding(grantOf("p")), now: new Date(Number.NaN) } },
    { what: "one of other tools", context: holding(grantOf("p", { tools: ["other", "T*", "tt*"] })) },
    { what: "one of no tools", context: holding(grantOf("p", { tools: [] })) },
  ])("do not match with $what", ({ context }) => {
    expect(evaluate(compiled, call, context)).toEqual({
      effect: "deny",
      reason: 'no rule allows tools/call of "t" on target "shop" without a grant of policy "p"',
      requestable: ["p"],
    });
    // The same again, from memory.
    expect(evaluate(compiled, call, context).effect).toBe("deny");
  });

  test("match from the very moment on that a grant begins", () => {
    expect(evaluate(compiled, call, holding(grantOf("p", { startsAt: NOW }))).effect).toBe("allow");
  });

  test("match by grants as of when those are looked at, where that is another moment", () => {
    const grant = grantOf("p", { startsAt: new Date(NOW.getTime() + 10) });
    const later = { ...holding(grant), grantsAt: new Date(NOW.getTime() + 11) };
    expect(evaluate(compiled, call, holding(grant)).effect).toBe("deny");
    expect(evaluate(compiled, call, later).effect).toBe("allow");
    expect(evaluate(compiled, call, { ...later, grantsAt: grant.endsAt }).effect).toBe("deny");
  });

  test("of a grant of some tools match calls of these tools and nothing else", () => {
    const everything = compile(underJit([{ ...allow, methods: ["tools/call", "prompts/get", "tasks/get"] }]));
    const grant = grantOf("p", { tools: ["get_*", "t"] });
    const effect = (operation: Operation) => evaluate(everything, operation, holding(grant)).effect;
    expect(effect(callOf("get_a", {}))).toBe("allow");
    expect(effect(callOf("t", {}))).toBe("allow");
    expect(effect(callOf("tt", {}))).toBe("deny");
    expect(effect({ ...callOf("t", {}), method: "prompts/get" })).toBe("deny");
    expect(effect({ target: call.target, method: "tasks/get" })).toBe("deny");
    const whole = holding(grantOf("p"));
    expect(evaluate(everything, { target: call.target, method: "tasks/get" }, whole).effect).toBe("allow");
  });

  test("that deny need no grant", () => {
    const denying = compile(
      underJit([{ name: "no", effect: "deny", when: "args.n == 1" }]),
      policyOf([allow], { name: "q" }),
    );
    expect(evaluate(denying, call, holding())).toMatchObject({ effect: "deny", policy: "p", rule: "no" });
    expect(evaluate(denying, callOf("t", { n: 2 }), holding()).effect).toBe("allow");
  });

  test("whose conditions fail deny nothing without a grant", () => {
    const failing = compile(
      underJit([{ ...allow, when: "args.missing == 1" }]),
      policyOf([allow], { name: "q" }),
    );
    expect(evaluate(failing, call, holding()).effect).toBe("allow");
    expect(evaluate(failing, call, holding(grantOf("p"))).effect).toBe("deny");
  });

  test("ask for approval under a grant as others do", () => {
    const asking = compile(underJit([{ name: "ask", effect: "require_approval", approval }]));
    expect(evaluate(asking, call, holding(grantOf("p")))).toMatchObject({
      effect: "require_approval",
      review: approval,
      grant: { policy: "p" },
    });
    expect(evaluate(asking, call, holding())).toMatchObject({ effect: "deny", requestable: ["p"] });
    expect(evaluate(asking, call, holding()).review).toBeUndefined();
  });

  test("change nothing about standing access, which no grant is named for", () => {
    const both = compile(underJit([allow], "z"), policyOf([allow], { name: "b" }));
    const decision = evaluate(both, call, holding(grantOf("z"), grantOf("b")));
    expect(decision).toMatchObject({ effect: "allow", policy: "b" });
    expect(decision.grant).toBeUndefined();
  });

  test("name of several grants the ordinary one, and of these the one that ends last", () => {
    const longest = grantOf("p", { id: "b", endsAt: new Date(NOW.getTime() + 90_000) });
    const grants = [
      grantOf("p", { id: "0", breakGlass: true, endsAt: new Date(NOW.getTime() + 1e9) }),
      grantOf("p", { id: "a" }),
      longest,
      { ...longest, id: "c" },
    ];
    for (const order of [grants, [...grants].reverse()]) {
      expect(evaluate(compiled, call, holding(...order)).grant).toEqual(longest);
    }
  });
});

describe("the review of a decision", () => {
  test("is that of the rule that decides, and of none that allows or denies", () => {
    const second = { from: [{ group: "leads", count: 2 }], expiresIn: "1h" };
    const compiled = compile(
      policyOf([
        { name: "first", tools: ["t"], effect: "require_approval", approval },
        { name: "second", effect: "require_approval", approval: second, when: "args.n > 0" },
        { name: "none", tools: ["u"], effect: "deny", when: "args.n > 1" },
      ]),
    );
    expect(evaluate(compiled, call, alice)).toMatchObject({ rule: "first", review: approval });
    expect(evaluate(compiled, callOf("u", { n: 1 }), alice)).toMatchObject({
      rule: "second",
      review: second,
    });
    const denied = evaluate(compiled, callOf("u", { n: 2 }), alice);
    expect(denied).toMatchObject({ effect: "deny", rule: "none" });
    expect(denied.review).toBeUndefined();
  });
});

describe("what could be asked for", () => {
  test("is every policy that would do by itself, in order of their names", () => {
    const compiled = compile(
      underJit([allow], "c"),
      underJit([allow], "a"),
      underJit([{ ...allow, when: "args.n == 2" }], "b"),
      underJit([{ ...allow, tools: ["u"] }], "d"),
      policyOf([allow], { name: "e", spec: { subjects: { groups: ["others"] }, access: jit } }),
    );
    expect(evaluate(compiled, call, holding()).requestable).toEqual(["a", "c"]);
    expect(evaluate(compiled, callOf("t", { n: 2 }), holding()).requestable).toEqual(["a", "b", "c"]);
  });

  test("is nothing where a rule denies all the same", () => {
    const compiled = compile(underJit([allow]), policyOf([{ name: "no", effect: "deny" }], { name: "q" }));
    expect(evaluate(compiled, call, holding()).requestable).toBeUndefined();
    expect(couldBeAllowed(compiled, call, holding())).toBe(false);
  });

  test("is what a condition over the grant leaves open", () => {
    const rules = [
      { ...allow, when: 'grant.reason.startsWith("INC-")' },
      { name: "no", effect: "deny", when: "grant.breakGlass" },
    ];
    expect(evaluate(compile(underJit(rules)), call, holding()).requestable).toEqual(["p"]);
    const other = underJit([{ ...allow, when: "args.missing || has(grant.id)" }], "p");
    expect(evaluate(compile(other), call, holding()).requestable).toEqual(["p"]);
    expect(
      evaluate(compile(underJit([{ ...allow, when: "args.n > 1 && has(grant.id)" }])), call, holding())
        .requestable,
    ).toBeUndefined();
  });

  test("is found within the bounds of one decision, however many policies there are", () => {
    const numbers = Array.from({ length: 100_000 }, (_, n) => n);
    const many = Array.from({ length: 300 }, (_, n) =>
      underJit([{ ...allow, when: `args.numbers.exists(x, x + ${n} < 0)` }], `p${n}`),
    );
    const compiled = compile(...many);
    const before = process.threadCpuUsage();
    expect(evaluate(compiled, callOf("t", { numbers }), holding()).requestable).toBeUndefined();
    const { user, system } = process.threadCpuUsage(before);
    expect((user + system) / 1_000).toBeLessThan(200);
  });

  test("asks for nothing of the operation twice", () => {
    const asked: string[] = [];
    const compiled = compile(
      underJit([{ ...allow, when: "args.n == 2" }], "a"),
      underJit([{ ...allow, when: "args.n == 1 && sql.readOnly" }], "b"),
      policyOf([{ ...allow, when: "args.n == 3" }], { name: "c" }),
    );
    const operation: Operation = {
      ...call,
      arguments: () => {
        asked.push("arguments");
        return { n: 1 };
      },
      sql: () => {
        asked.push("sql");
        return undefined;
      },
    };
    expect(evaluate(compiled, operation, holding()).effect).toBe("deny");
    expect(asked).toEqual(["arguments", "sql"]);
  });
});

describe("the variable grant", () => {
  const decide = (when: string, grant: Partial<Grant> | undefined, effect = "allow") =>
    evaluate(
      compile(underJit([{ name: "r", effect, when }]), policyOf([{ ...allow, tools: ["x"] }], { name: "q" })),
      call,
      grant ? holding(grantOf("p", grant)) : holding(),
    );

  test.each<{ when: string; grant: Partial<Grant>; effect: string }>([
    { when: 'grant.id == "grant-of-p"', grant: {}, effect: "allow" },
    { when: 'grant.reason.contains("INC-")', grant: { reason: "see INC-7" }, effect: "allow" },
    { when: 'grant.ticket == "INC-7"', grant: { ticket: "INC-7" }, effect: "allow" },
    { when: "has(grant.reason)", grant: {}, effect: "deny" },
    { when: 'grant.reason == "x"', grant: {}, effect: "deny" },
    { when: "!grant.breakGlass", grant: {}, effect: "allow" },
    { when: "grant.breakGlass", grant: { breakGlass: true }, effect: "allow" },
    { when: 'grant.expiresAt - now <= duration("60s")', grant: {}, effect: "allow" },
    { when: 'grant.expiresAt - now < duration("60s")', grant: {}, effect: "deny" },
  ])("$when with $grant: $effect", ({ when, grant, effect }) => {
    expect(decide(when, grant).effect).toBe(effect);
  });

  test("fails for a rule that denies where there is no grant, unless it asks for one first", () => {
    const { rule, reason } = decide("grant.breakGlass", undefined, "deny");
    expect(rule).toBe("r");
    expect(reason).toContain("grant is not known");
    expect(decide("has(grant.id) && grant.breakGlass", undefined, "deny").rule).toBeUndefined();
  });

  test("is that of the rule's own policy", () => {
    const compiled = compile(
      underJit([{ ...allow, when: 'grant.id == "grant-of-b"' }], "a"),
      underJit([{ ...allow, when: 'grant.id == "grant-of-b"' }], "b"),
    );
    expect(evaluate(compiled, call, holding(grantOf("a"), grantOf("b")))).toMatchObject({ policy: "b" });
    expect(evaluate(compiled, call, holding(grantOf("a"))).effect).toBe("deny");
  });
});

describe("lists", () => {
  const compiled = compile(
    underJit([{ ...allow, tools: ["t"], when: "grant.breakGlass" }]),
    policyOf([{ ...allow, tools: ["u"] }], { name: "q", spec: { subjects: { groups: ["others"] } } }),
  );
  const target = call.target;

  test("show what could be asked for, and nothing to anybody else", () => {
    expect(couldBeAllowed(compiled, call, holding())).toBe(true);
    expect(couldBeAllowedNow(compiled, call, holding())).toBe(false);
    expect(couldBeAllowedNow(compiled, call, holding(grantOf("p")))).toBe(true);
    expect(couldBeAllowed(compiled, callOf("u", {}), holding())).toBe(false);
    expect(isTargetVisible(compiled, target, holding())).toBe(true);
    const stranger: Context = { principal: { id: "mallory", groups: [] }, client: alice.client };
    expect(couldBeAllowed(compiled, call, { ...stranger, grants: [grantOf("p")] })).toBe(false);
    expect(isTargetVisible(compiled, target, stranger)).toBe(false);
  });

  test("are no answer to a call: what is remembered for them is not taken for one", () => {
    const shared = compile(underJit([allow]));
    expect(couldBeAllowed(shared, call, holding())).toBe(true);
    expect(evaluate(shared, call, holding()).effect).toBe("deny");
    expect(evaluate(shared, call, holding(grantOf("p"))).effect).toBe("allow");
    expect(evaluate(shared, call, holding()).effect).toBe("deny");
    expect(couldBeAllowedNow(shared, call, holding())).toBe(false);
  });
});

describe("access to a target", () => {
  const target = call.target;

  test("is there while it is standing or granted, for whatever tools", () => {
    const compiled = compile(underJit([allow]));
    expect(hasAccess(compiled, target, holding())).toBe(false);
    expect(hasAccess(compiled, target, holding(grantOf("p", { tools: ["x"] })))).toBe(true);
    expect(hasAccess(compiled, target, holding(grantOf("p", { endsAt: NOW })))).toBe(false);
    expect(hasAccess(compiled, target, holding(grantOf("q")))).toBe(false);
    expect(hasAccess(compile(policyOf([allow])), target, holding())).toBe(true);
    const denying = compile(underJit([{ name: "no", effect: "deny" }]));
    expect(hasAccess(denying, target, holding(grantOf("p")))).toBe(false);
  });

  test("can be asked for by the policies that are for both", () => {
    const access: JitAccess = { ...jit, maxDuration: "1h", whenCalled: "request" };
    const compiled = compile(
      underJit([allow], "b", access),
      underJit([allow], "a"),
      underJit([{ name: "no", effect: "deny" }], "denies"),
      policyOf([allow], { name: "standing" }),
      policyOf([allow], { name: "theirs", spec: { access, subjects: { groups: ["others"] } } }),
    );
    expect(jitPolicies(compiled, target, alice)).toEqual([
      { name: "a", version: 3, access: jit },
      { name: "b", version: 3, access },
    ]);
    expect(jitPolicies(compiled, { ...target, name: "files" }, alice)).toEqual([]);
    const without = compilePolicies([underJit([allow])], new Set(["condition"]));
    expect(jitPolicies(without, target, alice)).toEqual([]);
    expect(evaluate(without, call, holding(grantOf("p"))).effect).toBe("deny");
  });
});

describe("an explanation", () => {
  test("says which rules would need a grant, and what would become of them then", () => {
    const rules = [
      allow,
      { name: "b", effect: "allow", when: "args.n == 2" },
      { name: "c", effect: "require_approval", approval, when: "grant.breakGlass" },
      { name: "d", effect: "deny", when: "args.n == 2" },
    ];
    const { decision, rules: voices } = explainOperation(compile(underJit(rules)), call, holding());
    expect(decision).toMatchObject({ effect: "deny", requestable: ["p"] });
    expect(voices.map(({ rule, matched, says }) => [rule, matched, says])).toEqual([
      [
        "a",
        false,
        'would need a grant of policy "p"; then rule "a" of policy "p" allows tools/call of "t" on target "shop"',
      ],
      ["b", false, 'would need a grant of policy "p"; then its condition does not hold'],
      ["c", false, 'would need a grant of policy "p"; then its condition depends on that grant'],
      ["d", false, "its condition does not hold"],
    ]);
    const granted = explainOperation(
      compile(underJit(rules)),
      call,
      holding(grantOf("p", { breakGlass: true })),
    );
    expect(granted.decision).toMatchObject({ effect: "require_approval", rule: "c", review: approval });
    expect(granted.rules.map(({ matched }) => matched)).toEqual([true, false, true, false]);
  });

  test("is found in bounded time where every rule would need a grant", () => {
    const numbers = Array.from({ length: 100_000 }, (_, n) => n);
    const rules = Array.from({ length: 300 }, (_, n) => ({
      name: `r${n}`,
      effect: "allow",
      when: `args.numbers.exists(x, x + ${n} < 0)`,
    }));
    const before = process.threadCpuUsage();
    const { rules: voices } = explainOperation(compile(underJit(rules)), callOf("t", { numbers }), holding());
    const { user, system } = process.threadCpuUsage(before);
    expect((user + system) / 1_000).toBeLessThan(500);
    expect(voices.at(-1)?.says).toContain("was not looked at");
  });
});

describe("for all policies, grants and calls", () => {
  const POLICIES = ["p0", "p1"];
  const TOOLS = ["t", "table", "other"];
  const rule = fc.record({
    effect: fc.constantFrom("allow", "allow", "allow", "deny", "require_approval"),
    tools: fc.constantFrom(["t"], ["t*"], ["*"], ["other"]),
    when: fc.constantFrom(
      undefined,
      undefined,
      undefined,
      "args.n == 1",
      "has(grant.id) && grant.breakGlass",
      "has(args.missing) || grant.breakGlass",
      "args.missing",
    ),
  });
  const rules = fc.array(rule, { minLength: 1, maxLength: 3 });
  const documents = (isJit: fc.Arbitrary<boolean>) =>
    fc.array(fc.tuple(rules, isJit), { minLength: 1, maxLength: 2 }).map((each) =>
      each.map(([written, withJit], index) =>
        policyOf(
          written.map(({ effect, tools, when }, n) => ({
            name: `r${n}`,
            effect,
            tools,
            ...(effect === "require_approval" && { approval }),
            ...(when !== undefined && (withJit || !when.includes("grant")) && { when }),
          })),
          { name: POLICIES[index] ?? "", spec: withJit ? { access: jit } : {} },
        ),
      ),
    );
  const minutes = (n: number) => new Date(NOW.getTime() + n * 60_000);
  const grant: fc.Arbitrary<Grant> = fc
    .record({
      policy: fc.constantFrom(...POLICIES, "gone"),
      tools: fc.constantFrom(undefined, undefined, ["t"], ["t*"], ["other"]),
      breakGlass: fc.boolean(),
      from: fc.constantFrom(-3, -2, -1, 0, 0, 1),
      until: fc.constantFrom(0, 1, 1, 2, 3),
    })
    .map(({ from, until, policy, ...parts }) =>
      grantOf(policy, { ...parts, startsAt: minutes(from), endsAt: minutes(until) }),
    );
  const grants = fc.array(grant, { maxLength: 5 });
  const operation = fc
    .record({ name: fc.constantFrom(...TOOLS), n: fc.constantFrom(1, 2) })
    .map(({ name, n }) => callOf(name, { n }));
  const opens = ({ policy, tools, startsAt, endsAt }: Grant, name: string, { name: asked = "" }: Operation) =>
    policy === name &&
    startsAt <= NOW &&
    NOW < endsAt &&
    (tools ?? ["*"]).some((glob) =>
      glob.endsWith("*") ? asked.startsWith(glob.slice(0, -1)) : glob === asked,
    );

  test("a policy with just-in-time access never allows without a grant", () => {
    let denied = 0;
    fc.assert(
      fc.property(documents(fc.constant(true)), operation, (versions, asked) => {
        const decision = evaluate(compile(...versions), asked, holding());
        expect(decision.effect).toBe("deny");
        denied += decision.requestable ? 1 : 0;
      }),
      { numRuns: 500 },
    );
    expect(denied).toBeGreaterThan(50);
  });

  test("grants open their own policies and tools alone: the others are as if they only denied", () => {
    let allowed = 0;
    fc.assert(
      fc.property(documents(fc.boolean()), grants, operation, (versions, held, asked) => {
        const opened = versions.flatMap(({ name, version, document }) => {
          const isOpen =
            document.spec.access?.mode !== "jit" || held.some((each) => opens(each, name, asked));
          const left = isOpen
            ? document.spec.rules
            : document.spec.rules.filter(({ effect }) => effect === "deny");
          const spec = { ...document.spec, rules: left };
          return left.length === 0 ? [] : [{ name, version, document: { ...document, spec } }];
        });
        const decision = evaluate(compile(...versions), asked, holding(...held));
        const naive = evaluate(compile(...opened), asked, holding(...held));
        expect({ effect: decision.effect, rule: decision.rule }).toEqual({
          effect: naive.effect,
          rule: naive.rule,
        });
        const isUnderGrant =
          decision.effect === "allow" &&
          versions.some(({ name, document }) => name === decision.policy && document.spec.access);
        allowed += isUnderGrant ? 1 : 0;
        expect(decision.effect === "allow" && decision.grant !== undefined).toBe(isUnderGrant);
      }),
      { numRuns: 1_000 },
    );
    expect(allowed).toBeGreaterThan(15);
  });

  test("a rule that denies wins over every grant", () => {
    fc.assert(
      fc.property(documents(fc.boolean()), grants, operation, (versions, held, asked) => {
        const no = policyOf([{ name: "no", effect: "deny" }], { name: "z", spec: { access: jit } });
        const decision = evaluate(compile(...versions, no), asked, holding(...held));
        expect(decision.effect).toBe("deny");
        expect(decision.requestable).toBeUndefined();
      }),
      { numRuns: 300 },
    );
  });

  test("what could be asked for is what a grant would give, and it is listed", () => {
    fc.assert(
      fc.property(documents(fc.boolean()), grants, operation, (versions, held, asked) => {
        const compiled = compile(...versions);
        const who = holding(...held);
        const decision = evaluate(compiled, asked, who);
        const closed = versions
          .map(({ name }) => name)
          .filter((policy) => !held.some((each) => opens(each, policy, asked)));
        const given = closed.filter((policy) =>
          [true, false].some(
            (breakGlass) =>
              evaluate(compiled, asked, holding(...held, grantOf(policy, { breakGlass }))).effect !== "deny",
          ),
        );
        const { effect, requestable = [] } = decision;
        // More may be asked for: what conditions say of a grant that nobody has given yet is left open.
        expect(requestable).toEqual(expect.arrayContaining(effect === "deny" ? given : []));
        expect(closed).toEqual(expect.arrayContaining([...requestable]));
        const isListed = couldBeAllowed(compiled, asked, who);
        expect(isListed || (effect === "deny" && requestable.length === 0)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test("what was asked before makes no difference, whichever grants there were", () => {
    const questions = fc.array(fc.tuple(operation, grants), { minLength: 2, maxLength: 8 });
    fc.assert(
      fc.property(documents(fc.boolean()), questions, (versions, asked) => {
        const shared = compile(...versions);
        for (const [op, held] of [...asked, ...asked]) {
          const who = holding(...held);
          expect(couldBeAllowed(shared, op, who)).toBe(couldBeAllowed(compile(...versions), op, who));
          expect(evaluate(shared, op, who)).toEqual(evaluate(compile(...versions), op, who));
          expect(explainOperation(shared, op, who).decision).toEqual(evaluate(shared, op, who));
        }
      }),
      { numRuns: 200 },
    );
  });
});
