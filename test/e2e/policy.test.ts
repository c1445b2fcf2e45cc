import { readFile } from "node:fs/promises";
import path from "node:path";
import { BacktestLine } from "@drawbridge/contracts";
import { seedShop } from "@drawbridge/embedded";
import { eventually, type JsonRpcObject } from "@drawbridge/testing";
import pg from "pg";
import { stringify } from "yaml";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { programs, root } from "./programs.js";
import { realCommands } from "./real-targets.js";
import type { RawSession } from "./raw-session.js";
import { System } from "./system.js";

// Policies that understand the operation, on a real PostgreSQL behind a real MCP server that may do everything: what is
// not done there was stopped by a policy and by nothing else.

let system: System;
let alice: RawSession;
let bob: RawSession;
let shop: pg.Client;

beforeAll(async () => {
  system = await System.start({ allow: { commands: realCommands("/nonexistent") } });
  await seedShop(system.postgres.superuserUrl);
  const owner = new URL(system.postgres.superuserUrl);
  owner.pathname = "/shop";
  owner.search = "?sslmode=disable";
  shop = new pg.Client({ connectionString: owner.href });
  await shop.connect();
  await system.applyTarget(
    "shop",
    {
      stdio: {
        command: programs.node,
        arguments: [programs.dbhub, "--transport", "stdio"],
        environment: { DSN: owner.href },
      },
    },
    {
      commands: [{ tool: "execute_sql", argument: "sql", dialect: "postgresql" }],
      labels: { commands: "sql", env: "test" },
    },
  );
  await apply("starter-sql", await readFile(path.join(root, "deploy/policies/starter-sql.yaml"), "utf8"));
  await apply("dba", document("dba", ["dba"], [{ name: "everything", tools: ["*"], effect: "allow" }]));
  alice = await system.open("shop");
  bob = await system.open("shop", "bob");
});
afterAll(async () => {
  await shop?.end();
  await system?.stop();
});

async function apply(name: string, source: string): Promise<void> {
  await system.api().demand("PUT", `policies/${name}`, { source });
}

function document(name: string, groups: readonly string[], rules: readonly object[]): string {
  return stringify({
    apiVersion: "drawbridge/v1",
    kind: "Policy",
    metadata: { name },
    spec: { targets: { names: ["shop"] }, subjects: { groups }, access: { mode: "standing" }, rules },
  });
}

const sql = (session: RawSession, text: string): Promise<JsonRpcObject> =>
  session.call("execute_sql", { sql: text });

/** Everything that is in the table, so that a changed row shows as well as a missing one. */
async function orders(): Promise<string> {
  const { rows } = await shop.query<{ all: string }>(
    `select string_agg(o::text, E'\\n' order by id) as "all" from orders o`,
  );
  return rows[0]?.all ?? "";
}

describe("SQL on a real PostgreSQL", () => {
  test("a select passes", async () => {
    const answer = await sql(alice, "select count(*) as n from orders");
    expect(answer.error).toBeUndefined();
    expect(JSON.stringify(answer.result)).toMatch(/\bn\b/);
  });

  test("a DELETE without WHERE is refused by the name of the rule, and the table is unchanged", async () => {
    const before = await orders();
    expect(before.split("\n").length).toBeGreaterThan(5);
    const { error } = await sql(alice, "DELETE /* tidy up */ FROM orders");
    expect(error?.code).toBe(-31001);
    expect(error?.message).toBe(
      'Destructive SQL is never run through the gateway; open a change request. (rule "no-destruction" of policy "starter-sql")',
    );
    expect(await orders()).toBe(before);
    const recordings = await system.api().recordings("shop");
    const hers = recordings.find(({ email }) => email === "alice@example.com");
    const events = await system.api().events(hers?.id ?? "");
    const decision = events.findLast(({ name, kind }) => name === "execute_sql" && kind === "request");
    expect(decision?.attributes["decision"]).toMatchObject({ effect: "deny", rule: "no-destruction" });
  });

  test.each([
    "delete from orders where true",
    "delete from orders where id = id",
    "with gone as (delete from orders returning *) select * from gone",
    "select 1; drop table orders",
    "select 1;;; truncate orders",
    "do $$ begin delete from orders; end $$",
    "do $x$ begin execute 'del' || 'ete from orders'; end $x$",
    "explain analyze delete from orders",
    "create function f() returns void language sql as 'delete from orders'",
    "copy orders to program 'cat > /dev/null'",
    "prepare p as delete from orders; execute p",
    "update orders set amount_cents = 1",
    "merge into orders o using orders p on true when matched then delete",
    "/* select 1 */ delete\nfrom\norders",
    "alter table orders rename to gone",
    "select query_to_xml('delete from orders', true, true, '')",
    "\\! rm -rf /",
    "delete from orders; -- \u0000",
    "ｄｅｌｅｔｅ from orders",
  ])("%j is refused and changes nothing", async (text) => {
    const before = await orders();
    const { error, result } = await sql(alice, text);
    expect(result).toBeUndefined();
    expect(error?.code).toBe(-31001);
    expect(await orders()).toBe(before);
  });

  test.each([
    "select 'drop table orders' as advice",
    `select 1 as "delete"`,
    "select item from orders where item = 'truncate' -- drop table orders",
    "with o as (select * from orders) select count(*) from o",
    "explain delete from orders",
    "select name, row_number() over (order by name) from customers limit 3",
  ])("%j passes", async (text) => {
    const { error, result } = await sql(alice, text);
    expect(error).toBeUndefined();
    expect(result).toHaveProperty("content");
    expect(result).not.toMatchObject({ isError: true });
  });

  test("what a rule for somebody else allows is done: nothing but the policy was in the way", async () => {
    const { rows } = await shop.query<{ id: number }>("select max(id) as id from orders");
    const { error } = await sql(bob, `delete from orders where id = ${rows[0]?.id}`);
    expect(error).toBeUndefined();
    const left = await shop.query<{ id: number }>("select max(id) as id from orders");
    expect(left.rows[0]?.id).toBeLessThan(rows[0]?.id ?? 0);
  });
});

test("a tool that would always be denied is not listed and does not exist", async () => {
  await apply(
    "alone",
    document("alone", ["engineering"], [{ name: "none", tools: ["search_objects"], effect: "deny" }]),
  );
  await eventually(async () => {
    const { messages } = await alice.post({ jsonrpc: "2.0", id: 900, method: "tools/list" });
    const names = JSON.stringify(messages.find(({ id }) => id === 900)?.result);
    if (names.includes("search_objects") || !names.includes("execute_sql")) throw new Error(names);
  });
  const { error } = await alice.call("search_objects", {});
  expect(error).toEqual({ code: -32602, message: "Unknown tool: search_objects" });
  await system.api().send("DELETE", "policies/alone");
});

test("explain names every rule that spoke and the one that decided", async () => {
  const explanation = await system.api().demand("POST", "policies/explain", {
    target: "shop",
    name: "execute_sql",
    arguments: { sql: "truncate orders" },
    principal: { id: "alice", groups: ["engineering"] },
  });
  expect(explanation).toMatchObject({ effect: "deny", rule: "no-destruction", tool: "accepted" });
  const rules = explanation["rules"] as { rule: string; decisive: boolean; condition: string }[];
  expect(rules.filter(({ decisive }) => decisive).map(({ rule }) => rule)).toEqual(["no-destruction"]);
  expect(rules.find(({ rule }) => rule === "read")?.condition).toBe("false");
});

test("a backtest over what was recorded lists the decisions that would change", async () => {
  const candidate = document(
    "dba",
    ["dba"],
    [
      { name: "everything", tools: ["*"], effect: "allow" },
      {
        name: "no-deletes",
        tools: ["execute_sql"],
        when: 'sql.kinds.exists(k, k == "delete")',
        effect: "deny",
      },
    ],
  );
  const lines = await backtest(candidate);
  const summary = lines.at(-1);
  // The second was denied by a policy that is gone by now.
  expect(summary).toMatchObject({ line: "summary", changed: 2, unreadable: 0 });
  const changed = lines.filter(({ line }) => line === "changed");
  expect(changed).toHaveLength(2);
  expect(changed).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ name: "execute_sql", was: "allow", now: "deny", nowRule: "dba/no-deletes" }),
      expect.objectContaining({ name: "search_objects", was: "deny", wasRule: "alone/none", now: "allow" }),
    ]),
  );
  expect((summary as { operations: number }).operations).toBeGreaterThan(20);
});

async function backtest(candidate: string): Promise<BacktestLine[]> {
  const text = await system.api().text("POST", "policies/backtest", {
    candidates: [candidate],
    from: new Date(Date.now() - 3_600_000).toISOString(),
  });
  return text
    .trim()
    .split("\n")
    .map((line) => BacktestLine.parse(JSON.parse(line)));
}

test("a limit holds for the principal, whatever session it is in", async () => {
  await apply(
    "dba",
    document(
      "dba",
      ["dba"],
      [{ name: "few", tools: ["execute_sql"], effect: "allow", limits: { calls: "3/h" } }],
    ),
  );
  const other = await system.open("shop", "bob");
  const answers: JsonRpcObject[] = [];
  for (const session of [bob, other, bob, other, bob]) answers.push(await sql(session, "select 1"));
  expect(answers.map(({ error }) => error?.code)).toEqual([undefined, undefined, undefined, -31013, -31013]);
  expect(answers.at(-1)?.error?.message).toMatch(/few|limit/);
});
