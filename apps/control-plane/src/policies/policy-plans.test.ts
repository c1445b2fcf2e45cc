import type { PolicyPlan, PolicyView } from "@drawbridge/contracts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRecorder, openSession } from "../recordings/fakes/index.js";
import { policyText, type PoliciesUnderTest, startPoliciesUnderTest } from "./fakes/policies-under-test.js";
import { SeenPrincipals } from "./index.js";

const READ = "    - { name: read, tools: [look, search], effect: allow }\n";
const LESS = "    - { name: read, tools: [look], effect: allow }\n";
const MORE = "    - { name: read, tools: [look, search, wipe], effect: allow }\n";
const MAYBE = `${READ}    - { name: some, tools: [wipe], when: args.force == false, effect: allow }\n`;

let the: PoliciesUnderTest;
beforeAll(async () => {
  the = await startPoliciesUnderTest();
  await the.target("shop", { tools: ["look", "search", "wipe"] });
  await the.target("other", { tools: ["look"] });
  await the.apply("readers", policyText("readers", READ));
  const seen = the.api.app.get(SeenPrincipals);
  seen.seen({ principal: "alice", client: "cli", email: "alice@example.test", groups: ["engineering"] });
  seen.seen({ principal: "bob", client: "desktop", groups: ["sales"] });
  await seen.settled();
});
afterAll(() => the.stop());

const plan = async (name: string, source: string, as = "olga") =>
  the.send<PolicyPlan>(as, "POST", `policies/${name}/plan`, { source });

describe("a plan", () => {
  test("of the live document changes nothing for nobody", async () => {
    const { status, body } = await plan("readers", `# the same\n${policyText("readers", READ)}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      outcome: "unchanged",
      version: 1,
      changes: [],
      affected: [],
      openSessions: 0,
    });
  });

  test("says who loses what, and which of their sessions are open", async () => {
    const { writer } = createRecorder(the.platform);
    await openSession(the.platform, writer, { principal: "alice" });
    await openSession(the.platform, writer, { principal: "bob" });
    const { body } = await plan("readers", policyText("readers", LESS));
    expect(body).toMatchObject({
      name: "readers",
      outcome: "changed",
      version: 1,
      source: policyText("readers", READ),
      affectedCount: 1,
      considered: 2,
      openSessions: 1,
    });
    expect(body.affected).toEqual([
      {
        principal: "alice",
        email: "alice@example.test",
        client: "cli",
        target: "shop",
        gains: [],
        loses: ["search"],
      },
    ]);
    expect(body.changes).toEqual([expect.objectContaining({ change: "changed", path: "spec.rules.read" })]);
  });

  test("says who would have to ask for what is standing, and the other way round", async () => {
    const jit = (rules: string) =>
      policyText("readers", rules, "  access: { mode: jit, activation: self, maxDuration: 4h }\n");
    const { body } = await plan("readers", jit(READ));
    expect(body.affected).toMatchObject([
      {
        principal: "alice",
        gains: [],
        loses: ["* (without a grant)", "look (without a grant)", "search (without a grant)"],
      },
    ]);
    expect(body.changes.map(({ says }) => says)).toEqual([
      "access is standing, now access is just in time, activated by self, for at most 4h",
    ]);
    expect((await plan("readers", jit(LESS))).body.affected[0]?.loses).toEqual([
      "* (without a grant)",
      "look (without a grant)",
      "search",
    ]);
    await the.apply("lookers", jit(LESS).replace("name: readers", "name: lookers"));
    const standing = policyText("readers", LESS).replace("name: readers", "name: lookers");
    expect((await plan("lookers", standing)).body).toMatchObject({ affected: [] });
    const sales = (source: string) => source.replace("engineering", "sales");
    await the.apply("lookers", sales(jit(LESS).replace("name: readers", "name: lookers")));
    expect((await plan("lookers", sales(standing))).body.affected).toMatchObject([
      { principal: "bob", gains: ["* (without a grant)", "look (without a grant)"], loses: [] },
    ]);
    await the.api.fetch("root", "/api/v1/policies/lookers", { method: "DELETE" });
  });

  test("says who gains what, also what only some arguments allow", async () => {
    const gains = async (rules: string) =>
      (await plan("readers", policyText("readers", rules))).body.affected[0]?.gains;
    expect(await gains(MORE)).toEqual(["wipe"]);
    expect(await gains(MAYBE)).toEqual(["wipe"]);
  });

  test("of a new policy says to whom a target appears", async () => {
    const source = policyText("sales", LESS).replace("engineering", "sales");
    const { body } = await plan("sales", source);
    expect(body).toMatchObject({ outcome: "created", version: 0 });
    expect(body).not.toHaveProperty("source");
    expect(body.affected).toEqual([
      { principal: "bob", client: "desktop", target: "shop", gains: ["*", "look"], loses: [] },
    ]);
  });

  test("counts what other live policies still allow or deny", async () => {
    await the.apply("also", policyText("also", "    - { name: also, tools: [search], effect: allow }\n"));
    await the.apply("never", policyText("never", "    - { name: no, tools: [wipe], effect: deny }\n"));
    expect((await plan("readers", policyText("readers", LESS))).body.affected).toEqual([]);
    expect((await plan("readers", policyText("readers", MORE))).body.affected).toEqual([]);
    await the.api.fetch("root", "/api/v1/policies/also", { method: "DELETE" });
    await the.api.fetch("root", "/api/v1/policies/never", { method: "DELETE" });
  });

  test("changes nothing, and is for those who may read policies", async () => {
    await plan("readers", policyText("readers", LESS));
    expect((await the.send<PolicyView>("root", "GET", "policies/readers")).body.version).toBe(1);
    expect((await plan("readers", policyText("readers", LESS), "paul")).status).toBe(200);
    expect((await plan("readers", policyText("readers", LESS), "alice")).body.code).toBe("not_permitted");
  });

  test("refuses what applying would refuse", async () => {
    expect((await plan("readers", policyText("sales", LESS))).body.code).toBe("policy_invalid");
    const { status, body } = await plan("readers", policyText("readers", LESS.replace("effect", "efect")));
    expect([status, body.code, body.problems?.[0]?.line]).toEqual([422, "policy_invalid", 8]);
  });

  test("leaves out who has not been here for 30 days", async () => {
    await the.platform.admin.query(
      "update seen_principal set last_seen_at = now() - interval '31 days' where principal = 'alice'",
    );
    const { body } = await plan("readers", policyText("readers", LESS));
    expect([body.considered, body.affected]).toEqual([1, []]);
    await the.platform.admin.query("update seen_principal set last_seen_at = now()");
  });

  test("of two thousand people looks at a thousand, shows a hundred, and holds nobody up", async () => {
    await the.platform.admin.query(`
      insert into seen_principal (principal, oauth_client, groups, last_seen_at)
      select 'p' || n, 'cli', '{engineering}', now() from generate_series(1, 2000) n`);
    // Processor time between two turns of others: what else the machine does does not count.
    let longest = 0;
    let last = process.threadCpuUsage();
    const watching = setInterval(() => {
      const { user, system } = process.threadCpuUsage(last);
      longest = Math.max(longest, (user + system) / 1_000);
      last = process.threadCpuUsage();
    }, 1);
    const { body } = await plan("readers", policyText("readers", LESS));
    clearInterval(watching);
    expect([body.considered, body.affectedCount, body.affected.length]).toEqual([1000, 1000, 100]);
    expect(longest).toBeLessThan(150);
  });
});

describe("who has been seen", () => {
  const rows = async () =>
    (
      await the.platform.admin.query<{ email: string | null; groups: string[]; at: Date }>(
        "select email, groups, last_seen_at as at from seen_principal where principal = 'carol'",
      )
    ).rows;

  test("is written when it changes, and otherwise once an hour", async () => {
    const seen = the.api.app.get(SeenPrincipals);
    const carol = { principal: "carol", client: "cli", email: "c@example.test", groups: ["a"] };
    seen.seen(carol);
    await seen.settled();
    const [first] = await rows();
    seen.seen(carol);
    await seen.settled();
    expect(await rows()).toEqual([first]);
    seen.seen({ ...carol, email: undefined, groups: ["a", 'b"{},'] });
    await seen.settled();
    expect(await rows()).toMatchObject([{ email: null, groups: ["a", 'b"{},'] }]);
  });

  test("is forgotten when nobody looks back that far any more", async () => {
    await the.platform.admin.query(`
      insert into seen_principal (principal, oauth_client, groups, last_seen_at)
      values ('old', 'cli', '{}', now() - interval '91 days'), ('lately', 'cli', '{}', now())`);
    await the.api.jobs.run("forget-principals");
    const { rows: left } = await the.platform.admin.query(
      "select principal from seen_principal where principal in ('old', 'lately')",
    );
    expect(left).toEqual([{ principal: "lately" }]);
  });

  test("is written the next time when it could not be written", async () => {
    const seen = the.api.app.get(SeenPrincipals);
    const dora = { principal: "dora", client: "cli", groups: [] };
    const found = () =>
      the.platform.admin
        .query("select 1 from seen_principal where principal = 'dora'")
        .then(({ rows }) => rows);
    await the.platform.admin.query("alter table seen_principal rename to away");
    seen.seen(dora);
    await seen.settled();
    await the.platform.admin.query("alter table away rename to seen_principal");
    expect(await found()).toEqual([]);
    seen.seen(dora);
    await seen.settled();
    expect(await found()).toHaveLength(1);
  });

  test("is written for many at once, odd names among them", async () => {
    const seen = the.api.app.get(SeenPrincipals);
    for (let index = 0; index < 500; index++)
      seen.seen({ principal: `many-${index}`, client: "cli", groups: ["\0", "\ud800"] });
    await seen.settled();
    const { rows: found } = await the.platform.admin.query(
      "select 1 from seen_principal where principal like 'many-%'",
    );
    expect(found).toHaveLength(500);
  });
});
