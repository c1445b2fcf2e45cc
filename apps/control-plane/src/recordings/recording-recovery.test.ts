import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startTestPlatform, type TestPlatform } from "../platform/fakes/test-platform.js";
import {
  chunk,
  closed,
  createRecorder,
  event,
  openSession,
  request,
  response,
  until,
} from "./fakes/test-recorder.js";
import { type Fate, RecordingRecovery } from "./recording-recovery.js";

const SECOND = 1_000;
let platform: TestPlatform;
let recorder: ReturnType<typeof createRecorder>;
let sweep: () => Promise<void>;

beforeAll(async () => {
  platform = await startTestPlatform();
});
afterAll(() => platform.stop());
beforeEach(async () => {
  await platform.admin.query("update recording set ended_at = now()");
  recorder = createRecorder(platform);
});

function recovery(env: { redisUrl?: string } = {}) {
  const { events, recordings, writer, clock } = recorder;
  const config = { ...platform.config, ...env };
  const made = new RecordingRecovery(events, recordings, writer, clock, config);
  sweep = () => made.sweep();
  return made;
}

const ago = (milliseconds: number) => recorder.clock.at.getTime() - milliseconds;

async function kindsOf(id: string) {
  const rows = await recorder.events.slice(id, { from: 0, to: 2 ** 31 - 1, count: 1_000, bytes: 1e9 });
  return rows.map(({ kind, exchange }) => (exchange === 0 ? kind : `${kind} ${exchange}`));
}

async function endSession(id: string, milliseconds: number) {
  await platform.admin.query("update session set closed_at = $2, close_reason = 'idle' where id = $1", [
    id,
    new Date(ago(milliseconds)),
  ]);
}

async function record(id: string, ...events: ReturnType<typeof event>[]) {
  for (const each of events) await recorder.writer.append({ recordingId: id, event: each });
}

const isEnded = async (id: string) =>
  (await platform.admin.query("select from recording where id = $1 and ended_at is not null", [id]))
    .rowCount === 1;

describe("a sweep", () => {
  test("tells of every call from before the start that has no end, and of no other", async () => {
    const id = await openSession(platform, recorder.writer);
    const at = ago(1);
    await record(
      id,
      event({ kind: "session_opened" }),
      request(1, { at }),
      response(1),
      request(2, { at }),
      request(3, { at }),
      event({ kind: "not_sent", exchange: 3 }),
      request(4, { at }),
      event({ kind: "outcome_unknown", exchange: 4 }),
      event({ kind: "notification", at }),
    );
    recovery();
    await sweep();
    await sweep();
    expect((await kindsOf(id)).slice(9)).toEqual(["outcome_unknown 2"]);
  });

  test("tells of a call whose large response was cut off, and ends the recording", async () => {
    const id = await openSession(platform, recorder.writer);
    const at = ago(1);
    await record(
      id,
      request(1, { at }),
      chunk(1, Buffer.from("half of it")),
      request(2, { at }),
      chunk(2, Buffer.from("whole")),
      response(2, { attributes: { stored: { transfer: 2, first: 3, last: 3, bytes: 5 } } }),
    );
    await endSession(id, 120_000);
    recovery();
    await sweep();
    await sweep();
    expect((await kindsOf(id)).slice(5)).toEqual(["outcome_unknown 1", "session_closed"]);
    expect(await isEnded(id)).toBe(true);
  });

  test("leaves a call of this process alone for 60 s and while it is in flight", async () => {
    const id = await openSession(platform, recorder.writer);
    const made = recovery();
    recorder.clock.advance(SECOND);
    const flying = new Set([1]);
    made.setInFlight((_, exchange) => flying.has(exchange));
    await record(id, request(1, { at: ago(0) }), request(2, { at: ago(0) }));
    recorder.clock.advance(59 * SECOND);
    await sweep();
    expect(await kindsOf(id)).toEqual(["request 1", "request 2"]);
    recorder.clock.advance(2 * SECOND);
    await sweep();
    expect(await kindsOf(id)).toEqual(["request 1", "request 2", "outcome_unknown 2"]);
    flying.clear();
    await sweep();
    expect((await kindsOf(id)).slice(3)).toEqual(["outcome_unknown 1"]);
  });

  test("leaves calls alone that wait for people, and knows of those which never were allowed", async () => {
    const id = await openSession(platform, recorder.writer);
    const at = ago(1);
    const asked = { effect: "require_approval", reason: "it asks" } as const;
    const { writer } = recorder;
    for (const exchange of [1, 2, 3]) {
      await writer.append({ recordingId: id, event: request(exchange, { at }), decision: asked });
    }
    const allowed = { effect: "allow", reason: "approved" } as const;
    const again = event({ kind: "decision", exchange: 3 });
    await writer.append({ recordingId: id, event: again, decision: allowed });
    const made = recovery();
    made.setInFlight(() => false);
    const waiting = new Set([1]);
    made.setHeld(async () => [...waiting].map((exchange) => ({ sessionId: id, exchange })));
    await sweep();
    expect((await kindsOf(id)).slice(4).toSorted()).toEqual(["not_sent 2", "outcome_unknown 3"]);
    waiting.clear();
    await sweep();
    expect((await kindsOf(id)).slice(6)).toEqual(["not_sent 1"]);
  });

  test("says of what was to run with an approval what is known of that, once it is", async () => {
    const id = await openSession(platform, recorder.writer);
    const fates: (Fate | Error)[] = ["not sent", "not known", undefined, new Error("the database is away")];
    const made = recovery();
    for (const exchange of [1, 2, 3, 4]) await record(id, request(exchange, { at: ago(1) }));
    made.setFateOf(async ({ sessionId, exchange }) => {
      expect(sessionId).toBe(id);
      const fate = fates[exchange - 1];
      if (fate instanceof Error) throw fate;
      return fate;
    });
    await sweep();
    expect((await kindsOf(id)).slice(4).toSorted()).toEqual(["not_sent 1", "outcome_unknown 2"]);
    fates.fill("not sent");
    await sweep();
    expect((await kindsOf(id)).slice(6).toSorted()).toEqual(["not_sent 3", "not_sent 4"]);
  });

  test("touches no call of this process before it was told what is in flight", async () => {
    const id = await openSession(platform, recorder.writer);
    recovery();
    await record(id, request(1, { at: ago(-SECOND) }));
    recorder.clock.advance(3_600 * SECOND);
    await sweep();
    expect(await kindsOf(id)).toEqual(["request 1"]);
  });

  test("does not tell twice what ended, or is owed, between its look and its word", async () => {
    const id = await openSession(platform, recorder.writer);
    await record(id, request(1, { at: ago(SECOND) }), request(2, { at: ago(SECOND) }));
    const made = recovery();
    const look = recorder.events.openExchanges.bind(recorder.events);
    recorder.events.openExchanges = async (query) => {
      const found = await look(query);
      await record(id, response(1));
      recorder.writer.owe({ recordingId: id, event: event({ kind: "not_sent", exchange: 2 }) });
      return found;
    };
    made.setInFlight(() => false);
    await sweep();
    recorder.events.openExchanges = look;
    await until(() => !recorder.writer.isPending(id));
    await sweep();
    expect((await kindsOf(id)).slice(2)).toEqual(["response 1", "not_sent 2"]);
  });

  test("ends the recording of a closed session, after the calls it left open", async () => {
    const [left, fresh, open] = [
      await openSession(platform, recorder.writer),
      await openSession(platform, recorder.writer),
      await openSession(platform, recorder.writer),
    ];
    await record(left, request(1, { at: ago(SECOND) }));
    recovery().setInFlight(() => false);
    await endSession(left, 61 * SECOND);
    await endSession(fresh, -SECOND);
    await sweep();
    expect(await kindsOf(left)).toEqual(["request 1", "outcome_unknown 1", "session_closed"]);
    expect(await isEnded(left)).toBe(true);
    expect(await kindsOf(fresh)).toEqual([]);
    expect(await kindsOf(open)).toEqual([]);
  });

  test("does not end a recording with a call in flight", async () => {
    const id = await openSession(platform, recorder.writer);
    await record(id, request(1, { at: ago(SECOND) }));
    recovery().setInFlight(() => true);
    await endSession(id, 61 * SECOND);
    await sweep();
    expect(await kindsOf(id)).toEqual(["request 1"]);
  });

  test("marks a recording as ended whose last event is there already", async () => {
    const id = await openSession(platform, recorder.writer);
    await record(id, closed());
    recovery();
    await endSession(id, 61 * SECOND);
    await sweep();
    expect(await kindsOf(id)).toEqual(["session_closed"]);
    expect(await isEnded(id)).toBe(true);
  });

  test("with several replicas it speaks only of closed sessions", async () => {
    const [open, ended] = [
      await openSession(platform, recorder.writer),
      await openSession(platform, recorder.writer),
    ];
    for (const id of [open, ended]) await record(id, request(1, { at: ago(600 * SECOND) }));
    await endSession(ended, 61 * SECOND);
    recovery({ redisUrl: "redis://127.0.0.1:1" }).setInFlight(() => false);
    await sweep();
    expect(await kindsOf(open)).toEqual(["request 1"]);
    expect(await kindsOf(ended)).toEqual(["request 1", "outcome_unknown 1", "session_closed"]);
  });

  test("does nothing while another process sweeps, and one recording that fails stops nobody", async () => {
    const [damaged, good] = [
      await openSession(platform, recorder.writer),
      await openSession(platform, recorder.writer),
    ];
    for (const id of [damaged, good]) await record(id, request(1, { at: ago(SECOND) }));
    await platform.admin.query("update recording set wrapped_key = '\\x00' where id = $1", [damaged]);
    recorder.chains.forget([damaged]);
    recovery();
    await recorder.recordings.alone(async () => {
      await sweep();
      expect(await kindsOf(good)).toEqual(["request 1"]);
    });
    await sweep();
    expect(await kindsOf(good)).toEqual(["request 1", "outcome_unknown 1"]);
    expect(await kindsOf(damaged)).toEqual(["request 1"]);
  });

  test("walks through more than one page", async () => {
    const id = await openSession(platform, recorder.writer);
    await Promise.all(
      Array.from({ length: 1_200 }, (_, n) =>
        recorder.writer.append({ recordingId: id, event: request(n + 1, { at: ago(SECOND) }) }),
      ),
    );
    recovery();
    await sweep();
    const { rows } = await platform.admin.query<{ n: string }>(
      "select count(*) as n from recording_event where recording_id = $1 and kind = 8",
      [id],
    );
    expect(Number(rows[0]!.n)).toBe(1_200);
  });
});
