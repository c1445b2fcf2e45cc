import { Buffer } from "node:buffer";
import { createCipheriv, createHash, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DamagedRecordingError } from "./damaged-recording-error.js";
import { encodeEvent, EventFormatError } from "./event-encoding.js";
import { anyEvent, event, flipBit } from "./fixtures/events.js";
import { createRecordingKey, type RecordingKey } from "./recording-key.js";
import {
  genesisHash,
  MAX_RECORDED_EVENTS,
  openEvent,
  sealEvent,
  type OpenInput,
  type SealedRow,
} from "./sealed-event.js";

const key = createRecordingKey();
const recordingId = "5f0c2f0e-0000-4000-8000-000000000001";
const previousHash = genesisHash(recordingId);

function sealedRow(original = event(), index = 0): SealedRow {
  const { sealed, hash } = sealEvent({ key, recordingId, index, previousHash, event: original });
  return { index, kind: original.kind, exchange: original.exchange, sealed, hash };
}

/** The problem openEvent reports, which must name the right place. */
function problemOf(input: OpenInput): string | undefined {
  try {
    openEvent(input);
    return undefined;
  } catch (error) {
    if (!(error instanceof DamagedRecordingError)) throw error;
    const placed = error.recordingId === input.recordingId && Object.is(error.index, input.row.index);
    return placed ? error.problem : `reported at ${error.recordingId} ${error.index}`;
  }
}

/** A second writer, made from the drawing alone. Seals any plaintext under any key. */
function sealByTheDrawing(options: {
  key: RecordingKey;
  columns: { index: number; kind: string; exchange: number };
  plain: Uint8Array;
}): SealedRow {
  const { index, kind, exchange } = options.columns;
  const flags = kind === "session_closed" ? 1 : 0;
  const u64 = (value: number) => Buffer.from(value.toString(16).padStart(16, "0"), "hex");
  const aad = Buffer.concat([
    Buffer.from([1, flags]),
    u64(index),
    u64(exchange),
    previousHash,
    Buffer.from([kind.length]),
    Buffer.from(kind),
    Buffer.from([recordingId.length]),
    Buffer.from(recordingId),
  ]);
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", options.key, nonce).setAAD(aad);
  const ciphertext = Buffer.concat([cipher.update(options.plain), cipher.final()]);
  const sealed = Buffer.concat([Buffer.from([1, flags]), nonce, ciphertext, cipher.getAuthTag()]);
  const hash = createHash("sha256")
    .update(Buffer.concat([Buffer.from("drawbridge/recording/event/1\0"), aad, sealed]))
    .digest();
  return { index, kind, exchange, sealed, hash };
}

describe("a sealed event", () => {
  test("opens to exactly what was sealed", () => {
    fc.assert(
      fc.property(anyEvent, fc.nat({ max: MAX_RECORDED_EVENTS - 1 }), (original, index) => {
        const opened = openEvent({ key, recordingId, previousHash, row: sealedRow(original, index) });
        expect({ ...opened, payload: Buffer.from(opened.payload) }).toStrictEqual({
          ...original,
          payload: Buffer.from(original.payload),
        });
      }),
    );
  });

  test.each(["request", "session_closed"] as const)("follows the drawing (%s)", (kind) => {
    const original = event({ kind });
    const columns = { index: 5, kind, exchange: original.exchange };
    const row = sealByTheDrawing({ key, columns, plain: encodeEvent(original) });
    expect(openEvent({ key, recordingId, previousHash, row })).toMatchObject({ kind, name: "execute_sql" });
  });

  test("sealed again at the same place uses another nonce, which shares no bytes with any before", () => {
    const nonces = Array.from({ length: 1_000 }, () =>
      Buffer.from(sealedRow().sealed.subarray(2, 14)).toString("hex"),
    );
    const parts = nonces.flatMap((nonce) =>
      [0, 1, 2, 3, 4, 5, 6].map((at) => nonce.slice(2 * at, 2 * at + 12)),
    );
    expect(new Set(parts).size).toBe(7_000);
  });

  test("shows nothing of its content", () => {
    const sealed = Buffer.from(sealedRow().sealed);
    for (const word of ["execute_sql", "tools/call", "allow", "jsonrpc"]) {
      expect(sealed.includes(word)).toBe(false);
    }
  });

  test("does not open with any bit of it or of its hashes flipped", () => {
    const row = sealedRow();
    for (let bit = 0; bit < row.sealed.length * 8; bit++) {
      const changed = { ...row, sealed: flipBit(row.sealed, bit) };
      expect(problemOf({ key, recordingId, previousHash, row: changed }), `sealed bit ${bit}`).toBeDefined();
    }
    for (let bit = 0; bit < 256; bit++) {
      const hashChanged = { ...row, hash: flipBit(row.hash, bit) };
      expect(problemOf({ key, recordingId, previousHash, row: hashChanged })).toBe("hash_mismatch");
      const previous = flipBit(previousHash, bit);
      expect(problemOf({ key, recordingId, previousHash: previous, row })).toBe("hash_mismatch");
    }
  });

  test.each<[string, Partial<OpenInput>, Partial<SealedRow>, string]>([
    ["another recording", { recordingId: "another" }, {}, "hash_mismatch"],
    ["another index", {}, { index: 1 }, "hash_mismatch"],
    ["another kind", {}, { kind: "response" }, "hash_mismatch"],
    ["another exchange", {}, { exchange: 2 }, "hash_mismatch"],
    ["the last event's kind", {}, { kind: "session_closed" }, "malformed"],
    ["a kind nobody knows", {}, { kind: "x".repeat(1_000) }, "malformed"],
    ["a negative index", {}, { index: -1 }, "malformed"],
    ["an index that is no number", {}, { index: Number.NaN }, "malformed"],
    ["an index beyond the bound", {}, { index: MAX_RECORDED_EVENTS }, "malformed"],
    ["a fractional exchange", {}, { exchange: 1.5 }, "malformed"],
    ["a previous hash cut short", { previousHash: new Uint8Array(31) }, {}, "malformed"],
    ["a hash cut short", {}, { hash: new Uint8Array(31) }, "malformed"],
    ["nothing sealed", {}, { sealed: new Uint8Array() }, "malformed"],
    ["a null where bytes belong", {}, { sealed: null as unknown as Uint8Array }, "malformed"],
    ["a later version", {}, { sealed: Buffer.concat([Buffer.from([2, 0]), Buffer.alloc(40)]) }, "malformed"],
  ])("does not open under %s", (_, input, columns, problem) => {
    const row = { ...sealedRow(), ...columns };
    expect(problemOf({ key, recordingId, previousHash, row, ...input })).toBe(problem);
  });

  test("does not open with another key, nor when forged under another key with a fitting hash", () => {
    const columns = { index: 0, kind: "request", exchange: 1 };
    const forged = sealByTheDrawing({ key: createRecordingKey(), columns, plain: encodeEvent(event()) });
    expect(problemOf({ key, recordingId, previousHash, row: forged })).toBe("not_authentic");
    const wrongKey = createRecordingKey();
    expect(problemOf({ key: wrongKey, recordingId, previousHash, row: sealedRow() })).toBe("not_authentic");
  });

  test.each<[string, Uint8Array]>([
    ["rubbish", Buffer.from("rubbish")],
    ["nothing", new Uint8Array()],
    ["an event of another kind", encodeEvent(event({ kind: "response" }))],
    ["an event of another exchange", encodeEvent(event({ exchange: 2 }))],
  ])("that holds %s is undecodable", (_, plain) => {
    const row = sealByTheDrawing({ key, columns: { index: 0, kind: "request", exchange: 1 }, plain });
    expect(problemOf({ key, recordingId, previousHash, row })).toBe("undecodable");
  });

  test("only opens or is damaged, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.uint8Array({ maxLength: 40 }), (sealed, hash) => {
        const row = { index: 0, kind: "request", exchange: 1, sealed, hash };
        expect(problemOf({ key, recordingId, previousHash, row })).toBeDefined();
      }),
    );
  });
});

describe("sealEvent refuses", () => {
  const input = { key, recordingId, index: 0, previousHash, event: event() };

  test.each([-1, 0.5, Number.NaN, MAX_RECORDED_EVENTS])("index %d", (index) => {
    expect(() => sealEvent({ ...input, index })).toThrow(RangeError);
  });

  test("a previous hash of the wrong length", () => {
    expect(() => sealEvent({ ...input, previousHash: new Uint8Array(20) })).toThrow(RangeError);
  });

  test("an event that breaks its contract", () => {
    expect(() => sealEvent({ ...input, event: event({ exchange: -1 }) })).toThrow(EventFormatError);
  });
});

test("two recordings never start from the same hash", () => {
  expect(genesisHash("r1")).not.toEqual(genesisHash("r2"));
});
