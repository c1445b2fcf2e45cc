import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { compilePolicies, type PolicyVersion } from "./compile.js";
import { couldBeAllowed, evaluate, isTargetVisible, policiesFor } from "./evaluate.js";
import { explainOperation } from "./explain.js";
import { callOf, ENFORCED, policyOf } from "./fixtures/policies.js";
import type { Context, Operation } from "./operation.js";

const LABELS: Record<string, string>[] = [
  {},
  { env: "production" },
  { env: "development" },
  { env: "production", team: "a" },
];
const EMAIL = "alice@example.com";
// One name of every kind, so that none passes for another.
const ID = fc.constantFrom("x", "y", EMAIL);

const rule = fc.record({
  effect: fc.constantFrom("allow", "allow", "deny"),
  tools: fc.constantFrom(undefined, ["t"], ["t*"], ["other"]),
  when: fc.constantFrom(undefined, undefined, "args.n == 1", 'target.labels.env == "production"'),
});
const subjects: fc.Arbitrary<PolicyVersion["document"]["spec"]["subjects"]> = fc.record(
  { groups: fc.array(ID), users: fc.array(ID), clients: fc.array(ID), workloads: fc.array(ID) },
  { requiredKeys: [] },
);
const targets: fc.Arbitrary<PolicyVersion["document"]["spec"]["targets"]> = fc.oneof(
  fc.record({ names: fc.constantFrom<string[]>(["shop"], ["s*"], ["files", "shop"]) }),
  fc.record({ labels: fc.constantFrom(...LABELS.slice(1)) }),
  fc.record({ names: fc.constantFrom<string[]>(["shop"], ["*"]), labels: fc.constantFrom(...LABELS) }),
);
const policies = fc
  .array(fc.record({ targets, subjects, rules: fc.array(rule, { minLength: 1, maxLength: 4 }) }), {
    minLength: 1,
    maxLength: 5,
  })
  .map((each) =>
    each.map(({ rules, ...spec }, p) =>
      policyOf(
        rules.map(({ effect, tools, when }, n) => ({
          name: `r${n}`,
          effect,
          ...(tools && { tools }),
          ...(when !== undefined && { when }),
        })),
        { name: `p${p}`, spec },
      ),
    ),
  );

const context: fc.Arbitrary<Context> = fc
  .record({
    id: ID,
    groups: fc.array(ID),
    email: fc.constantFrom(undefined, EMAIL, EMAIL.toUpperCase()),
    emailVerified: fc.constantFrom(undefined, true, false),
    client: ID,
    workload: fc.option(ID, { nil: undefined }),
  })
  .map(({ client, workload, ...principal }) => ({
    principal,
    client: { id: client },
    ...(workload !== undefined && { workload: { id: workload } }),
  }));
const operation: fc.Arbitrary<Operation> = fc
  .record({
    target: fc.record({
      name: fc.constantFrom("shop", "files", "other"),
      labels: fc.constantFrom(...LABELS),
    }),
    method: fc.constantFrom("tools/call", "tools/call", "prompts/get"),
    name: fc.constantFrom("t", "table", "other"),
    n: fc.constantFrom(1, 2),
  })
  .map(({ n, name, ...more }) => callOf(name, { n }, more));

type Spec = PolicyVersion["document"]["spec"];

/** As docs/policies.md has it, and without any index. */
function isForTarget({ names = ["*"], labels = {} }: Spec["targets"], { target }: Operation): boolean {
  const isNamed = names.some((glob) =>
    glob.endsWith("*") ? target.name.startsWith(glob.slice(0, -1)) : glob === target.name,
  );
  return isNamed && Object.entries(labels).every(([key, value]) => target.labels[key] === value);
}

function isForPrincipal(subjects: Spec["subjects"], { principal, client, workload }: Context): boolean {
  const { groups = [], users = [], clients = [], workloads = [] } = subjects;
  const email = principal.emailVerified === true ? principal.email?.toLowerCase() : undefined;
  return (
    groups.some((group) => principal.groups.includes(group)) ||
    users.some((user) => user === principal.id || user === email) ||
    clients.includes(client.id) ||
    workloads.some((each) => each === workload?.id)
  );
}

describe("what is remembered for one operation is not taken for another", () => {
  const compiled = compilePolicies(
    [
      policyOf([{ name: "r", effect: "allow", tools: ["t"] }], {
        spec: { targets: { names: ["shop"], labels: { env: "production" } }, subjects: { groups: ["x"] } },
      }),
    ],
    ENFORCED,
  );
  const target = { name: "shop", labels: { env: "production" } };
  const allowed = callOf("t", {}, { target });
  const who: Context = { principal: { id: "alice", groups: ["x"] }, client: { id: "c" } };

  test.each<{ other: string; op?: Operation; by?: Context }>([
    { other: "target", op: { ...allowed, target: { ...target, name: "files" } } },
    { other: "label", op: { ...allowed, target: { ...target, labels: { env: "development" } } } },
    { other: "method", op: { ...allowed, method: "prompts/get" } },
    { other: "name", op: { ...allowed, name: "other" } },
    { other: "group", by: { ...who, principal: { id: "alice", groups: ["y"] } } },
    { other: "kind of subject", by: { principal: { id: "x", groups: [] }, client: { id: "x" } } },
  ])("of another $other", ({ op = allowed, by = who }) => {
    expect(evaluate(compiled, allowed, who).effect).toBe("allow");
    expect(evaluate(compiled, op, by).effect).toBe("deny");
    expect(evaluate(compiled, allowed, who).effect).toBe("allow");
  });
});

describe("for all policies, targets and principals", () => {
  const compile = (versions: readonly PolicyVersion[]) => compilePolicies(versions, ENFORCED);

  test("only the policies for both are asked", () => {
    let selected = 0;
    fc.assert(
      fc.property(policies, operation, context, (versions, asked, who) => {
        const alone = versions.filter(
          ({ document: { spec } }) => isForTarget(spec.targets, asked) && isForPrincipal(spec.subjects, who),
        );
        selected += alone.length;
        expect(policiesFor(compile(versions), asked.target, who)).toEqual(
          alone.map(({ name }) => `${name}@3`),
        );
        expect(evaluate(compile(versions), asked, who).effect).toBe(
          evaluate(compile(alone), asked, who).effect,
        );
      }),
      { numRuns: 500 },
    );
    expect(selected).toBeGreaterThan(100);
  });

  test("what was asked before makes no difference, and no answer changes what the next one is", () => {
    const questions = fc.array(fc.tuple(operation, context), { minLength: 2, maxLength: 12 });
    fc.assert(
      fc.property(policies, questions, (versions, asked) => {
        const shared = compile(versions);
        for (const [op, who] of [...asked, ...asked]) {
          const fresh = compile(versions);
          expect(evaluate(shared, op, who)).toEqual(evaluate(fresh, op, who));
          expect(explainOperation(shared, op, who)).toEqual(explainOperation(fresh, op, who));
          expect(couldBeAllowed(shared, op, who)).toBe(couldBeAllowed(fresh, op, who));
          expect(isTargetVisible(shared, op.target, who)).toBe(isTargetVisible(fresh, op.target, who));
        }
      }),
      { numRuns: 200 },
    );
  });

  test("one more policy that denies never allows more, whomever it is for", () => {
    fc.assert(
      fc.property(policies, policies, operation, context, (versions, more, op, who) => {
        const denies = more.map(({ document: { spec }, name }) =>
          policyOf(
            spec.rules.map((each) => ({ ...each, effect: "deny" })),
            { name: `deny-${name}`, spec: { targets: spec.targets, subjects: spec.subjects } },
          ),
        );
        const before = evaluate(compile(versions), op, who).effect;
        const after = evaluate(compile([...versions, ...denies]), op, who).effect;
        expect(before === "deny" && after !== "deny").toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  test("the order in which policies are given does not matter", () => {
    fc.assert(
      fc.property(policies, operation, context, (versions, op, who) => {
        expect(evaluate(compile([...versions].reverse()), op, who)).toEqual(
          evaluate(compile(versions), op, who),
        );
      }),
      { numRuns: 300 },
    );
  });
});
