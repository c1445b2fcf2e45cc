import { describe, expect, test } from "vitest";

import { compilePolicies } from "./compile.js";
import { explainOperation } from "./explain.js";
import { alice, approval, callOf, ENFORCED, policyOf } from "./fixtures/policies.js";

const explain = (rules: readonly unknown[], name = "t", given: unknown = { n: 1 }) =>
  explainOperation(compilePolicies([policyOf(rules)], ENFORCED), callOf(name, given), alice);

describe("an explanation", () => {
  test("has every rule that speaks of the name, and what became of it", () => {
    const { decision, rules } = explain([
      { name: "a", effect: "allow" },
      { name: "b", effect: "allow", when: "args.n == 2", limits: { concurrent: 1 } },
      { name: "c", effect: "require_approval", approval, when: "args.n == 1" },
      { name: "d", tools: ["other"], effect: "deny" },
      { name: "e", tools: ["t*"], effect: "deny", when: "args.missing" },
      { name: "f", effect: "allow", mask: { profile: "other" } },
    ]);
    expect(decision).toMatchObject({ effect: "deny", rule: "f" });
    expect(
      rules.map(({ rule, effect, written, matched, condition, decisive }) => [
        rule,
        effect,
        written,
        matched,
        condition,
        decisive,
      ]),
    ).toEqual([
      ["a", "allow", "allow", true, "none", false],
      ["b", "allow", "allow", false, "false", false],
      ["c", "require_approval", "require_approval", true, "true", false],
      ["e", "deny", "deny", true, "failed", false],
      ["f", "deny", "allow", true, "none", true],
    ]);
    expect(rules.map(({ says }) => says)).toEqual([
      'rule "a" of policy "p" allows tools/call of "t" on target "shop"',
      "its condition does not hold",
      'rule "c" of policy "p" asks for approval of tools/call of "t" on target "shop"; it would be held for 1 of dba within 15m, then denied',
      'its condition could not be decided: there is no member "missing" where it reads one; so it denies',
      expect.stringContaining("masking profile of its own"),
    ]);
  });

  test("names the failed rule as the decisive one where nothing else denies", () => {
    const { decision, rules } = explain([
      { name: "a", effect: "allow" },
      { name: "b", effect: "allow", when: "args.missing == 1" },
    ]);
    expect(decision.effect).toBe("deny");
    expect(rules.map(({ rule, effect, decisive }) => [rule, effect, decisive])).toEqual([
      ["a", "allow", false],
      ["b", "deny", true],
    ]);
  });

  test("has no rules where none is asked", () => {
    expect(explainOperation(compilePolicies([], ENFORCED), callOf("t", {}), alice).rules).toEqual([]);
    const compiled = compilePolicies([policyOf([{ name: "a", effect: "allow" }])], ENFORCED);
    const list = { target: { name: "shop", labels: {} }, method: "tools/list" };
    expect(explainOperation(compiled, list, alice)).toMatchObject({
      decision: { effect: "deny" },
      rules: [],
    });
  });

  test("is found in bounded time, and says of which rules it was not", () => {
    const numbers = Array.from({ length: 100_000 }, (_, n) => n);
    const rules = [
      { name: "denies", effect: "deny" },
      ...Array.from({ length: 200 }, (_, n) => ({
        name: `r${n}`,
        effect: "allow",
        when: `args.numbers.exists(x, x + ${n} < 0)`,
      })),
      { name: "plain", effect: "allow" },
    ];
    rules.splice(5, 0, { name: "cheap", effect: "allow", when: "args.numbers[0] == 0" });
    const before = process.threadCpuUsage();
    const { decision, rules: voices } = explain(rules, "t", { numbers });
    const { user, system } = process.threadCpuUsage(before);
    expect((user + system) / 1_000).toBeLessThan(500);
    expect(decision.rule).toBe("denies");
    expect(voices.find(({ rule }) => rule === "r0")).toMatchObject({ condition: "failed", effect: "deny" });
    expect(voices.find(({ rule }) => rule === "cheap")).toMatchObject({ condition: "true" });
    expect(voices.find(({ rule }) => rule === "r199")).toMatchObject({
      condition: "failed",
      effect: "allow",
      matched: false,
      says: "its condition was not looked at: the explanation costs too much for an operation of this size",
    });
    expect(voices.find(({ rule }) => rule === "plain")).toMatchObject({ condition: "none", matched: true });
  });

  test("has at most 1,000 rules, the decisive one among them", () => {
    const rules = Array.from({ length: 1_500 }, (_, n) => ({
      name: `r${n}`,
      effect: n === 1_400 ? "deny" : "allow",
      when: "args.n == 1",
    }));
    const { decision, rules: voices } = explain(rules);
    expect(decision.rule).toBe("r1400");
    expect(voices).toHaveLength(1_000);
    expect(voices.filter(({ decisive }) => decisive).map(({ rule }) => rule)).toEqual(["r1400"]);
  });
});
