import type { BacktestLine } from "@drawbridge/contracts";
import { compilePolicies, evaluate } from "@drawbridge/policy";
import type { EventAttributes } from "@drawbridge/recording";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createRecorder, event, openSession, request, response, until } from "../recordings/fakes/index.js";
import type { RecordingWriter } from "../recordings/index.js";
import { policyText, type PoliciesUnderTest, startPoliciesUnderTest } from "./fakes/policies-under-test.js";

const LIVE = "    - { name: all, effect: allow }\n";
const ALLOWED = { effect: "allow", policy: "shop", version: 1, rule: "all", reason: "it may" };
const READ_ONLY = `    - { name: read, tools: [execute_sql], when: sql.readOnly, effect: allow }\n`;

let the: PoliciesUnderTest;
let recorder: ReturnType<typeof createRecorder>;
let shop: string;
beforeAll(async () => {
  the = await startPoliciesUnderTest();
  recorder = createRecorder(the.platform);
  shop = await the.target("shop", {
    commands: [{ tool: "execute_sql", argument: "sql", dialect: "postgresql" }],
    tools: ["execute_sql", "look"],
  });
  await the.apply("shop", policyText("shop", LIVE));
});
afterAll(() => the.stop());

/** Each test has two days of its own, and looks at the first. */
let day = new Date("2026-06-01T00:00:00.000Z");
beforeEach(() => {
  day = new Date(day.getTime() + 2 * 86_400_000);
  recorder.clock.at = day;
});
const period = () => ({ from: day.toISOString(), to: new Date(day.getTime() + 86_400_000).toISOString() });

type RecordedDecision = NonNullable<Parameters<RecordingWriter["append"]>[0]["decision"]>;

interface Asked {
  readonly name?: string;
  readonly method?: string;
  readonly arguments?: unknown;
  readonly afterMs?: number;
  readonly attributes?: EventAttributes;
  readonly decision?: RecordedDecision;
}

const ALICE = { context: { groups: ["engineering"], client: "cli", clientName: "inspector" }, masked: {} };

class Session {
  private exchange = 0;

  private constructor(readonly id: string) {}

  static async open(changes: { principal?: string; targetId?: string } = {}): Promise<Session> {
    const opening = { targetId: shop, openedAt: day, ...changes };
    return new Session(await openSession(the.platform, recorder.writer, opening));
  }

  async asks(asked: Asked): Promise<number> {
    const { name = "execute_sql", method = "tools/call", afterMs = 1_000, attributes = ALICE } = asked;
    const exchange = ++this.exchange;
    const params = { name, arguments: asked.arguments };
    const payload = Buffer.from(JSON.stringify({ jsonrpc: "2.0", id: exchange, method, params }));
    const at = day.getTime() + afterMs;
    await recorder.writer.append({
      recordingId: this.id,
      event: request(exchange, { at, method, name, attributes, payload }),
      decision: asked.decision ?? ALLOWED,
    });
    return exchange;
  }

  sql(text: string, changes: Asked = {}): Promise<number> {
    return this.asks({ arguments: { sql: text }, ...changes });
  }
}

async function backtest(rules: string, changes: object = {}, as = "root", signal?: AbortSignal) {
  const body = { candidates: [policyText("shop", rules)], ...period(), ...changes };
  return the.api.fetch(as, "/api/v1/policies/backtest", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    ...(signal && { signal }),
  });
}

async function linesOf(rules: string, changes: object = {}): Promise<BacktestLine[]> {
  const answer = await backtest(rules, changes);
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toMatch(/^application\/x-ndjson/);
  const text = await answer.text();
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as BacktestLine);
}

async function resultOf(rules: string, changes: object = {}) {
  const lines = await linesOf(rules, changes);
  const changed = lines.flatMap((line) => (line.line === "changed" ? [line] : []));
  const summary = lines.at(-1);
  if (summary?.line !== "summary") throw new Error(`it ends with ${JSON.stringify(summary)}`);
  return { changed, summary, lines };
}

describe("a backtest", () => {
  test("lists the decisions that would be others, and counts them by principal and tool", async () => {
    const session = await Session.open();
    await session.sql("select 1");
    await session.sql("drop table orders");
    await session.sql("delete from orders");
    await session.asks({ name: "look", arguments: {} });
    const { changed, summary } = await resultOf(READ_ONLY);
    expect(changed.map(({ exchange, now }) => [exchange, now])).toEqual([
      [2, "deny"],
      [3, "deny"],
      [4, "deny"],
    ]);
    expect(changed[0]).toMatchObject({
      at: new Date(day.getTime() + 1_000).toISOString(),
      session: session.id,
      principal: "alice",
      target: "shop",
      method: "tools/call",
      name: "execute_sql",
      was: "allow",
      wasRule: "shop/all",
      uncertain: false,
    });
    expect(summary).toEqual({
      line: "summary",
      operations: 4,
      changed: 3,
      uncertain: 0,
      unreadable: 0,
      counts: [
        { principal: "alice", target: "shop", name: "execute_sql", was: "allow", now: "deny", count: 2 },
        { principal: "alice", target: "shop", name: "look", was: "allow", now: "deny", count: 1 },
      ],
    });
  });

  test("by the live policies themselves changes nothing", async () => {
    await (await Session.open()).sql("drop table orders");
    const { summary } = await resultOf(LIVE);
    expect(summary).toMatchObject({ operations: 1, changed: 0, unreadable: 0 });
  });

  test("goes by the other live policies as well", async () => {
    await the.apply("never", policyText("never", "    - { name: no-look, tools: [look], effect: deny }\n"));
    await (await Session.open()).asks({ name: "look" });
    const { changed } = await resultOf(LIVE);
    expect(changed).toMatchObject([{ name: "look", now: "deny", nowRule: "never/no-look" }]);
    await the.api.fetch("root", "/api/v1/policies/never", { method: "DELETE" });
  });

  test("finds what would be allowed now, if a policy had denied it", async () => {
    const session = await Session.open();
    const denied = (reason: string, rule?: string) => ({
      name: "look",
      decision: { effect: "deny", reason, ...(rule ? { policy: "old", rule } : {}) },
    });
    const { reason } = evaluate(
      compilePolicies([]),
      { target: { name: "shop", labels: {} }, method: "tools/call", name: "look" },
      { principal: { id: "alice", groups: [] }, client: { id: "cli" } },
    );
    await session.asks(denied("a rule says so", "no-look"));
    await session.asks(denied(reason));
    await session.asks(denied("the task is not the caller's"));
    const { changed, summary } = await resultOf(LIVE);
    expect(changed.map(({ exchange, wasRule, now }) => [exchange, wasRule, now])).toEqual([
      [1, "old/no-look", "allow"],
      [2, undefined, "allow"],
    ]);
    expect(summary.operations).toBe(3);
  });

  test("compares with what was decided last, when that was done again", async () => {
    const session = await Session.open();
    const exchange = await session.sql("select 1");
    await recorder.writer.append({
      recordingId: session.id,
      event: event({ kind: "decision", exchange, at: day.getTime() + 1_001, method: "tools/call" }),
      decision: { effect: "deny", policy: "shop", version: 2, rule: "closed", reason: "closed" },
    });
    const { changed } = await resultOf(LIVE);
    expect(changed).toMatchObject([{ exchange, was: "deny", wasRule: "shop/closed", now: "allow" }]);
  });

  test("knows what ran because somebody approved it", async () => {
    const approved = async (session: Session) => {
      const exchange = await session.asks({
        name: "look",
        decision: { ...ALLOWED, effect: "require_approval", rule: "ask" },
      });
      await recorder.writer.append({
        recordingId: session.id,
        event: event({
          kind: "decision",
          exchange,
          at: day.getTime() + 1_001,
          method: "tools/call",
          attributes: { approval: "5b1f", approvedBy: "bob" },
        }),
        decision: { ...ALLOWED, rule: "ask" },
      });
    };
    const ASK =
      "{ effect: require_approval, approval: { from: [{ group: dba, count: 1 }], expiresIn: 15m }, name: ask";
    const session = await Session.open();
    await approved(session);
    await session.asks({ name: "look", decision: { ...ALLOWED, effect: "require_approval", rule: "ask" } });
    const asking = await resultOf(`    - ${ASK} }\n`);
    expect(asking.summary).toMatchObject({ operations: 2, changed: 0 });
    const open = await resultOf(LIVE);
    expect(open.changed.map(({ exchange, was, now }) => [exchange, was, now])).toEqual([
      [1, "allow with approval", "allow"],
      [2, "require_approval", "allow"],
    ]);
    const once = await resultOf(`    - ${ASK}, when: session.calls < 1 }\n`);
    expect(once.changed.map(({ exchange, now }) => [exchange, now])).toEqual([[2, "deny"]]);
  });

  test("judges as if there were a grant where there was one, and says so where one would be needed", async () => {
    const jit = (rules: string) => ({
      candidates: [policyText("shop", rules, "  access: { mode: jit, activation: self, maxDuration: 4h }\n")],
    });
    const session = await Session.open();
    await session.asks({ name: "look", decision: { ...ALLOWED, grant: { id: "7c2e" } } });
    await session.asks({ name: "look" });
    const { changed } = await resultOf("", jit(LIVE));
    expect(changed.map(({ exchange, now, reason }) => [exchange, now, reason])).toEqual([
      [2, "deny", 'no rule allows tools/call of "look" on target "shop" without a grant of policy "shop"'],
    ]);
    const emergencies = "    - { name: fire, when: grant.breakGlass, effect: deny }\n";
    const reading = await resultOf(
      "",
      jit(LIVE + emergencies.replace("fire, when: ", "fire, when: has(grant.id) && ")),
    );
    expect(reading.changed.map(({ exchange }) => exchange)).toEqual([2]);
    expect(reading.summary).toMatchObject({ uncertain: 1 });
  });

  test("says so where it went by masked arguments", async () => {
    const session = await Session.open();
    const attributes = { ...ALICE, masked: { password: 1 } };
    await session.sql("alter role a password '[REDACTED:password]'", { attributes });
    await session.asks({ name: "look", attributes });
    const { changed, summary } = await resultOf(READ_ONLY);
    expect(changed.map(({ name, uncertain }) => [name, uncertain])).toEqual([
      ["execute_sql", true],
      ["look", false],
    ]);
    expect(summary).toMatchObject({ changed: 2, uncertain: 1 });
  });

  test("counts anew what a session had done by then, also before the period", async () => {
    const session = await Session.open();
    for (let minute = 0; minute < 4; minute++) await session.asks({ name: "look", afterMs: minute * 60_000 });
    const now = async (when: string, changes = {}) =>
      (await resultOf(`    - { name: few, when: ${when}, effect: allow }\n`, changes)).changed.map(
        ({ exchange }) => exchange,
      );
    expect(await now("session.calls < 2")).toEqual([3, 4]);
    expect(await now("session.ageSeconds < 150.0")).toEqual([4]);
    expect(await now("session.calls < 2", { from: new Date(day.getTime() + 180_000).toISOString() })).toEqual(
      [4],
    );
  });

  test("counts the bytes of results where a condition asks for them", async () => {
    const session = await Session.open();
    await session.asks({ name: "look" });
    await recorder.writer.append({
      recordingId: session.id,
      event: response(1, { at: day.getTime() + 1_500, payload: Buffer.alloc(2_000, "x") }),
    });
    await session.asks({ name: "look", afterMs: 2_000 });
    const { changed } = await resultOf(
      "    - { name: few, when: session.resultBytes < 1000, effect: allow }\n",
    );
    expect(changed.map(({ exchange }) => exchange)).toEqual([2]);
  });

  test("leaves out what is not of the period, and what no rule decides", async () => {
    const session = await Session.open();
    await session.asks({ method: "tools/list" });
    await session.asks({ name: "look", afterMs: -1 });
    await session.asks({ name: "look", afterMs: 86_400_000 });
    const { summary } = await resultOf(READ_ONLY);
    expect(summary).toMatchObject({ operations: 0, changed: 0, unreadable: 0 });
  });

  test("counts what cannot be read or judged", async () => {
    const session = await Session.open();
    await session.sql("select 1", { attributes: { masked: {} } });
    await session.sql("select 1");
    await session.sql("select 1");
    const gone = await Session.open({ targetId: session.id });
    await gone.sql("select 1");
    const lost = await Session.open();
    await lost.sql("select 1");
    await lost.sql("select 1");
    const owner = await the.platform.admin.connect();
    await owner.query("set session_replication_role = replica");
    await owner.query(
      "update recording_event set sealed = set_byte(sealed, 40, 255 - get_byte(sealed, 40)) where recording_id = $1 and index = 2",
      [session.id],
    );
    await owner.query(
      "update recording set wrapped_key = decode(repeat('00', octet_length(wrapped_key)), 'hex') where id = $1",
      [lost.id],
    );
    owner.release(true);
    const { summary } = await resultOf(LIVE);
    expect(summary).toMatchObject({ operations: 6, changed: 0, unreadable: 5 });
  });

  test("goes through as many sessions as there were", async () => {
    for (let opened = 0; opened < 205; opened++) await (await Session.open()).asks({ name: "look" });
    const { summary } = await resultOf(READ_ONLY);
    expect(summary).toMatchObject({ operations: 205, changed: 205, counts: [{ count: 205 }] });
  });

  test("tells how far it is, and the whole in the end", async () => {
    const session = await Session.open();
    await Promise.all(Array.from({ length: 2_500 }, () => session.asks({ name: "look" })));
    const { lines, summary } = await resultOf(READ_ONLY);
    const progress = lines.flatMap((line) => (line.line === "progress" ? [line] : []));
    expect(progress[0]).toMatchObject({ done: 0, total: 2_500 });
    expect(progress.at(-1)).toMatchObject({ done: 2_500, total: 2_500 });
    expect(progress.length).toBeGreaterThanOrEqual(4);
    expect(summary).toMatchObject({ operations: 2_500, changed: 2_500 });
  });

  test("ends when its reader leaves; two run at a time, no third", async () => {
    const session = await Session.open();
    await Promise.all(Array.from({ length: 3_000 }, () => session.asks({ name: "look" })));
    const leaving = new AbortController();
    const start = () => backtest(READ_ONLY, {}, "root", leaving.signal);
    const slow = [await start(), await start()];
    expect(slow.map(({ status }) => status)).toEqual([200, 200]);
    const third = await backtest(READ_ONLY);
    expect([third.status, ((await third.json()) as { code: string }).code]).toEqual([
      429,
      "too_many_backtests",
    ]);
    await sleep(100);
    leaving.abort();
    await until(async () => {
      const answer = await backtest(LIVE);
      await answer.text();
      return answer.status === 200;
    });
  });

  test("ends with a line that says so when it fails on the way", async () => {
    await (await Session.open()).asks({ name: "look" });
    await the.platform.admin.query("alter table recording_event rename column sealed to away");
    try {
      expect((await linesOf(READ_ONLY)).at(-1)).toMatchObject({ line: "failed" });
    } finally {
      await the.platform.admin.query("alter table recording_event rename column away to sealed");
    }
  });

  test("is for admins and auditors, and is in the audit log", async () => {
    for (const [who, status] of [
      ["audrey", 200],
      ["olga", 403],
      ["paul", 403],
      ["alice", 403],
    ] as const) {
      const answer = await backtest(LIVE, {}, who);
      await answer.text();
      expect([who, answer.status]).toEqual([who, status]);
    }
    const { rows } = await the.platform.admin.query(
      "select actor, subject, details from audit_event where action = 'policy.backtested' and actor = 'audrey'",
    );
    expect(rows).toEqual([{ actor: "audrey", subject: "shop", details: period() }]);
  });

  test.each([
    ["a period that ends before it begins", () => ({ to: day.toISOString() }), 400, "invalid_request"],
    [
      "a period of 91 days",
      () => ({ to: new Date(day.getTime() + 91 * 86_400_000).toISOString() }),
      400,
      "invalid_request",
    ],
    ["no time", () => ({ from: "yesterday" }), 400, "invalid_request"],
    ["no candidates", () => ({ candidates: [] }), 400, "invalid_request"],
    [
      "a candidate that is wrong",
      () => ({ candidates: [policyText("a", "    - { name: a }\n")] }),
      422,
      "policy_invalid",
    ],
  ])("refuses %s before it begins", async (_what, changes, status, code) => {
    const answer = await backtest(LIVE, changes());
    const body = (await answer.json()) as { code: string; problems: { line?: number }[] };
    expect([answer.status, body.code]).toEqual([status, code]);
    expect(body.problems.length).toBeGreaterThan(0);
  });
});
