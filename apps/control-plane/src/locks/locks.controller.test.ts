import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startTestApi, type TestApi } from "../fakes/index.js";
import { Clock } from "../platform/clock.js";
import { EpochSnapshot, readEpoch } from "../platform/epoch-snapshot.js";
import { HeldClock, startTestPlatform, type TestPlatform } from "../platform/fakes/test-platform.js";
import { LiveLocks, LocksModule } from "./index.js";
import { LocksRepository } from "./locks.repository.js";

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

let platform: TestPlatform;
let api: TestApi;
let clock: HeldClock;

beforeAll(async () => {
  platform = await startTestPlatform();
  api = await startTestApi(platform, { imports: [LocksModule] });
  clock = new HeldClock();
  const live = api.app.get(Clock, { strict: false });
  live.now = () => clock.now();
  api.tokens.add("olga", "operator");
  api.tokens.add("audrey", "auditor");
  api.tokens.add("alice");
  api.tokens.add("bob", "operator");
  await platform.admin.query(
    `insert into target (id, name, agent_group, labels, definition, sealed_values, revision)
     values (gen_random_uuid(), 'shop', 'lab', '{}', '{}', '', 1)`,
  );
});
afterAll(async () => {
  await api.stop();
  await platform.stop();
});
beforeEach(() => {
  clock.at = new Date("2026-11-22T12:00:00.000Z");
});
afterEach(async () => {
  await platform.admin.query("delete from lock");
});

async function call(as: string, method: string, path = "", body?: object, key?: string): Promise<Answer> {
  const response = await api.fetch(as, `/api/v1/locks${path}`, {
    method,
    headers: {
      "content-type": "application/json",
      ...(key === undefined ? {} : { "idempotency-key": key }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Answer["body"] };
}

const lock = (kind: string, subject: string, more: object = {}) =>
  call("olga", "POST", "", { kind, subject, reason: "a stolen laptop", ...more });

async function addSession(principal: string, closed = false): Promise<string> {
  const id = randomUUID();
  await platform.admin.query(
    `insert into session (id, id_hash, principal, oauth_client, target_id, target_name, closed_at)
     values ($1, sha256(gen_random_uuid()::text::bytea), $2, 'cli', gen_random_uuid(), 'shop', case when $3 then now() end)`,
    [id, principal, closed],
  );
  return id;
}

async function addAgent(name: string): Promise<string> {
  const id = randomUUID();
  await platform.admin.query(
    `insert into agent (id, name, agent_group, current_serial, certificate_ends_at, sealing_public_key, version)
     values ($1, $2, 'lab', '00', now(), '', '1')`,
    [id, name],
  );
  return id;
}

describe("setting a lock", () => {
  test("is answered with what is locked, why, by whom and until when", async () => {
    const { status, body } = await lock("principal", "mallory", { duration: "15m" });
    expect(status).toBe(201);
    expect(body).toMatchObject({
      kind: "principal",
      subject: "mallory",
      reason: "a stolen laptop",
      createdBy: "olga",
      createdAt: "2026-11-22T12:00:00.000Z",
      expiresAt: "2026-11-22T12:15:00.000Z",
      releasedAt: null,
    });
    expect((await call("audrey", "GET", `/${String(body["id"])}`)).body).toEqual(body);
  });

  test("is audited and told to who may read locks and to whom it is about", async () => {
    const { body } = await lock("principal", "mallory");
    const id = body["id"];
    const { rows: audited } = await platform.admin.query("select * from audit_event where subject = $1", [
      id,
    ]);
    expect(audited).toMatchObject([{ action: "lock.set", actor: "olga", details: { kind: "principal" } }]);
    const { rows: told } = await platform.admin.query("select * from live_event where subject = $1", [id]);
    expect(told).toMatchObject([
      { kind: "lock.set", principals: ["mallory"], permission: "lock:read", data: { by: "olga" } },
    ]);
  });

  test("tells its reason masked, and shows it as it was written", async () => {
    const reason = `leaked AKIA${"Q3WERTYU".repeat(2)} ${"x".repeat(900)}`;
    const { body } = await lock("principal", "mallory", { reason });
    expect(body).toMatchObject({ reason });
    for (const table of ["audit_event", "live_event"]) {
      const { rows } = await platform.admin.query(`select * from ${table} where subject = $1`, [body["id"]]);
      expect(rows).toHaveLength(1);
      expect(JSON.stringify(rows)).toContain("leaked");
      expect(JSON.stringify(rows)).not.toContain("AKIAQ3");
      expect(JSON.stringify(rows)).not.toContain("x".repeat(600));
    }
  });

  test("tells whose session it is about", async () => {
    const session = await addSession("mallory");
    const { body } = await lock("session", session.toUpperCase());
    expect(body).toMatchObject({ subject: session });
    const { rows } = await platform.admin.query("select principals from live_event where subject = $1", [
      body["id"],
    ]);
    expect(rows).toEqual([{ principals: ["mallory"] }]);
  });

  test("moves the authorization epoch", async () => {
    const before = await readEpoch(platform.database);
    await lock("client", "a-client-nobody-has-seen");
    expect(await readEpoch(platform.database)).toBeGreaterThan(before);
  });

  test("is refused where it is locked already, naming the lock", async () => {
    const first = await lock("principal", "mallory");
    const second = await lock("principal", "mallory");
    expect(second).toMatchObject({ status: 409, body: { code: "already_locked" } });
    expect(second.body["detail"]).toContain(first.body["id"]);
    expect(second.body["detail"]).toContain("a stolen laptop");
  });

  test("succeeds once of several at the same time", async () => {
    const answers = await Promise.all(Array.from({ length: 6 }, () => lock("principal", "mallory")));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
      201, 409, 409, 409, 409, 409,
    ]);
  });

  test("is possible again when the one before is over, though nobody has released it", async () => {
    const first = await lock("principal", "mallory", { duration: "15m" });
    clock.advance(15 * 60_000);
    expect(await lock("principal", "mallory")).toMatchObject({ status: 201 });
    expect((await call("olga", "GET", `/${String(first.body["id"])}`)).body).toMatchObject({
      releasedBy: "expired",
      releasedAt: "2026-11-22T12:15:00.000Z",
    });
  });

  test("happens once for one idempotency key", async () => {
    const body = { kind: "principal", subject: "mallory", reason: "x" };
    const first = await call("olga", "POST", "", body, "k1");
    const second = await call("olga", "POST", "", body, "k1");
    expect(second).toEqual(first);
    expect(first.status).toBe(201);
  });

  test.each([
    ["principal", "olga", "nobody locks themselves out"],
    ["client", "cli", "this is the client you are using: with it locked nobody could unlock it from here"],
    ["principal", "mal\nlory", "the subject holds characters that no name has"],
    ["principal", "mal\ud800lory", "the subject holds characters that no name has"],
    ["target", "nothing-here", "there is no target nothing-here"],
    ["target", "Shop", "the subject must be the name of a target"],
    ["agent", "nobody", "there is no agent nobody"],
    ["agent", "a/b", "the subject must be the name of an agent"],
    ["tool", "shop", "the subject must be target/tool, such as shop/execute_sql"],
    ["tool", "shop/", "the subject must be target/tool, such as shop/execute_sql"],
    ["tool", "/read", "the subject must be target/tool, such as shop/execute_sql"],
    ["tool", "nothing/read", "there is no target of the tool nothing/read"],
    ["session", "1234", "the subject must be the id of a session"],
    [
      "session",
      "01900000-0000-7000-8000-000000000009",
      "there is no open session 01900000-0000-7000-8000-000000000009",
    ],
  ])("is refused for %s %j", async (kind, subject, detail) => {
    expect(await lock(kind, subject)).toMatchObject({ status: 422, body: { code: "lock_invalid", detail } });
  });

  test("is refused for a session that has ended", async () => {
    expect(await lock("session", await addSession("mallory", true))).toMatchObject({ status: 422 });
  });

  test("is refused with what cannot be kept", async () => {
    for (const reason of ["a\0b", "a\ud800b"])
      expect([400, 422]).toContain((await lock("principal", "mallory", { reason })).status);
    expect([400, 422]).toContain((await lock("principal", "mal\0lory")).status);
  });

  test.each([
    { what: "an empty subject", more: { subject: "" } },
    { what: "a subject of 801 characters", more: { subject: "x".repeat(801) } },
    { what: "a duration that is none", more: { duration: "soon" } },
    { what: "an empty reason", more: { reason: "  " } },
    { what: "another kind", more: { kind: "moon" } },
  ])("is refused with $what", async ({ more }) => {
    expect(await lock("principal", "mallory", more)).toMatchObject({ status: 400 });
  });

  test("takes the tool for all that follows the first slash", async () => {
    expect(await lock("tool", "shop/a/b/c")).toMatchObject({ status: 201, body: { subject: "shop/a/b/c" } });
    const { value: locks } = await api.app.get(LiveLocks).atLeast(await readEpoch(platform.database));
    expect(locks.on({ target: "shop", tool: "a/b/c" }, clock.now())).toBeDefined();
    expect(locks.on({ target: "shop", tool: "a" }, clock.now())).toBeUndefined();
    expect(locks.on({ target: "shop" }, clock.now())).toBeUndefined();
  });

  test("is possible with 800 characters", async () => {
    expect(await lock("principal", "é".repeat(800))).toMatchObject({ status: 201 });
  });

  test("needs the right to", async () => {
    for (const who of ["alice", "audrey"])
      expect(await call(who, "POST", "", { kind: "principal", subject: "m", reason: "r" })).toMatchObject({
        status: 403,
      });
    expect(await call("alice", "GET")).toMatchObject({ status: 403 });
  });
});

describe("the list of locks", () => {
  test("shows those in force, newest first, and the others when asked", async () => {
    await lock("principal", "over", { duration: "1m" });
    const released = await lock("principal", "released");
    await call("olga", "POST", `/${String(released.body["id"])}/release`);
    clock.advance(60_000);
    await lock("target", "shop");
    await lock("principal", "mallory");
    const subjects = async (query: string) =>
      ((await call("audrey", "GET", query)).body["items"] as { subject: string }[]).map(
        ({ subject }) => subject,
      );
    expect(await subjects("")).toEqual(["mallory", "shop"]);
    expect(await subjects("?kind=target")).toEqual(["shop"]);
    expect((await subjects("?all=true")).toSorted()).toEqual(["mallory", "over", "released", "shop"]);
    const page = await call("audrey", "GET", "?limit=1");
    expect(await subjects(`?limit=1&cursor=${String(page.body["nextCursor"])}`)).toEqual(["shop"]);
  });

  test("knows no lock that there is not", async () => {
    for (const [method, path] of [
      ["GET", ""],
      ["POST", "/release"],
    ] as const)
      expect(await call("olga", method, `/${randomUUID()}${path}`)).toMatchObject({
        status: 404,
        body: { code: "lock_not_found" },
      });
  });
});

describe("releasing a lock", () => {
  test("is written down, audited and told, once", async () => {
    const { body } = await lock("principal", "mallory");
    const path = `/${String(body["id"])}/release`;
    const first = await call("bob", "POST", path);
    expect(first).toMatchObject({ status: 200, body: { releasedBy: "bob" } });
    const epoch = await readEpoch(platform.database);
    expect(await call("olga", "POST", path)).toEqual(first);
    expect(await readEpoch(platform.database)).toBe(epoch);
    const { rows } = await platform.admin.query(
      "select kind from live_event where subject = $1 order by id",
      [body["id"]],
    );
    expect(rows).toEqual([{ kind: "lock.set" }, { kind: "lock.released" }]);
  });

  test("that ended by itself is done by a job", async () => {
    const { body } = await lock("principal", "mallory", { duration: "15m" });
    await lock("principal", "other");
    clock.advance(15 * 60_000 - 1);
    await api.jobs.run("release-expired-locks");
    expect((await call("olga", "GET", `/${String(body["id"])}`)).body).toMatchObject({ releasedAt: null });
    clock.advance(1);
    await api.jobs.run("release-expired-locks");
    expect((await call("olga", "GET", `/${String(body["id"])}`)).body).toMatchObject({
      releasedBy: "expired",
    });
    const { rows } = await platform.admin.query(
      "select actor from audit_event where subject = $1 and action = $2",
      [body["id"], "lock.released"],
    );
    expect(rows).toEqual([{ actor: "system" }]);
    expect((await call("olga", "GET")).body["items"]).toMatchObject([{ subject: "other" }]);
  });
});

describe("who is locked", () => {
  const ask = async (as: string, path: string) => {
    const response = await api.fetch(as, path);
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };

  test("may ask who they are, and nothing else, from that moment on", async () => {
    await call("bob", "POST", "", { kind: "principal", subject: "olga", reason: "a stolen laptop" });
    expect(await ask("olga", "/api/v1/whoami")).toMatchObject({ status: 200 });
    expect(await ask("olga", "/healthz")).toMatchObject({ status: 200 });
    expect(await ask("olga", "/api/v1/locks")).toMatchObject({
      status: 403,
      body: { code: "locked", detail: "the principal is locked: a stolen laptop" },
    });
    expect(await lock("principal", "mallory")).toMatchObject({ status: 403, body: { code: "locked" } });
  });

  test("cannot release their own lock", async () => {
    const { body } = await call("bob", "POST", "", { kind: "principal", subject: "olga", reason: "x" });
    expect(await call("olga", "POST", `/${String(body["id"])}/release`)).toMatchObject({ status: 403 });
  });

  test("is let in again when it is released, or over", async () => {
    const { body } = await call("bob", "POST", "", { kind: "principal", subject: "olga", reason: "x" });
    expect(await call("olga", "GET")).toMatchObject({ status: 403 });
    await call("bob", "POST", `/${String(body["id"])}/release`);
    expect(await call("olga", "GET")).toMatchObject({ status: 200 });
    await call("bob", "POST", "", { kind: "principal", subject: "olga", reason: "x", duration: "1m" });
    expect(await call("olga", "GET")).toMatchObject({ status: 403 });
    clock.advance(60_000);
    expect(await call("olga", "GET")).toMatchObject({ status: 200 });
  });

  test("is whoever uses a locked client, too", async () => {
    api.tokens.set("carol", { client: "stolen-client", roles: ["user", "operator"] });
    expect(await call("carol", "GET")).toMatchObject({ status: 200 });
    await lock("client", "stolen-client");
    expect(await call("carol", "GET")).toMatchObject({ status: 403, body: { code: "locked" } });
  });

  test("does not learn more than before of routes that are not theirs", async () => {
    await lock("principal", "alice");
    expect(await call("alice", "GET")).toMatchObject({ status: 403, body: { code: "not_permitted" } });
    expect((await api.fetch("nobody", "/api/v1/locks")).status).toBe(401);
  });
});

describe("the locks as decisions see them", () => {
  test("name an agent by its id, and one that joins later under its name by that name", async () => {
    const id = await addAgent("edge-1");
    await lock("agent", "edge-1");
    const { value: locks } = await api.app.get(LiveLocks).atLeast(await readEpoch(platform.database));
    expect(locks.on({ agent: id }, clock.now())).toMatchObject({ kind: "agent", reason: "a stolen laptop" });
    expect(locks.on({ agent: randomUUID() }, clock.now())).toBeUndefined();
    expect(await api.app.get(LiveLocks).ofAgentNamed("edge-1", clock.now())).toMatchObject({ kind: "agent" });
    expect(await api.app.get(LiveLocks).ofAgentNamed("edge-2", clock.now())).toBeUndefined();
  });

  test("hold to the millisecond in which they expire, whoever writes that down", async () => {
    await lock("target", "shop", { duration: "1s" });
    const repository = api.app.get(LocksRepository);
    const snapshot = new EpochSnapshot(platform.database, (transaction) => repository.inForce(transaction));
    const { value } = await snapshot.get();
    expect(value).toHaveLength(1);
    const { value: locks } = await api.app.get(LiveLocks).atLeast(await readEpoch(platform.database));
    const at = (ms: number) => new Date(clock.now().getTime() + ms);
    expect(locks.on({ target: "shop" }, at(999))).toBeDefined();
    expect(locks.on({ target: "shop" }, at(1_000))).toBeUndefined();
  });
});
