import fc from "fast-check";
import { expect, test } from "vitest";
import type { CompiledRule } from "./compiled-rule.js";
import { MethodRules } from "./method-rules.js";

const rule = (position: number, effect: CompiledRule["effect"] = "allow"): CompiledRule => ({
  policy: "p",
  version: 1,
  name: `rule-${position}`,
  effect,
  written: effect,
  limits: [],
  position,
});

function someRules(): MethodRules {
  const rules = new MethodRules();
  rules.add(rule(0), ["a*", "b"]);
  rules.add(rule(1, "deny"), ["*b"]);
  rules.add(rule(2, "require_approval"), ["?c*"]);
  return rules;
}

test("a name asked for again has the answer of a set of rules that is asked for the first time", () => {
  const name = fc.string({ unit: fc.constantFrom("a", "b", "c", "\uD800", "é"), maxLength: 6 });
  fc.assert(
    fc.property(fc.array(name, { maxLength: 300 }), (names) => {
      const rules = someRules();
      for (const each of [...names, ...names]) {
        expect(rules.matching(each)).toEqual(someRules().matching(each));
      }
    }),
    { numRuns: 30 },
  );
});

test("more names than are remembered, and longer ones, change no answer", () => {
  const rules = someRules();
  const names = Array.from({ length: 1_000 }, (_, n) => (n % 2 === 0 ? `a${n}` : `x${n}b`));
  names.push("a".repeat(100_000), `${"x".repeat(100_000)}b`, "constructor", "__proto__", "");
  const answers = () => names.map((name) => rules.matching(name).unconditional?.position);
  const expected = names.map((name) => {
    if (name.endsWith("b")) return 1;
    return name.startsWith("a") ? 0 : undefined;
  });
  expect(answers()).toEqual(expected);
  expect(answers()).toEqual(expected);
});

test("a rule that is added counts for names that were asked for before", () => {
  const rules = someRules();
  expect(rules.matching("a").unconditional?.effect).toBe("allow");
  rules.add(rule(3, "deny"), undefined);
  expect(rules.matching("a").unconditional?.effect).toBe("deny");
});

test("a request without a name is decided by rules for every name alone", () => {
  const rules = someRules();
  expect(rules.matching(undefined).unconditional).toBeUndefined();
  rules.add(rule(4), undefined);
  expect(rules.matching(undefined).unconditional?.position).toBe(4);
});

test("names are remembered, but not without end, nor long ones", () => {
  const rules = someRules();
  const [first, long] = [rules.matching("a"), rules.matching("a".repeat(1_000))];
  expect(rules.matching("a")).toBe(first);
  expect(rules.matching("a".repeat(1_000))).not.toBe(long);
  for (let n = 0; n < 200; n++) rules.matching(`a${n}`);
  expect(rules.matching("a")).not.toBe(first);
});
