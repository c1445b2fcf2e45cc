import type { Explanation } from "@drawbridge/contracts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Principal } from "../identity/index.js";
import { ToolPins } from "../tools/index.js";
import {
  policyText,
  type PoliciesUnderTest,
  shown,
  startPoliciesUnderTest,
} from "./fakes/policies-under-test.js";
import { PolicyExplanations } from "./policy-explanations.js";

const RULES = `    - name: no-destruction
      tools: [execute_sql]
      when: sql.parsed && (sql.ddl || sql.deletesAll)
      effect: deny
      message: Open a change request.
    - name: read
      tools: [execute_sql, look]
      when: tool.name == "look" || sql.readOnly
      effect: allow
      limits: [{ calls: 500/h, resultBytes: 50MiB/d }, { per: tool, concurrent: 1 }]
    - name: shell
      tools: [run]
      when: shell.readOnly
      effect: allow
    - { name: resources, methods: [resources/read], resources: ["file:///*"], effect: allow }
`;

let the: PoliciesUnderTest;
beforeAll(async () => {
  the = await startPoliciesUnderTest();
  const id = await the.target("shop", {
    commands: [
      { tool: "execute_sql", argument: "sql", dialect: "postgresql" },
      { tool: "run", argument: "command", dialect: "sh" },
    ],
    tools: ["execute_sql", "look", "changed", "run"],
  });
  await the.target("hidden", { tools: ["look"] });
  await the.api.app.get(ToolPins).observe({ id, name: "shop" }, [shown("changed", "another one")]);
  await the.apply("shop", policyText("shop", RULES));
});
afterAll(() => the.stop());

const engineer = { id: "alice", groups: ["engineering"] };
const explain = async (asked: object, as = "olga") =>
  the.send<Explanation>(as, "POST", "policies/explain", { target: "shop", principal: engineer, ...asked });
const sql = (text: string) => ({ name: "execute_sql", arguments: { sql: text } });

describe("an explanation", () => {
  test("names the rule that decides, what every rule says, and the facts of a command", async () => {
    const { status, body } = await explain(sql("DELETE FROM orders"));
    expect(status).toBe(200);
    expect(body).toMatchObject({
      effect: "deny",
      policy: "shop",
      version: 1,
      rule: "no-destruction",
      message: "Open a change request.",
      listed: true,
      tool: "accepted",
      facts: { sql: { parsed: true, deletesAll: true, readOnly: false, tables: ["orders"] } },
    });
    expect(body).not.toHaveProperty("limits");
    expect(body.rules.map(({ rule, condition, decisive }) => [rule, condition, decisive])).toEqual([
      ["no-destruction", "true", true],
      ["read", "false", false],
    ]);
  });

  test("of what is allowed says within which limits", async () => {
    const { body } = await explain(sql("SELECT 1"));
    expect(body).toMatchObject({ effect: "allow", rule: "read", listed: true });
    expect(body.limits).toEqual([
      '500 calls in one hour, 50 MiB of results in one day, for each principal (rule "read" of policy "shop")',
      '1 call at the same time, for everybody together, each tool (rule "read" of policy "shop")',
    ]);
  });

  test("of a shell line has its facts", async () => {
    const run = (command: string) => explain({ name: "run", arguments: { command } });
    expect((await run("ls -l")).body).toMatchObject({
      effect: "allow",
      facts: { shell: { parsed: true, programs: ["ls"] } },
    });
    expect((await run("rm -rf /")).body).toMatchObject({
      effect: "deny",
      facts: { shell: { readOnly: false } },
    });
  });

  test.each([
    ["without arguments", {}],
    ["with a number for a command", { arguments: { sql: 1 } }],
    ["with the command twice, in another case", { arguments: { sql: "select 1", SQL: "drop table x" } }],
    ["with what does not parse", { arguments: { sql: "selekt" } }],
  ])("%s denies what depends on the command", async (_how, given) => {
    const { body } = await explain({ name: "execute_sql", ...given });
    expect(body).toMatchObject({ effect: "deny", facts: { sql: { parsed: false } } });
  });

  test("of a tool that changed says that it is quarantined and not listed", async () => {
    const source = policyText("shop", "    - { name: all, effect: allow }\n");
    const { body } = await explain({ name: "changed", candidates: [source] });
    expect(body).toMatchObject({ effect: "allow", listed: false, tool: "quarantined" });
    expect((await explain({ name: "never-seen" })).body).toMatchObject({
      effect: "deny",
      listed: false,
      tool: "unknown",
    });
  });

  test("with candidates goes by them instead of the live policies of their names", async () => {
    const open = policyText("shop", "    - { name: all, effect: allow }\n");
    const shut = policyText("more", "    - { name: none, effect: deny }\n");
    const asked = sql("DELETE FROM orders");
    expect((await explain({ ...asked, candidates: [open] })).body).toMatchObject({
      effect: "allow",
      rule: "all",
      version: 0,
    });
    expect((await explain({ ...asked, candidates: [open, shut] })).body).toMatchObject({
      effect: "deny",
      rule: "none",
    });
    expect((await explain(asked)).body).toMatchObject({ rule: "no-destruction", version: 1 });
  });

  test("of what would be held says who would be asked", async () => {
    const ask =
      "    - { name: ask, effect: require_approval, approval: { from: [{ group: dba, count: 2 }], expiresIn: 15m, onExpiry: { escalateTo: { group: leads, count: 1 } } } }\n";
    const { body } = await explain({ name: "look", candidates: [policyText("shop", ask)] });
    expect(body).toMatchObject({
      effect: "require_approval",
      listed: true,
      review: {
        from: [{ group: "dba", count: 2 }],
        expiresIn: "15m",
        escalateTo: { group: "leads", count: 1 },
      },
    });
    expect(body.rules[0]?.says).toContain("held for 2 of dba within 15m, then asks 1 of leads");
  });

  test("of what needs a grant says so, and what it would be with one", async () => {
    const jit = policyText(
      "shop",
      "    - { name: look, tools: [look], effect: allow }\n    - { name: sql, tools: [execute_sql], when: grant.reason.contains('INC-'), effect: allow }\n",
      "  access: { mode: jit, activation: self, maxDuration: 4h }\n",
    );
    const asked = { name: "look", candidates: [jit] };
    const without = (await explain(asked)).body;
    expect(without).toMatchObject({ effect: "deny", listed: true, requestable: ["shop"] });
    expect(without.reason).toContain('without a grant of policy "shop"');
    expect(without.rules[0]).toMatchObject({ matched: false });
    expect(without.rules[0]?.says).toContain("would need a grant");

    const granted = (await explain({ ...asked, grant: {} })).body;
    expect(granted).toMatchObject({ effect: "allow", rule: "look" });
    expect(granted).not.toHaveProperty("requestable");
    expect((await explain({ ...asked, grant: { tools: ["execute_*"] } })).body.effect).toBe("deny");
    const sqlAsked = { ...asked, name: "execute_sql" };
    const effect = async (grant: object) => (await explain({ ...sqlAsked, grant })).body.effect;
    expect(await effect({ reason: "INC-7" })).toBe("allow");
    expect(await effect({ reason: "because" })).toBe("deny");
    expect((await explain({ ...asked, grant: { tools: [] } })).body.code).toBe("invalid_request");
  });

  test("is of who asks, unless somebody else is named", async () => {
    const asked = { target: "shop", name: "look" };
    const mine = await the.send<Explanation>("olga", "POST", "policies/explain", asked);
    expect(mine.body).toMatchObject({ effect: "deny", rules: [] });
    const candidates = [
      policyText("mine", "    - { name: a, effect: allow }\n").replace("engineering", "x"),
    ].map((source) => source.replace("groups: [x]", "clients: [cli]"));
    expect(
      (await the.send<Explanation>("olga", "POST", "policies/explain", { ...asked, candidates })).body.effect,
    ).toBe("allow");
    expect((await explain({ ...asked, candidates, principal: { id: "bob" } })).body.effect).toBe("deny");
    expect(
      (await explain({ ...asked, candidates, principal: { id: "bob" }, client: "cli" })).body.effect,
    ).toBe("allow");
  });

  test.each([
    [{ method: "tools/list" }, "allow", "part of using the target"],
    [{ method: "tools/list", principal: { id: "bob" } }, "deny", "no rule makes the target visible"],
    [{ method: "resources/read", name: "file:///a" }, "allow", /rule "resources"/],
    [{ method: "resources/read", name: "file:///a/../b" }, "deny", /more than one way/],
    [{ method: "sampling/createMessage" }, "deny", /no rule allows/],
    [{ method: "tools/call" }, "deny", /names nothing/],
    [{ method: "tools/unheard-of" }, "deny", /no rule can allow/],
  ])("of %j is %s", async (asked, effect, reason) => {
    const { body } = await explain(asked);
    expect(body.effect).toBe(effect);
    expect(body.reason).toMatch(reason);
  });

  test("refuses targets that are not there, candidates that are wrong, and who may not", async () => {
    expect((await explain({ target: "nowhere", name: "look" })).body.code).toBe("target_not_found");
    const wrong = policyText("shop", "    - { name: all, efect: allow }\n");
    const { status, body } = await explain({ name: "look", candidates: [policyText("a", RULES), wrong] });
    expect([status, body.code]).toEqual([422, "policy_invalid"]);
    expect(body.problems?.[0]).toMatchObject({ line: 8 });
    expect(body.problems?.[0]?.path).toMatch(/^candidates\.1\.spec\.rules\.0/);
    expect((await explain({ name: "look", candidates: [wrong, wrong] })).body.code).toBe("policy_invalid");
    expect((await explain({ name: "look" }, "alice")).body.code).toBe("not_permitted");
    expect((await explain({ name: "look" }, "paul")).status).toBe(200);
    expect((await explain({ name: "look", nonsense: 1 })).body.code).toBe("invalid_request");
  });

  test("of deep arguments comes at once", async () => {
    const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
    const parsed: unknown = JSON.parse(deep);
    const asked = { target: "shop", method: "tools/call", name: "execute_sql", principal: engineer };
    const before = process.threadCpuUsage();
    const { effect, facts } = await the.api.app
      .get(PolicyExplanations)
      .explain({ ...engineer } as unknown as Principal, {
        ...asked,
        arguments: { sql: parsed, other: parsed },
      });
    const { user, system } = process.threadCpuUsage(before);
    expect([effect, facts?.sql?.["parsed"]]).toEqual(["deny", false]);
    expect((user + system) / 1_000).toBeLessThan(250);
  });
});

test("the JSON Schema of policies is there for editors", async () => {
  const response = await the.api.fetch("paul", "/api/v1/policy-schema");
  expect(response.headers.get("content-type")).toMatch(/^application\/schema\+json/);
  expect(await response.json()).toHaveProperty("properties.spec");
  expect((await the.send("alice", "GET", "policy-schema")).body.code).toBe("not_permitted");
});

test("the documentation of the API has every way to try a policy", async () => {
  const response = await the.api.fetch("paul", "/api/docs-json");
  const { paths } = (await response.json()) as { paths: Record<string, Record<string, object>> };
  expect(paths).toHaveProperty(["/api/v1/policies/{name}/plan", "post", "requestBody"]);
  expect(paths).toHaveProperty(["/api/v1/policies/{name}/versions/{version}", "get"]);
  expect(paths).toHaveProperty(["/api/v1/policies/explain", "post", "requestBody"]);
  expect(paths).toHaveProperty(["/api/v1/policies/backtest", "post", "requestBody"]);
  expect(paths).toHaveProperty(["/api/v1/policy-schema", "get"]);
});
