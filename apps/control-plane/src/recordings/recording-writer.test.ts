import { setTimeout as sleep } from "node:timers/promises";
import { unwrapKey, verifyRecording } from "@drawbridge/recording";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startTestPlatform, type TestPlatform } from "../platform/fakes/test-platform.js";
import {
  closed,
  createRecorder,
  event,
  newId,
  openSession,
  request,
  response,
  until,
} from "./fakes/test-recorder.js";
import { openEvents } from "./recording-opening.js";

let platform: TestPlatform;
let recorder: ReturnType<typeof createRecorder>;

beforeAll(async () => {
  platform = await startTestPlatform();
});
afterAll(() => platform.stop());
beforeEach(() => {
  recorder = createRecorder(platform);
});

const open = () => openSession(platform, recorder.writer);

/** One event has a statement of its own; what is appended in one turn shares another. */
const TOGETHER = [1, 3];

const appendTogether = (recordingId: string, count: number) =>
  Promise.all(Array.from({ length: count }, () => recorder.writer.append({ recordingId, event: event() })));

/** The stored recording, verified and opened as far as it is sound. */
async function read(recordingId: string) {
  const { rows } = await platform.admin.query<{ wrapped_key: Buffer }>(
    "select wrapped_key from recording where id = $1",
    [recordingId],
  );
  const key = unwrapKey(recorder.chains.keyEncryptionKey, rows[0]!.wrapped_key, recordingId);
  const stored = await recorder.events.slice(recordingId, {
    from: 0,
    to: 2 ** 31 - 1,
    count: 10_000,
    bytes: 1e9,
  });
  const verification = await verifyRecording(recordingId, stored, { key });
  return { rows: stored, kinds: stored.map(({ kind }) => kind), verification };
}

async function epochNow(): Promise<bigint> {
  const { rows } = await platform.admin.query<{ value: string }>("select value from authorization_epoch");
  return BigInt(rows[0]!.value);
}

/** Ends the application's connections while they work, as a failover does. */
async function breakConnections(): Promise<number> {
  const { rowCount } = await platform.admin.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'drawbridge' and pid <> pg_backend_pid()",
  );
  return rowCount ?? 0;
}

const isWaitingForLock = async () => {
  const { rowCount } = await platform.admin.query(
    "select from pg_stat_activity where application_name = 'drawbridge' and wait_event_type = 'Lock'",
  );
  return rowCount !== 0;
};

/** Holds the epoch as a revocation does that has not committed, until `finish`. */
async function holdEpoch() {
  const client = await platform.admin.connect();
  client.on("error", () => undefined);
  await client.query("begin");
  await client.query("update authorization_epoch set value = value + 1");
  return async (how: "commit" | "rollback") => {
    await client.query(how).catch(() => undefined);
    client.release(true);
  };
}

describe("append", () => {
  test("resolves when the event is committed, with the epoch of that moment", async () => {
    const id = await open();
    const { epoch } = await recorder.writer.append({ recordingId: id, event: request(1) });
    const { rowCount } = await platform.admin.query("select from recording_event where recording_id = $1", [
      id,
    ]);
    expect(rowCount).toBe(1);
    expect(epoch).toBe(await epochNow());
    const started = await platform.admin.query<{ started_at: Date }>(
      "select started_at from recording where id = $1",
      [id],
    );
    expect(started.rows).toEqual([{ started_at: recorder.clock.at }]);
  });

  test("seals the whole decision and lists its effect and rule", async () => {
    const id = await open();
    const decision = { effect: "deny", reason: "no", policy: "shop", version: 3, rule: "read" };
    await recorder.writer.append({
      recordingId: id,
      event: request(1, { attributes: { masked: {} } }),
      decision,
    });
    await recorder.writer.append({ recordingId: id, event: event(), decision: { effect: "allow" } });
    const key = await recorder.chains.keyOf(id);
    const attributes: unknown[] = [];
    const range = { recordingId: id, key, from: 0, to: 2 };
    for await (const { event: sealed } of openEvents(recorder.events, range))
      attributes.push(sealed.attributes);
    expect(attributes).toEqual([{ masked: {}, decision }, { decision: { effect: "allow" } }]);
    expect((await read(id)).rows).toMatchObject([
      { decision: "deny", rule: "read" },
      { decision: "allow", rule: null },
    ]);
  });

  test("keeps the order of calls and one sound chain for each of 20 concurrent recordings", async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, open));
    const calls = Array.from({ length: 50 }, (_, n) =>
      ids.map((recordingId) =>
        recorder.writer.append({ recordingId, event: event({ exchange: n + 1, text: `${n}` }) }),
      ),
    );
    const indexes = await Promise.all(calls.map((round) => Promise.all(round)));
    expect(indexes.map(([first]) => first?.index)).toEqual(Array.from({ length: 50 }, (_, n) => n));
    for (const id of ids) {
      const { rows, verification } = await read(id);
      expect(verification).toMatchObject({ ok: true, events: 50 });
      expect(rows.map(({ exchange }) => exchange)).toEqual(Array.from({ length: 50 }, (_, n) => n + 1));
    }
  });

  test("puts what came while the last commit ran into one commit", async () => {
    const id = await open();
    await Promise.all(
      Array.from({ length: 100 }, () => recorder.writer.append({ recordingId: id, event: event() })),
    );
    const { rows } = await platform.admin.query<{ commits: string }>(
      "select count(distinct xmin::text) as commits from recording_event where recording_id = $1",
      [id],
    );
    expect(Number(rows[0]!.commits)).toBe(1);
  });

  test("takes at most 512 events into a commit", async () => {
    const id = await open();
    await Promise.all(
      Array.from({ length: 1_025 }, () => recorder.writer.append({ recordingId: id, event: event() })),
    );
    const { rows } = await platform.admin.query<{ n: string }>(
      "select count(*) as n from recording_event where recording_id = $1 group by xmin::text order by 1 desc",
      [id],
    );
    expect(rows.map(({ n }) => Number(n))).toEqual([512, 512, 1]);
  });

  test("takes at most 8 MiB into a commit, and a larger event alone", async () => {
    const id = await open();
    const sizes = [3, 3, 3, 9, 1].map((mib) => mib * 1024 * 1024);
    await Promise.all(
      sizes.map((size) =>
        recorder.writer.append({ recordingId: id, event: event({ payload: new Uint8Array(size) }) }),
      ),
    );
    const { rows } = await platform.admin.query<{ n: string }>(
      "select count(*) as n from recording_event where recording_id = $1 group by xmin::text order by min(index)",
      [id],
    );
    expect(rows.map(({ n }) => Number(n))).toEqual([2, 1, 1, 1]);
    expect((await read(id)).verification).toMatchObject({ ok: true, events: 5 });
  });

  test("refuses with overloaded when too much waits, and writes what it took", async () => {
    const id = await open();
    const results = await Promise.allSettled(
      Array.from({ length: 8_200 }, () => recorder.writer.append({ recordingId: id, event: event() })),
    );
    const refused = results.filter((result) => result.status === "rejected");
    expect(refused.length).toBe(8);
    expect(refused[0]!.reason).toMatchObject({ name: "RecordingUnavailableError", reason: "overloaded" });
    expect((await read(id)).verification).toMatchObject({ ok: true, events: 8_192 });
  });

  test("one damaged key, one missing recording and one bad event do not fail the others of their batch", async () => {
    const [good, damaged] = [await open(), await open()];
    await platform.admin.query("update recording set wrapped_key = '\\x00' where id = $1", [damaged]);
    const results = await Promise.allSettled([
      recorder.writer.append({ recordingId: good, event: event() }),
      recorder.writer.append({ recordingId: damaged, event: event() }),
      recorder.writer.append({ recordingId: newId(), event: event() }),
      recorder.writer.append({ recordingId: "no uuid", event: event() }),
      recorder.writer.append({ recordingId: good, event: event({ at: Number.NaN }) }),
      recorder.writer.append({ recordingId: good, event: event() }),
    ]);
    expect(
      results.map((result) => (result.status === "fulfilled" ? "durable" : result.reason.reason)),
    ).toEqual(["durable", "damaged", "not_found", "not_found", "not_recordable", "durable"]);
    expect((await read(good)).verification).toMatchObject({ ok: true, events: 2 });
  });

  test.each(TOGETHER)(
    "text that Postgres refuses or that is too long for a list fails none of %i and is sealed as it was",
    async (count) => {
      const id = await open();
      const name = `nul \0 half \uD800 ${"x".repeat(5_000)}`;
      const odd = request(1, { name, method: "\0".repeat(3_000) });
      const entry = { recordingId: id, event: odd, decision: { effect: "allow", rule: "read \0" } };
      await Promise.all(Array.from({ length: count }, () => recorder.writer.append(entry)));
      const { rows, verification } = await read(id);
      expect(verification).toMatchObject({ ok: true, events: count });
      expect(rows[0]).toMatchObject({ decision: "allow", rule: "read \uFFFD" });
      expect(rows[0]!.name).toHaveLength(1_024);
      expect(rows[0]!.name).toMatch(/^nul \uFFFD half \uFFFD x/);
    },
  );

  test("reads the end of a recording again when it was dropped from memory", async () => {
    recorder.chains.capacity = 2;
    const ids = await Promise.all(Array.from({ length: 5 }, open));
    for (let round = 0; round < 3; round++) {
      for (const recordingId of ids) await recorder.writer.append({ recordingId, event: event() });
    }
    for (const id of ids) expect((await read(id)).verification).toMatchObject({ ok: true, events: 3 });
  });

  test("another process that wrote to the recording costs one more try and nobody else's event", async () => {
    const other = createRecorder(platform);
    const [shared, own] = [await open(), await open()];
    const write = (who: typeof other, recordingId: string) =>
      who.writer.append({ recordingId, event: event() });
    await write(recorder, shared);
    await write(other, shared);
    await Promise.all([write(recorder, own), write(recorder, shared)]);
    await write(other, shared);
    expect((await read(shared)).verification).toMatchObject({ ok: true, events: 4 });
    expect((await read(own)).verification).toMatchObject({ ok: true, events: 1 });
  });
});

describe.each(TOGETHER)("the authorization epoch, of %i events in a commit", (count) => {
  test("a revocation that commits before the append does is seen, even when it began before", async () => {
    const id = await open();
    await recorder.writer.append({ recordingId: id, event: event() });
    const before = await epochNow();
    const finish = await holdEpoch();
    const append = appendTogether(id, count);
    await until(isWaitingForLock);
    await finish("commit");
    for (const { epoch } of await append) expect(epoch).toBe(before + 1n);
  });

  test("a revocation waits for a commit that has read the epoch, so none passes between reading and commit", async () => {
    const id = await open();
    // Another transaction has the row that comes next: the append has read the epoch and cannot commit yet.
    const blocker = await platform.admin.connect();
    await blocker.query("begin");
    await blocker.query(
      "insert into recording_event (recording_id, index, at, kind, exchange, sealed, hash) values ($1, 0, now(), 3, 0, '', '')",
      [id],
    );
    const append = appendTogether(id, count);
    await until(isWaitingForLock);

    const before = await epochNow();
    let revoked = false;
    const revocation = platform.admin
      .query("update authorization_epoch set value = value + 1")
      .then(() => (revoked = true));
    await sleep(200);
    expect(revoked).toBe(false);
    await blocker.query("rollback");
    blocker.release();
    for (const { epoch } of await append) expect(epoch).toBe(before);
    await revocation;
    expect((await recorder.writer.append({ recordingId: id, event: event() })).epoch).toBe(before + 1n);
  });

  test("never goes backwards and is never older than a committed revocation, under concurrency", async () => {
    const id = await open();
    let committed = await epochNow();
    let done = false;
    const revoker = (async () => {
      for (let n = 0; n < 40; n++) {
        await platform.admin.query("update authorization_epoch set value = value + 1");
        committed += 1n;
      }
      done = true;
    })();
    let appends = 0;
    while (!done) {
      const known = committed;
      for (const { epoch } of await appendTogether(id, count)) expect(epoch).toBeGreaterThanOrEqual(known);
      appends += 1;
    }
    await revoker;
    expect(appends).toBeGreaterThan(5);
  });

  test("a table without its row refuses everything", async () => {
    const id = await open();
    await platform.admin.query("create table kept as table authorization_epoch");
    await platform.admin.query("delete from authorization_epoch");
    await expect(appendTogether(id, count)).rejects.toMatchObject({ reason: "database" });
    await platform.admin.query("insert into authorization_epoch table kept");
    await platform.admin.query("drop table kept");
  });
});

describe("when the database fails", () => {
  test("every entry of the batch rejects, and the next one continues a sound chain", async () => {
    const [first, second] = [await open(), await open()];
    for (const recordingId of [first, second]) await recorder.writer.append({ recordingId, event: event() });
    const finish = await holdEpoch();
    const lost = Promise.allSettled(
      [first, second, first].map((recordingId) => recorder.writer.append({ recordingId, event: request(1) })),
    );
    await until(isWaitingForLock);
    expect(await breakConnections()).toBeGreaterThan(0);
    expect((await lost).map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    await finish("rollback");

    await recorder.writer.append({ recordingId: first, event: event() });
    expect(await read(first)).toMatchObject({
      kinds: ["notification", "notification"],
      verification: { ok: true },
    });
  });

  test("an event that was rejected and is stored all the same is continued, not overwritten", async () => {
    const id = await open();
    const append = recorder.events.append.bind(recorder.events);
    recorder.events.append = async (rows) => {
      await append(rows);
      throw new Error("the answer was lost");
    };
    await expect(recorder.writer.append({ recordingId: id, event: request(1) })).rejects.toMatchObject({
      reason: "database",
    });
    recorder.events.append = append;
    recorder.writer.owe({ recordingId: id, event: event({ kind: "not_sent", exchange: 1 }) });
    await until(() => !recorder.writer.isPending(id));
    expect(await read(id)).toMatchObject({ kinds: ["request", "not_sent"], verification: { ok: true } });
  });

  test("what is owed is written when the server is back, before anything newer, once", async () => {
    const id = await open();
    await recorder.writer.append({ recordingId: id, event: request(1) });
    const restarted = new Promise((resolve) =>
      platform.postgres.events.once("restarted", () => resolve(null)),
    );
    const finish = await holdEpoch();
    const lost = recorder.writer.append({ recordingId: id, event: response(1) });
    await Promise.all([
      expect(lost).rejects.toMatchObject({ name: "RecordingUnavailableError", reason: "database" }),
      until(isWaitingForLock).then(() => process.kill(platform.postgres.pid, "SIGKILL")),
    ]);
    await finish("rollback");
    recorder.writer.owe({ recordingId: id, event: event({ kind: "outcome_unknown", exchange: 1 }) });
    expect(recorder.writer.isPending(id, 1)).toBe(true);
    await restarted;
    await until(async () => {
      const attempt = recorder.writer.append({ recordingId: id, event: request(2) });
      return attempt.then(
        () => true,
        () => false,
      );
    });
    const { kinds, verification } = await read(id);
    expect(kinds).toEqual(["request", "outcome_unknown", "request"]);
    expect(verification).toMatchObject({ ok: true });
    expect(recorder.writer.isPending(id)).toBe(false);
  });

  test("what is owed is not written twice when its commit was not answered", async () => {
    const { UnknownOutcomeError } = await import("./recording-events.repository.js");
    const id = await open();
    const append = recorder.events.append.bind(recorder.events);
    let commits = 0;
    recorder.events.append = async (rows) => {
      const epoch = await append(rows);
      commits += 1;
      if (commits === 1) throw new UnknownOutcomeError("the answer was lost");
      return epoch;
    };
    recorder.writer.owe({ recordingId: id, event: event({ kind: "not_sent", exchange: 1 }) });
    recorder.writer.owe({ recordingId: id, event: event({ kind: "outcome_unknown", exchange: 2 }) });
    await until(() => !recorder.writer.isPending(id));
    await recorder.writer.append({ recordingId: id, event: event() });
    expect(await read(id)).toMatchObject({
      kinds: ["not_sent", "outcome_unknown", "notification"],
      verification: { ok: true },
    });
  });

  test("a connection killed under load loses nothing that was acknowledged and repeats nothing", async () => {
    const ids = await Promise.all(Array.from({ length: 4 }, open));
    const acknowledged = new Map<string, number[]>(ids.map((id) => [id, []]));
    let rejected = 0;
    let stop = false;
    const work = ids.map(async (recordingId) => {
      for (let exchange = 1; !stop; exchange++) {
        try {
          await recorder.writer.append({ recordingId, event: event({ exchange }) });
          acknowledged.get(recordingId)!.push(exchange);
        } catch {
          rejected += 1;
          recorder.writer.owe({ recordingId, event: event({ kind: "not_sent", exchange }) });
        }
      }
    });
    for (let n = 0; n < 10; n++) {
      await sleep(60);
      await breakConnections();
    }
    stop = true;
    await Promise.all(work);
    // Until the pool has heard of the last broken connections, so that reading gets none of them.
    await sleep(200);
    await until(() => ids.every((id) => !recorder.writer.isPending(id)));
    expect(rejected).toBeGreaterThan(0);
    for (const id of ids) {
      const { rows, verification } = await read(id);
      expect(verification).toMatchObject({ ok: true });
      const of = (kind: string) => rows.filter((row) => row.kind === kind).map(({ exchange }) => exchange);
      expect(of("notification")).toEqual(expect.arrayContaining(acknowledged.get(id)!));
      expect(new Set(of("notification")).size).toBe(of("notification").length);
      expect(new Set(of("not_sent")).size).toBe(of("not_sent").length);
    }
  });
});

describe("close", () => {
  test("writes the last event and the end, refuses what comes later, and may be repeated", async () => {
    const id = await open();
    await recorder.writer.close(id, closed());
    await recorder.writer.close(id, closed());
    await expect(recorder.writer.append({ recordingId: id, event: event() })).rejects.toMatchObject({
      reason: "ended",
    });
    recorder.writer.owe({ recordingId: id, event: event({ kind: "not_sent", exchange: 1 }) });
    await until(() => !recorder.writer.isPending(id));
    const { kinds, verification } = await read(id);
    expect(kinds).toEqual(["session_closed"]);
    expect(verification).toMatchObject({ ok: true, final: true });
    const ended = await platform.admin.query("select from recording where id = $1 and ended_at is not null", [
      id,
    ]);
    expect(ended.rowCount).toBe(1);
  });

  test("comes after what is owed", async () => {
    const id = await open();
    recorder.writer.owe({ recordingId: id, event: event({ kind: "outcome_unknown", exchange: 1 }) });
    await recorder.writer.close(id, closed());
    expect((await read(id)).kinds).toEqual(["outcome_unknown", "session_closed"]);
  });

  test("accepts only an event that is final", async () => {
    const id = await open();
    await expect(recorder.writer.close(id, event())).rejects.toThrow(TypeError);
  });
});

test("a recording that was not committed with its session does not exist", async () => {
  const id = newId();
  await platform.database
    .transaction(async (transaction) => {
      await recorder.writer.create(transaction, id);
      throw new Error("the session was refused");
    })
    .catch(() => undefined);
  await expect(recorder.writer.append({ recordingId: id, event: event() })).rejects.toMatchObject({
    reason: "not_found",
  });
});

test("waits at shutdown until what is owed is written", async () => {
  const id = await open();
  recorder.writer.owe({ recordingId: id, event: event({ kind: "not_sent", exchange: 1 }) });
  await recorder.writer.onModuleDestroy();
  expect((await read(id)).kinds).toEqual(["not_sent"]);
});

test.each([
  "update recording_event set sealed = ''",
  "delete from recording_event",
  "truncate recording_event",
  "update audit_event set actor = ''",
  "delete from audit_event",
])("the application's role may not: %s", async (sql) => {
  await expect(platform.database.pool.query(sql)).rejects.toMatchObject({ code: "42501" });
});
