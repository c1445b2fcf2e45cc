import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DamagedRecordingError, type RecordedEvent } from "@drawbridge/recording";
import { startTestPlatform, type TestPlatform } from "../platform/fakes/test-platform.js";
import {
  chunk,
  closed,
  createRecorder,
  event,
  newId,
  openSession,
  recordLarge,
  request,
  response,
} from "./fakes/test-recorder.js";
import { RecordingReader } from "./recording-reader.js";
import { storedResponse } from "./stored-response.js";

let platform: TestPlatform;
let recorder: ReturnType<typeof createRecorder>;
let reader: RecordingReader;

beforeAll(async () => {
  platform = await startTestPlatform();
  recorder = createRecorder(platform);
  reader = new RecordingReader(recorder.events, recorder.chains);
});
afterAll(() => platform.stop());

async function recorded(...events: RecordedEvent[]): Promise<string> {
  const id = await openSession(platform, recorder.writer);
  for (const each of events) await recorder.writer.append({ recordingId: id, event: each });
  return id;
}

const told = (exchange: number, text: string, changes: Partial<RecordedEvent> = {}) =>
  event({ exchange, text, direction: "target_to_client", ...changes });

async function read(id: string, exchange: number, after = 0): Promise<string[]> {
  const found: string[] = [];
  for await (const { index, event: each } of reader.events(id, {
    exchange,
    after,
    direction: "target_to_client",
  }))
    found.push(`${index} ${each.kind} ${Buffer.from(each.payload).toString()}`);
  return found;
}

async function damage(sql: string, id: string): Promise<void> {
  const owner = await platform.admin.connect();
  await owner.query("set session_replication_role = replica");
  await owner.query(sql, [id]);
  owner.release(true);
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const join = async (pieces: AsyncIterable<Uint8Array>) => Buffer.concat(await all(pieces));

describe("the messages of an exchange", () => {
  test("come in order, those after an index only, and none of another exchange or direction", async () => {
    const id = await recorded(
      request(1),
      request(2),
      told(1, "one"),
      told(2, "other"),
      event({ exchange: 1, text: "from the client", direction: "client_to_target" }),
      told(0, "stderr", { kind: "stderr" }),
      told(1, "asked", { kind: "server_request" }),
      response(1, { payload: Buffer.from("answer") }),
      told(0, "of the session"),
    );
    expect(await read(id, 1)).toEqual(["2 notification one", "6 server_request asked", "7 response answer"]);
    expect(await read(id, 1, 2)).toEqual(["6 server_request asked", "7 response answer"]);
    expect(await read(id, 1, 7)).toEqual([]);
    expect(await read(id, 2)).toEqual(["3 notification other"]);
    expect(await read(id, 0, -1)).toEqual(["8 notification of the session"]);
    expect(await read(id, 3)).toEqual([]);
  });

  test("come page by page, however many they are", async () => {
    const events = Array.from({ length: 250 }, (_, n) => told(1, `${n}`));
    const id = await recorded(request(1), ...events, response(1, { payload: Buffer.from("end") }));
    const found = await read(id, 1);
    expect(found).toHaveLength(251);
    expect(found.at(-1)).toBe("251 response end");
  });

  test("are held a page at a time", async () => {
    const payload = randomBytes(300_000);
    const id = await recorded(
      request(1),
      ...Array.from({ length: 10 }, () => event({ exchange: 1, direction: "target_to_client", payload })),
    );
    const rows = await recorder.events.told(id, { exchange: 1, after: 0, count: 100, bytes: 1024 * 1024 });
    expect(rows).toHaveLength(4);
    expect(await read(id, 1)).toHaveLength(10);
  });

  test("include the end that was written in the target's place", async () => {
    const id = await recorded(
      request(1),
      told(1, "unknown", { kind: "outcome_unknown" }),
      request(2),
      told(2, "not sent", { kind: "not_sent" }),
    );
    expect(await read(id, 1)).toEqual(["1 outcome_unknown unknown"]);
    expect(await read(id, 2)).toEqual(["3 not_sent not sent"]);
  });

  test("are read after the recording has ended, and by a process that did not write it", async () => {
    const id = await recorded(request(1), response(1, { payload: Buffer.from("answer") }));
    await recorder.writer.close(id, closed());
    const other = createRecorder(platform);
    const elsewhere = new RecordingReader(other.events, other.chains);
    const range = { exchange: 1, after: 0, direction: "target_to_client" } as const;
    expect((await all(elsewhere.events(id, range))).map(({ index }) => index)).toEqual([1]);
    expect((await all(reader.events(id, range))).map(({ index }) => index)).toEqual([1]);
  });

  test("of no recording are an error", async () => {
    await expect(read(newId(), 1)).rejects.toMatchObject({ reason: "not_found" });
  });

  test.each([
    [
      "an edited event",
      "update recording_event set sealed = sealed || '\\x00' where index = 1 and recording_id = $1",
    ],
    ["a renamed event", "update recording_event set method = 'other' where index = 1 and recording_id = $1"],
    ["a missing event before it", "delete from recording_event where index = 0 and recording_id = $1"],
  ])("are not believed: %s", async (_, sql) => {
    const id = await recorded(event(), told(0, "x"));
    await damage(sql, id);
    await expect(read(id, 0, -1)).rejects.toThrow(DamagedRecordingError);
  });
});

test("the request of an exchange is found, and none where there is none", async () => {
  const id = await recorded(request(1, { name: "a" }), response(1), request(2, { name: "b" }));
  expect(await reader.request(id, 2)).toMatchObject({ kind: "request", name: "b" });
  expect(await reader.request(id, 3)).toBeUndefined();
  expect(await reader.request(id, 0)).toBeUndefined();
});

test("what was asked of the client and answered comes newest first, page by page", async () => {
  const id = await recorded(
    request(1),
    ...Array.from({ length: 130 }, (_, n) => told(1, `ask ${n}`, { kind: "server_request" })),
    event({ kind: "client_response", direction: "client_to_target", text: "answer" }),
    response(1),
  );
  const found = await all(reader.questions(id));
  const texts = found.map(({ event: { payload } }) => Buffer.from(payload).toString());
  expect(texts).toHaveLength(131);
  expect(texts.slice(0, 2)).toEqual(["answer", "ask 129"]);
  expect(texts.at(-1)).toBe("ask 0");
});

describe("the number of the last exchange", () => {
  test.each<[string, RecordedEvent[], number]>([
    ["is 0 in a recording without one", [event()], 0],
    ["is of a request that runs", [request(1), response(1), request(9)], 9],
    ["is of an end whose request is not stored", [request(1), event({ kind: "not_sent", exchange: 4 })], 4],
  ])("%s", async (_, events, number) => {
    expect(await reader.lastExchange(await recorded(...events))).toBe(number);
  });
});

describe("a large response", () => {
  test("is read back byte for byte, past what else was recorded meanwhile", async () => {
    const id = await recorded(request(1), request(2));
    const large = randomBytes(700_000);
    const other = randomBytes(500_000);
    const stored = await recordLarge(recorder.writer, id, [
      { exchange: 1, transfer: 5, payload: large },
      { exchange: 2, transfer: 6, payload: other },
    ]);
    expect(storedResponse(stored[0]!.attributes)).toMatchObject({ transfer: 5, bytes: 700_000 });
    const back = async (index: number) =>
      (await join(reader.chunks(id, storedResponse(stored[index]!.attributes)!))).equals(
        [large, other][index]!,
      );
    expect(await back(0)).toBe(true);
    expect(await back(1)).toBe(true);
    const found = await read(id, 1);
    expect(found.filter((line) => line.includes("chunk"))).toEqual([]);
    expect(found.at(-1)).toMatch(/ response $/);
  });

  test("has one chunk in memory: the next is read when it is asked for", async () => {
    const id = await recorded(request(1));
    const [{ attributes }] = (await recordLarge(recorder.writer, id, [
      { exchange: 1, transfer: 1, payload: randomBytes(1_000_000) },
    ])) as [RecordedEvent];
    let rows = 0;
    const { events } = recorder;
    const counting = Object.assign(Object.create(events) as typeof events, {
      firstChunk: (...range: Parameters<typeof events.firstChunk>) => {
        rows += 1;
        return events.firstChunk(...range);
      },
    });
    const pieces = new RecordingReader(counting, recorder.chains).chunks(id, storedResponse(attributes)!);
    await pieces.next();
    expect(rows).toBe(1);
    await pieces.next();
    expect(rows).toBe(2);
    await pieces.return(undefined);
  });

  test.each([
    [
      "its last chunk is missing",
      "delete from recording_event where kind = 12 and index = 4 and recording_id = $1",
    ],
    [
      "a chunk in between is missing",
      "delete from recording_event where kind = 12 and index = 2 and recording_id = $1",
    ],
    [
      "a chunk was made another kind",
      "update recording_event set kind = 3 where index = 2 and recording_id = $1",
    ],
    [
      "a chunk was edited",
      "update recording_event set sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1) where index = 2 and recording_id = $1",
    ],
  ])("is no whole response when %s", async (_, sql) => {
    const id = await recorded(request(1));
    const [{ attributes }] = (await recordLarge(recorder.writer, id, [
      { exchange: 1, transfer: 1, payload: randomBytes(1_000_000) },
    ])) as [RecordedEvent];
    await damage(sql, id);
    await expect(join(reader.chunks(id, storedResponse(attributes)!))).rejects.toThrow(DamagedRecordingError);
  });

  test.each([
    [{}, undefined],
    [{ stored: true }, undefined],
    [{ stored: { transfer: 1, first: 2, last: -3, bytes: 4 } }, undefined],
    [{ stored: { transfer: 1, first: 2, last: 3, bytes: 4 } }, { transfer: 1, first: 2, last: 3, bytes: 4 }],
  ])("is where the attributes %j say", (attributes, stored) => {
    expect(storedResponse(attributes)).toEqual(stored);
  });

  test("that was cut off leaves chunks that nobody sees", async () => {
    const id = await recorded(request(1), chunk(3, Buffer.from("half")), told(1, "late"));
    expect(await read(id, 1)).toEqual(["2 notification late"]);
    expect(await read(id, 0, -1)).toEqual([]);
    expect(await reader.lastExchange(id)).toBe(1);
  });
});
