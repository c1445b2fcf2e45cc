import type { AppliedLimit } from "@drawbridge/policy";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { Database } from "../platform/database.js";
import { proxyTo } from "../platform/fakes/database-proxy.js";
import { startTestPlatform, type TestPlatform } from "../platform/fakes/test-platform.js";
import { LimitUsageRepository } from "./limit-usage.repository.js";
import { type LimitedBy, Limits, type Taken } from "./limits.service.js";

const HOUR = 3_600_000;
const who: LimitedBy = {
  principal: "alice",
  sessionId: "s1",
  targetId: "t1",
  operation: ["tools/call", "read"],
};

let platform: TestPlatform;
let limits: Limits;
const databases: Database[] = [];
beforeAll(async () => {
  platform = await startTestPlatform();
  limits = anotherProcess();
});
afterAll(async () => {
  await Promise.all(databases.map((database) => database.onModuleDestroy()));
  await platform.stop();
});
beforeEach(() => platform.admin.query("delete from limit_usage"));

/** With connections of its own, as each control plane has. */
function anotherProcess(): Limits {
  const database = new Database(platform.config);
  databases.push(database);
  return new Limits(new LimitUsageRepository(database), { repeat: () => undefined } as never);
}

function limit(what: Partial<AppliedLimit>): AppliedLimit {
  return { policy: "shop", rule: "read", per: "principal", ...what };
}

const calls = (count: number, windowMs = HOUR) => limit({ calls: { count, windowMs } });

function outcomes(taken: readonly Taken[]) {
  return taken.map(({ ok }) => ok);
}

async function times(count: number, of: () => Promise<Taken>): Promise<Taken[]> {
  return Promise.all(Array.from({ length: count }, of));
}

describe("a limit on calls", () => {
  test("lets exactly that many of twenty calls at once through", async () => {
    const taken = await times(20, () => limits.take([calls(7)], who));
    expect(outcomes(taken).filter(Boolean)).toHaveLength(7);
  });

  test("lets exactly that many through over two processes", async () => {
    const other = anotherProcess();
    const both = [
      times(20, () => limits.take([calls(7)], who)),
      times(20, () => other.take([calls(7)], who)),
    ];
    const taken = (await Promise.all(both)).flat();
    expect(outcomes(taken).filter(Boolean)).toHaveLength(7);
  });

  test("says whose it is, and when to try again", async () => {
    await limits.take([calls(1)], who);
    const refused = await limits.take([calls(1)], who);
    expect(refused).toMatchObject({ ok: false, retryAfterSeconds: expect.any(Number) as number });
    expect("reason" in refused && refused.reason).toMatch(
      /^the limit of 1 calls in one hour for each principal, of rule "read" of policy "shop", is used up; try again in \d+ s$/,
    );
  });

  test("does not count a call that never ran", async () => {
    const taken = await limits.take([calls(1)], who);
    if (taken.ok) await taken.hold.giveBack();
    expect(outcomes(await times(2, () => limits.take([calls(1)], who)))).toEqual(
      expect.arrayContaining([true, false]),
    );
  });

  test("has room again when its window has passed", async () => {
    const aSecond = calls(2, 1_000);
    await times(2, () => limits.take([aSecond], who));
    expect((await limits.take([aSecond], who)).ok).toBe(false);
    await expect.poll(async () => (await limits.take([aSecond], who)).ok, { timeout: 5_000 }).toBe(true);
  });

  test("lets no more through than fit into any window, by its own account of the last one", async () => {
    const tenASecond = calls(10, 1_000);
    const allowedAt: number[] = [];
    const until = Date.now() + 3_000;
    while (Date.now() < until) if ((await limits.take([tenASecond], who)).ok) allowedAt.push(Date.now());
    // The window before is taken to have been used evenly, so that a span across two of them may see some more.
    const most = Math.max(
      ...allowedAt.map((at) => allowedAt.filter((other) => other >= at && other < at + 1000).length),
    );
    expect(most).toBeLessThanOrEqual(15);
    expect(allowedAt.length).toBeGreaterThan(15);
  });

  test.each([
    ["principal", { principal: "bob" }],
    ["session", { sessionId: "s2" }],
    ["target", { targetId: "t2" }],
    ["tool", { operation: ["tools/call", "write"] }],
  ] as const)("counts each %s apart", async (per, change) => {
    const apart = limit({ per, calls: { count: 1, windowMs: HOUR } });
    const others = Object.entries({
      principal: "bob",
      sessionId: "s2",
      targetId: "t2",
      operation: ["tools/call", "write"] as const,
    }).filter(([member]) => !(member in change) && !(per === "tool" && member === "targetId"));
    expect((await limits.take([apart], who)).ok).toBe(true);
    expect((await limits.take([apart], { ...who, ...Object.fromEntries(others) })).ok).toBe(false);
    expect((await limits.take([apart], { ...who, ...change })).ok).toBe(true);
  });

  test("counts none of its counters when one of them refuses", async () => {
    const both = [calls(5), limit({ rule: "other", calls: { count: 1, windowMs: HOUR } })];
    await limits.take(both, who);
    await times(3, () => limits.take(both, who));
    const { rows } = await platform.admin.query<{ used: string }>(
      "select used from limit_usage order by used",
    );
    expect(rows.map(({ used }) => used)).toEqual(["1", "1"]);
  });

  test("counts once, by the lower number, what a rule limits twice", async () => {
    const twice = [calls(5), calls(1)];
    expect(outcomes([await limits.take(twice, who), await limits.take(twice, who)])).toEqual([true, false]);
  });

  test("many counters at once never wait for each other forever", async () => {
    const [one, other] = [calls(1000), limit({ rule: "other", calls: { count: 1000, windowMs: HOUR } })];
    const taken = await Promise.all([
      times(20, () => limits.take([one, other], who)),
      times(20, () => limits.take([other, one], who)),
    ]);
    expect(outcomes(taken.flat()).every(Boolean)).toBe(true);
  });
});

describe("a limit on calls at the same time", () => {
  const two = limit({ concurrent: 2 });

  test("lets exactly that many of twenty at once through, over two processes, and as many again when they end", async () => {
    const other = anotherProcess();
    const ask = () =>
      Promise.all([times(10, () => limits.take([two], who)), times(10, () => other.take([two], who))]);
    const first = (await ask()).flat();
    expect(outcomes(first).filter(Boolean)).toHaveLength(2);
    await Promise.all(first.flatMap((taken) => (taken.ok ? [taken.hold.release()] : [])));
    expect(outcomes((await ask()).flat()).filter(Boolean)).toHaveLength(2);
  });

  test("gives no place twice when it is released twice", async () => {
    const [first] = await times(2, () => limits.take([two], who));
    if (first?.ok) await Promise.all([first.hold.release(), first.hold.release(), first.hold.giveBack()]);
    expect(outcomes(await times(3, () => limits.take([two], who))).filter(Boolean)).toHaveLength(1);
  });

  test("has the places of a process that died when they lapse, and not before", async () => {
    await times(2, () => limits.take([two], who));
    const inMs = (ms: number) =>
      platform.admin.query(
        `update limit_usage set places = (select jsonb_object_agg(key, value::text::bigint - $1::bigint) from jsonb_each(places))`,
        [ms],
      );
    await inMs(50_000);
    expect((await limits.take([two], who)).ok).toBe(false);
    await inMs(11_000);
    expect((await limits.take([two], who)).ok).toBe(true);
    const { rows } = await platform.admin.query<{ count: number }>(
      "select (select count(*)::int from jsonb_object_keys(places)) as count from limit_usage",
    );
    expect(rows).toEqual([{ count: 1 }]);
  });

  test("keeps the places of calls that take long", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    const patient = anotherProcess();
    patient.onModuleInit();
    try {
      await times(2, () => patient.take([two], who));
      await platform.admin.query(
        `update limit_usage set places = (select jsonb_object_agg(key, value::text::bigint - 40000) from jsonb_each(places))`,
      );
      vi.advanceTimersByTime(20_000);
      const left =
        "select min(value::text::bigint - extract(epoch from now()) * 1000)::int as ms from limit_usage, jsonb_each(places)";
      await expect
        .poll(async () => (await platform.admin.query<{ ms: number }>(left)).rows[0]?.ms)
        .toBeGreaterThan(50_000);
    } finally {
      patient.onModuleDestroy();
      vi.useRealTimers();
    }
  });

  test("says that one has to end", async () => {
    await times(2, () => limits.take([two], who));
    const refused = await limits.take([two], who);
    expect("reason" in refused && refused.reason).toContain("2 calls at the same time");
    expect(refused).not.toHaveProperty("retryAfterSeconds");
  });
});

describe("a limit on the bytes of results", () => {
  const hundred = limit({ resultBytes: { bytes: 100, windowMs: HOUR } });

  test("counts what is delivered, and withholds what would go over", async () => {
    const taken = await limits.take([hundred], who);
    if (!taken.ok) throw new Error("refused");
    expect(await taken.hold.countResult(60)).toBeUndefined();
    expect(await taken.hold.countResult(41)).toMatchObject({
      retryAfterSeconds: expect.any(Number) as number,
    });
    expect(await taken.hold.countResult(40)).toBeUndefined();
  });

  test("lets no call run any more when all of it is used", async () => {
    const taken = await limits.take([hundred], who);
    if (taken.ok) await taken.hold.countResult(100);
    expect((await limits.take([hundred], who)).ok).toBe(false);
  });

  test("is exact for results that come at once", async () => {
    const taken = await limits.take([hundred], who);
    if (!taken.ok) throw new Error("refused");
    const counted = await Promise.all(Array.from({ length: 20 }, () => taken.hold.countResult(30)));
    expect(counted.filter((refusal) => refusal === undefined)).toHaveLength(3);
  });

  test("says that waiting does not help where the result alone is larger", async () => {
    const taken = await limits.take([hundred], who);
    const refusal = taken.ok ? await taken.hold.countResult(101) : undefined;
    expect(refusal).not.toHaveProperty("retryAfterSeconds");
    expect(refusal?.reason).toMatch(/ask for less/);
  });
});

test("many who wait for one counter leave connections to others", async () => {
  const database = new Database(platform.config);
  databases.push(database);
  const patient = new Limits(new LimitUsageRepository(database), { repeat: () => undefined } as never);
  await patient.take([calls(100)], who);
  const holder = await platform.admin.connect();
  await holder.query("begin; select * from limit_usage for update");
  const waiting = times(20, () => patient.take([calls(100), limit({ concurrent: 100 })], who));
  await new Promise((resolve) => setTimeout(resolve, 200));
  const others = await Promise.race([
    database.pool.query("select 1 as one"),
    new Promise((resolve) => setTimeout(resolve, 5_000, "nobody answers")),
  ]);
  await holder.query("commit");
  holder.release();
  expect(others).toMatchObject({ rows: [{ one: 1 }] });
  expect(outcomes(await waiting).every(Boolean)).toBe(true);
});

test("a connection that breaks while a call waits for its counters fails the call, and nothing else", async () => {
  const { url, cut, close } = await proxyTo(platform.config.databaseUrl);
  const database = new Database({ ...platform.config, databaseUrl: url });
  const here = new Limits(new LimitUsageRepository(database), { repeat: () => undefined } as never);
  const several = [calls(100), limit({ concurrent: 100 })];
  await here.take(several, who);
  const holder = await platform.admin.connect();
  await holder.query("begin; select * from limit_usage for update");
  const failed = here.take(several, who).then(
    () => undefined,
    (error: unknown) => error,
  );
  await vi.waitFor(async () => {
    const { rows } = await platform.admin.query(
      "select 1 from pg_stat_activity where wait_event_type = 'Lock'",
    );
    expect(rows).toHaveLength(1);
  });
  cut();
  expect(String(await failed)).toMatch(/terminated/);
  await holder.query("commit");
  holder.release();
  expect((await here.take(several, who)).ok).toBe(true);
  await database.onModuleDestroy();
  close();
});

test("what nobody has used for long is forgotten without waiting for who uses it again", async () => {
  await limits.take([calls(5)], who);
  await limits.take([calls(5)], { ...who, principal: "bob" });
  await platform.admin.query("update limit_usage set used_at = now() - interval '3 days'");
  const user = await platform.admin.connect();
  await user.query("begin");
  await user.query("select * from limit_usage where key = (select max(key) from limit_usage) for update");
  await new LimitUsageRepository(databases[0]!).forgetUnused(2 * 86_400_000);
  await user.query("commit");
  user.release();
  const { rows } = await platform.admin.query("select 1 from limit_usage");
  expect(rows).toHaveLength(1);
}, 10_000);

test("what nobody has used for long is forgotten, and what is in use is not", async () => {
  await limits.take([calls(5)], who);
  await limits.take([calls(5)], { ...who, principal: "bob" });
  await platform.admin.query(
    "update limit_usage set used_at = now() - interval '3 days' where key = (select min(key) from limit_usage)",
  );
  await new LimitUsageRepository(databases[0]!).forgetUnused(2 * 86_400_000);
  const { rows } = await platform.admin.query("select 1 from limit_usage");
  expect(rows).toHaveLength(1);
});

test("a database that does not answer is no permission", async () => {
  const database = new Database({ ...platform.config, databaseUrl: "postgres://nobody@127.0.0.1:1/none" });
  const cut = new Limits(new LimitUsageRepository(database), { repeat: () => undefined } as never);
  await expect(cut.take([calls(5)], who)).rejects.toThrow(/ECONNREFUSED/);
  await database.onModuleDestroy();
});
