import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { toExport, type ExportedEvent } from "./event-export.js";
import { openExchanges } from "./open-exchanges.js";
import { EVENT_KINDS } from "./recorded-event.js";
import { keyEncryptionKey, unwrapKey } from "./recording-key.js";
import { genesisHash, openEvent } from "./sealed-event.js";
import { verifyRecording } from "./verify-recording.js";

// Written once by the first release of format version 1. Never written again: it stands for every recording
// an operator has on disk. If a change breaks this test, the change is wrong, not the file.
const fixture = JSON.parse(readFileSync(new URL("fixtures/recording-v1.json", import.meta.url), "utf8")) as {
  recordingId: string;
  keyEncryptionKey: string;
  keyEncryptionKeyId: string;
  wrappedKey: string;
  genesisHash: string;
  rows: { index: number; kind: string; exchange: number; sealed: string; hash: string }[];
  events: ExportedEvent[];
};

const { recordingId } = fixture;
const kek = keyEncryptionKey(Buffer.from(fixture.keyEncryptionKey, "hex"));
const key = unwrapKey(kek, Buffer.from(fixture.wrappedKey, "hex"), recordingId);
const rows = fixture.rows.map((row) => ({
  ...row,
  sealed: Buffer.from(row.sealed, "hex"),
  hash: Buffer.from(row.hash, "hex"),
}));

test("a recording of format version 1 opens to what was recorded", () => {
  let previousHash = genesisHash(recordingId);
  const opened = rows.map((row) => {
    const event = openEvent({ key, recordingId, previousHash, row });
    previousHash = row.hash;
    return toExport(event);
  });
  expect(opened).toEqual(fixture.events);
});

test("a recording of format version 1 verifies with its key and without it", async () => {
  const sound = { ok: true, events: 14, final: true };
  expect(await verifyRecording(recordingId, rows, { key, final: true })).toMatchObject(sound);
  expect(await verifyRecording(recordingId, rows, { final: true })).toMatchObject(sound);
});

test("the ids derived for format version 1 stay the same", () => {
  expect(kek.id).toBe(fixture.keyEncryptionKeyId);
  expect(Buffer.from(genesisHash(recordingId)).toString("hex")).toBe(fixture.genesisHash);
});

test("the fixture holds each kind of version 1, a compressed payload and one that is not text", () => {
  const inFixture = new Set(fixture.rows.map(({ kind }) => kind));
  expect(EVENT_KINDS.slice(0, 12).filter((kind) => !inFixture.has(kind))).toEqual([]);
  expect(fixture.events.map(({ payload }) => payload.length)).toContainEqual(
    expect.toSatisfy((n) => n > 1024),
  );
  expect(fixture.events.map(({ payloadEncoding }) => payloadEncoding)).toContain("base64");
  expect(openExchanges(rows)).toEqual([]);
});
