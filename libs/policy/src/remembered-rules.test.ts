import { expect, test } from "vitest";

import type { CompiledRule } from "./compiled-rule.js";
import { RememberedRules, type RulesInForce } from "./remembered-rules.js";

const NOTHING = { unconditional: undefined, limited: [], denying: [], otherConditional: [] };
const NONE: RulesInForce = { matching: NOTHING, closed: [] };

test("remembers what it was last told, and not more than so many operations", () => {
  const remembered = new RememberedRules();
  for (let n = 0; n < 10_000; n++) remembered.set(`k${n}`, NONE);
  expect(remembered.get("k0")).toBeUndefined();
  expect(remembered.get("k9999")).toBe(NONE);
});

test("remembers not more than so many rules", () => {
  const rule: CompiledRule = {
    policy: "p",
    version: 1,
    name: "r",
    effect: "deny",
    written: "deny",
    limits: [],
    position: 0,
  };
  const denying = Array.from({ length: 150_000 }, () => rule);
  const large: RulesInForce = { matching: { ...NOTHING, denying }, closed: [] };
  const remembered = new RememberedRules();
  remembered.set("a", large);
  remembered.set("b", large);
  expect(remembered.get("a")).toBeUndefined();
  expect(remembered.get("b")).toBe(large);
});
