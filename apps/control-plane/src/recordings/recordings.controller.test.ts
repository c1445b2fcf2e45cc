import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AuditModule } from "../audit/index.js";
import { startTestApi, type TestApi } from "../fakes/index.js";
import { startTestPlatform, type TestPlatform } from "../platform/fakes/test-platform.js";
import {
  chunk,
  closed,
  event,
  newId,
  openSession,
  recordLarge,
  request,
  response,
} from "./fakes/test-recorder.js";
import { RecordingWriter, RecordingsModule } from "./index.js";
import { RecordingEventsRepository } from "./recording-events.repository.js";

const PLANTED = "planted-7f3a";
const MASKED = `{"rows":[{"card":"[REDACTED:card]","note":"${PLANTED}","n":12345678901234567890}]}`;

let platform: TestPlatform;
let api: TestApi;
let writer: RecordingWriter;
let alices: string;
let bobs: string;

beforeAll(async () => {
  platform = await startTestPlatform();
  api = await startTestApi(platform, { imports: [RecordingsModule, AuditModule] });
  api.tokens.add("alice");
  api.tokens.add("bob");
  api.tokens.add("olga", "operator", "admin");
  api.tokens.add("audrey", "auditor");
  writer = api.app.get(RecordingWriter);
  alices = await openSession(platform, writer, { principal: "alice" });
  bobs = await openSession(platform, writer, { principal: "bob", targetName: "files" });
  await writer.append({ recordingId: alices, event: event({ kind: "session_opened" }) });
  await writer.append({
    recordingId: alices,
    event: request(1, { name: "execute_sql" }),
    decision: { effect: "allow", rule: "read" },
  });
  await writer.append({ recordingId: alices, event: response(1, { payload: Buffer.from(MASKED) }) });
  await writer.close(alices, closed());
});
afterAll(async () => {
  await api.stop();
  await platform.stop();
});

async function get(as: string, path: string) {
  const answer = await api.fetch(as, `/api/v1/${path}`);
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

interface Listed {
  items: { id: string; events: number; calls: number; endedAt: string | null }[];
  nextCursor?: string;
}
const list = async (as: string, query = "") =>
  (await get(as, `recordings${query}`)).body as unknown as Listed;

async function audited(subject: string): Promise<string[]> {
  const { rows } = await platform.admin.query<{ actor: string; action: string }>(
    "select actor, action from audit_event where subject = $1 order by id",
    [subject],
  );
  return rows.map(({ actor, action }) => `${actor} ${action}`);
}

describe("GET /recordings", () => {
  test("shows people their own and auditors all, newest first, with counts", async () => {
    const own = await list("alice");
    expect(own.items).toEqual([expect.objectContaining({ id: alices, events: 4, calls: 1 })]);
    expect(own.items[0]!.endedAt).not.toBeNull();
    expect((await list("olga")).items).toEqual([]);
    expect((await list("audrey")).items.map(({ id }) => id)).toEqual([bobs, alices]);
  });

  test("filters by target and principal, and a filter opens nothing", async () => {
    expect((await list("audrey", "?target=shop")).items.map(({ id }) => id)).toEqual([alices]);
    expect((await list("audrey", "?principal=bob")).items.map(({ id }) => id)).toEqual([bobs]);
    expect((await list("alice", "?principal=bob")).items).toEqual([]);
  });

  test("has pages that neither repeat nor leave out anything", async () => {
    const made: string[] = [];
    for (let n = 0; n < 7; n++) made.push(await openSession(platform, writer, { principal: "carol" }));
    api.tokens.add("carol");
    const seen: string[] = [];
    for (let cursor: string | undefined = "", pages = 0; cursor !== undefined; pages++) {
      const page: Listed = await list("carol", `?limit=3${cursor && `&cursor=${cursor}`}`);
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor;
      expect(pages).toBeLessThan(3);
    }
    expect(seen).toEqual(made.toReversed());
  });

  test.each(["?cursor=%00", "?cursor=abc", "?limit=0", "?limit=201"])("refuses %s", async (query) => {
    expect(await get("alice", `recordings${query}`)).toMatchObject({ status: 400 });
  });
});

describe("a recording of somebody else", () => {
  test.each(["", "/events", "/events/2/payload", "/export", "/verify"])(
    "looks like none: %s",
    async (path) => {
      const foreign = await get("bob", `recordings/${alices}${path}`);
      const missing = newId();
      const none = await get("bob", `recordings/${missing}${path}`);
      expect(foreign).toMatchObject({ status: 404, body: { code: "recording_not_found" } });
      expect(JSON.stringify(foreign).replaceAll(alices, "")).toBe(
        JSON.stringify(none).replaceAll(missing, ""),
      );
      expect(await get("olga", `recordings/${alices}${path}`)).toMatchObject({ status: 404 });
    },
  );
});

describe("GET /recordings/:id/events", () => {
  test("opens every event as it was written, and says in the audit log who read", async () => {
    const id = alices;
    const { body } = await get("audrey", `recordings/${id}/events`);
    expect(body["items"]).toMatchObject([
      { index: 0, kind: "session_opened" },
      {
        index: 1,
        kind: "request",
        name: "execute_sql",
        attributes: { decision: { effect: "allow", rule: "read" } },
      },
      { index: 2, kind: "response", payload: MASKED, payloadEncoding: "utf-8" },
      { index: 3, kind: "session_closed" },
    ]);
    expect(body["nextCursor"]).toBeUndefined();
    expect(await audited(id)).toContain("audrey recording.read");
  });

  test("has pages by index", async () => {
    const first = await get("alice", `recordings/${alices}/events?limit=3`);
    const items = (body: Record<string, unknown>) =>
      (body["items"] as { index: number }[]).map(({ index }) => index);
    expect(items(first.body)).toEqual([0, 1, 2]);
    const second = await get(
      "alice",
      `recordings/${alices}/events?limit=3&cursor=${String(first.body["nextCursor"])}`,
    );
    expect(items(second.body)).toEqual([3]);
    expect(second.body["nextCursor"]).toBeUndefined();
    for (const index of ["99", "9999999999"]) {
      const beyond = Buffer.from(index).toString("base64url");
      const { body } = await get("alice", `recordings/${alices}/events?cursor=${beyond}`);
      expect(body).toEqual({ items: [] });
    }
  });

  test("cuts a page before it gets too large", async () => {
    const id = await openSession(platform, writer, { principal: "dora" });
    api.tokens.add("dora");
    const payload = Buffer.from(
      JSON.stringify({ noise: crypto.getRandomValues(new Uint8Array(60_000)).join() }),
    );
    for (let n = 0; n < 200; n++) await writer.append({ recordingId: id, event: event({ payload }) });
    let count = 0;
    let pages = 0;
    for (let cursor: string | undefined = ""; cursor !== undefined; pages++) {
      const { body } = await get("dora", `recordings/${id}/events?limit=200${cursor && `&cursor=${cursor}`}`);
      count += (body["items"] as unknown[]).length;
      cursor = body["nextCursor"] as string | undefined;
    }
    expect(count).toBe(200);
    expect(pages).toBeGreaterThan(1);
  });
});

describe("a large response", () => {
  const PARTS = 300;
  const large = Buffer.alloc(PARTS * 256 * 1024 - 100, '{"row":"äöü"} ');
  let id: string;

  beforeAll(async () => {
    api.tokens.add("lara");
    id = await openSession(platform, writer, { principal: "lara" });
    await writer.append({ recordingId: id, event: request(1, { name: "dump" }) });
    await recordLarge(writer, id, [{ exchange: 1, transfer: 1, payload: large }]);
    await writer.append({ recordingId: id, event: chunk(2, Buffer.from("cut off")) });
    await writer.close(id, closed());
  });

  test("is one event of the list, which says how large it is", async () => {
    const first = await get("lara", `recordings/${id}/events?limit=2`);
    expect(first.body["items"]).toMatchObject([
      { index: 0, kind: "request" },
      {
        index: PARTS + 1,
        kind: "response",
        attributes: { stored: { transfer: 1, first: 1, last: PARTS, bytes: large.length, parts: PARTS } },
      },
    ]);
    const cursor = String(first.body["nextCursor"]);
    const second = await get("lara", `recordings/${id}/events?limit=2&cursor=${cursor}`);
    expect(second.body).toMatchObject({ items: [{ index: PARTS + 3, kind: "session_closed" }] });
    expect(second.body["nextCursor"]).toBeUndefined();
  });

  test("can be downloaded byte for byte, and that is in the audit log", async () => {
    const answer = await api.fetch("lara", `/api/v1/recordings/${id}/events/${PARTS + 1}/payload`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-length")).toBe(String(large.length));
    expect(answer.headers.get("content-disposition")).toContain("attachment");
    expect(Buffer.from(await answer.arrayBuffer()).equals(large)).toBe(true);
    expect(await audited(id)).toContain("lara recording.read");
  });

  test("is whole to verification, and its export holds every chunk", async () => {
    expect((await get("lara", `recordings/${id}/verify`)).body).toMatchObject({
      ok: true,
      events: PARTS + 4,
    });
    const text = await (await api.fetch("lara", `/api/v1/recordings/${id}/export`)).text();
    const events = text
      .trimEnd()
      .split("\n")
      .slice(1)
      .map((line) => JSON.parse(line) as Record<string, string>);
    const chunks = events.filter(({ kind }) => kind === "response_chunk").slice(0, PARTS);
    const bytes = chunks.map(({ payload, payloadEncoding }) =>
      Buffer.from(payload!, payloadEncoding === "base64" ? "base64" : "utf8"),
    );
    expect(Buffer.concat(bytes).equals(large)).toBe(true);
  });

  test("that lost a chunk breaks off its download, and verification says where", async () => {
    const damaged = await openSession(platform, writer, { principal: "lara" });
    await recordLarge(writer, damaged, [{ exchange: 1, transfer: 1, payload: large.subarray(0, 2_000_000) }]);
    const owner = await platform.admin.connect();
    await owner.query("set session_replication_role = replica");
    await owner.query("delete from recording_event where index = 4 and recording_id = $1", [damaged]);
    owner.release(true);
    const download = api.fetch("lara", `/api/v1/recordings/${damaged}/events/8/payload`);
    await expect(download.then((answer) => answer.arrayBuffer())).rejects.toThrow(/terminated|failed/);
    const { body } = await get("lara", `recordings/${damaged}/verify`);
    expect(body).toMatchObject({ ok: false, events: 4 });
  });
});

describe("GET /recordings/:id/events/:index/payload", () => {
  test("is what an event says", async () => {
    const answer = await api.fetch("alice", `/api/v1/recordings/${alices}/events/2/payload`);
    expect(await answer.text()).toBe(MASKED);
  });

  test.each(["4", "9999999999"])("says 404 when there is no event %s", async (index) => {
    expect(await get("alice", `recordings/${alices}/events/${index}/payload`)).toMatchObject({
      status: 404,
      body: { code: "recording_not_found" },
    });
  });

  test.each(["-1", "x", "1e3", "99999999999"])("refuses %s", async (index) => {
    expect(await get("alice", `recordings/${alices}/events/${index}/payload`)).toMatchObject({ status: 400 });
  });
});

describe("GET /recordings/:id/export", () => {
  test("is a header and one line per event, with the masked text as it was written", async () => {
    const answer = await api.fetch("alice", `/api/v1/recordings/${alices}/export`);
    expect(answer.headers.get("content-type")).toBe("application/jsonl; charset=utf-8");
    const lines = (await answer.text())
      .trimEnd()
      .split("\n")
      .map((text) => JSON.parse(text) as Record<string, unknown>);
    expect(lines[0]).toMatchObject({ type: "recording", id: alices, events: 4 });
    expect(
      lines.slice(1).map(({ type, index, kind }) => `${String(type)} ${String(index)} ${String(kind)}`),
    ).toEqual(["event 0 session_opened", "event 1 request", "event 2 response", "event 3 session_closed"]);
    expect(lines[3]!["payload"]).toBe(MASKED);
    expect(await audited(alices)).toContain("alice recording.exported");
  });

  test("finds a planted value, which the stored rows do not show", async () => {
    expect(await (await api.fetch("alice", `/api/v1/recordings/${alices}/export`)).text()).toContain(PLANTED);
    const { rows } = await platform.admin.query<{ sealed: Buffer }>("select sealed from recording_event");
    expect(rows.some(({ sealed }) => sealed.includes(PLANTED))).toBe(false);
  });

  test("reads no further than its reader does", async () => {
    const id = await openSession(platform, writer, { principal: "erin" });
    api.tokens.add("erin");
    const payload = Buffer.alloc(4 * 1024 * 1024);
    for (let at = 0; at < payload.length; at += 65_536)
      crypto.getRandomValues(payload.subarray(at, at + 65_536));
    for (let n = 0; n < 16; n++) await writer.append({ recordingId: id, event: event({ payload }) });
    const repository = api.app.get(RecordingEventsRepository);
    const slice = repository.slice.bind(repository);
    let rowsRead = 0;
    repository.slice = async (...range) => {
      const rows = await slice(...range);
      rowsRead += rows.length;
      return rows;
    };
    const answer = await api.fetch("erin", `/api/v1/recordings/${id}/export`);
    await sleep(1_000);
    expect(rowsRead).toBeGreaterThan(0);
    expect(rowsRead).toBeLessThan(12);
    let lines = 0;
    for await (const chunk of answer.body!) {
      for (const byte of chunk as Uint8Array) if (byte === 10) lines += 1;
    }
    expect(lines).toBe(17);
    expect(rowsRead).toBe(16);
  });
});

describe("GET /recordings/:id/verify", () => {
  test("says that a recording is whole, with its head", async () => {
    const { rows } = await platform.admin.query<{ head: string }>(
      "select encode(hash, 'hex') as head from recording_event where recording_id = $1 order by index desc limit 1",
      [alices],
    );
    expect((await get("alice", `recordings/${alices}/verify`)).body).toEqual({
      ok: true,
      events: 4,
      head: rows[0]!.head,
      final: true,
    });
  });

  test.each([
    [
      "a changed byte",
      "update recording_event set sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1) where index = 1 and recording_id = $1",
      1,
    ],
    [
      "a changed name in the list",
      "update recording_event set name = 'other' where index = 1 and recording_id = $1",
      1,
    ],
    [
      "a changed rule in the list",
      "update recording_event set rule = 'other' where index = 1 and recording_id = $1",
      1,
    ],
    ["a missing event", "delete from recording_event where index = 1 and recording_id = $1", 1],
    [
      "a cut end of an ended recording",
      "delete from recording_event where index = 3 and recording_id = $1",
      3,
    ],
  ])("finds %s", async (_, sql, sound) => {
    const id = await openSession(platform, writer, { principal: "alice" });
    await writer.append({ recordingId: id, event: event({ kind: "session_opened" }) });
    await writer.append({
      recordingId: id,
      event: request(1, { name: "n" }),
      decision: { effect: "allow", rule: "r" },
    });
    await writer.append({ recordingId: id, event: response(1) });
    await writer.close(id, closed());
    const owner = await platform.admin.connect();
    await owner.query("set session_replication_role = replica");
    await owner.query(sql, [id]);
    owner.release(true);
    const { body } = await get("alice", `recordings/${id}/verify`);
    expect(body).toMatchObject({ ok: false, events: sound });
    expect(body["problem"]).toContain(id);
  });

  test("a damaged recording is an error to read and its export says where it breaks", async () => {
    const id = await openSession(platform, writer, { principal: "alice" });
    await writer.append({ recordingId: id, event: event() });
    await writer.append({ recordingId: id, event: event() });
    const owner = await platform.admin.connect();
    await owner.query("set session_replication_role = replica");
    await owner.query("update recording_event set sealed = '\\x00' where index = 1 and recording_id = $1", [
      id,
    ]);
    owner.release(true);
    expect(await get("alice", `recordings/${id}/events`)).toMatchObject({
      status: 500,
      body: { code: "recording_damaged" },
    });
    const text = await (await api.fetch("alice", `/api/v1/recordings/${id}/export`)).text();
    const lines = text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.map(({ type }) => type)).toEqual(["recording", "event", "damaged"]);
    expect(lines[2]).toMatchObject({ index: 1 });
  });
});
