import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PoliciesUnderTest, policyText, startPoliciesUnderTest } from "./fakes/policies-under-test.js";
import { LivePolicies } from "./live-policies.js";
import { LiveSurroundings } from "./live-surroundings.js";

const MANY_RULES = Array.from(
  { length: 500 },
  (_, index) =>
    `    - { name: rule-${index}, tools: [tool-${index}], when: 'args.a == "${index}"', effect: allow }\n`,
).join("");

let here: PoliciesUnderTest;
let live: LivePolicies;
beforeAll(async () => {
  here = await startPoliciesUnderTest();
  live = here.api.app.get(LivePolicies);
});
afterAll(() => here.stop());

async function current() {
  const { rows } = await here.platform.admin.query<{ value: string }>(
    "select value from authorization_epoch",
  );
  return live.atLeast(BigInt(rows[0]?.value ?? 0));
}

const somethingElse = () => here.target("elsewhere");

describe("the live policies", () => {
  test("are not compiled again when something else has changed, however much they are", async () => {
    await here.apply("many", policyText("many", MANY_RULES));
    const before = await current();
    expect(before.value.ruleCount).toBe(500);
    await somethingElse();
    const after = await current();
    expect(after.epoch).toBeGreaterThan(before.epoch);
    expect(after.value).toBe(before.value);
  });

  test("are what candidates are put beside, without compiling their conditions again", async () => {
    await current();
    const documents = async () =>
      (await here.api.app.get(LiveSurroundings).policies()).map(({ document }) => document);
    const first = await documents();
    expect(first.length).toBeGreaterThan(0);
    expect((await documents()).every((document, index) => document === first[index])).toBe(true);
  });

  test("are those of the last versions after one is applied, applied back or deleted", async () => {
    const rule = (name: string) => `    - { name: ${name}, tools: [read], effect: allow }\n`;
    await here.apply("one", policyText("one", rule("first")));
    const { policyCount, ruleCount } = (await current()).value;
    await here.apply("one", policyText("one", rule("first") + rule("second")));
    expect((await current()).value).toMatchObject({ policyCount, ruleCount: ruleCount + 1 });
    await here.apply("one", policyText("one", rule("first")));
    expect((await current()).value).toMatchObject({ policyCount, ruleCount });
    await here.send("root", "DELETE", "policies/one").catch(() => undefined);
    const without = { policyCount: policyCount - 1, ruleCount: ruleCount - 1 };
    expect((await current()).value).toMatchObject(without);
    await here.apply("one", policyText("one", rule("first")));
    expect((await current()).value).toMatchObject({ policyCount, ruleCount });
  });
});
