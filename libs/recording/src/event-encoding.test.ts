import { Buffer } from "node:buffer";
import { constants, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { anyEvent, event, flipBit } from "./fixtures/events.js";
import {
  decodeEvent,
  encodeEvent,
  EventFormatError,
  MAX_EVENT_HEADER_BYTES,
  MAX_EVENT_PAYLOAD_BYTES,
} from "./event-encoding.js";
import type { RecordedEvent } from "./recorded-event.js";

/** Builds the bytes of the drawing by hand, right or wrong. */
function bytesOf(parts: {
  version?: number;
  flags?: number;
  header: string;
  headerLength?: number;
  payload?: Uint8Array;
  payloadLength?: number;
}): Uint8Array {
  const { version = 1, flags = 0, header, payload = new Uint8Array() } = parts;
  const fixed = Buffer.alloc(10);
  fixed[0] = version;
  fixed[1] = flags;
  fixed.writeUInt32BE(parts.headerLength ?? Buffer.byteLength(header), 2);
  fixed.writeUInt32BE(parts.payloadLength ?? payload.length, 6);
  return Buffer.concat([fixed, Buffer.from(header), payload]);
}

const header = '{"kind":"stderr","direction":"target_to_client","exchange":0,"at":1}';

/** What decodeEvent does with the bytes; anything but these two is thrown. */
function outcomeOf(bytes: Uint8Array): "decoded" | "refused" {
  try {
    decodeEvent(bytes);
    return "decoded";
  } catch (error) {
    if (error instanceof EventFormatError) return "refused";
    throw error;
  }
}

function causeOf(bytes: Uint8Array): unknown {
  try {
    decodeEvent(bytes);
    return undefined;
  } catch (error) {
    return (error as Error).cause;
  }
}

describe("encodeEvent and decodeEvent", () => {
  test("give back every event exactly", () => {
    fc.assert(
      fc.property(anyEvent, (original) => {
        const decoded = decodeEvent(encodeEvent(original));
        expect({ ...decoded, payload: Buffer.from(decoded.payload) }).toStrictEqual({
          ...original,
          payload: Buffer.from(original.payload),
        });
      }),
      { numRuns: 500 },
    );
  });

  test("follow the drawing", () => {
    const payload = Buffer.from("oops\n");
    expect(decodeEvent(bytesOf({ header, payload }))).toEqual({
      kind: "stderr",
      direction: "target_to_client",
      exchange: 0,
      at: 1,
      attributes: {},
      payload: new Uint8Array(payload),
    });
  });

  test("compress a long payload that gets smaller and leave every other as it is", () => {
    const repeated = encodeEvent(event({ payload: Buffer.alloc(100_000, '{"id":1},') }));
    expect(repeated.length).toBeLessThan(1_000);
    expect(repeated[1]).toBe(1);

    const atThreshold = encodeEvent(event({ payload: Buffer.alloc(1024, "a") }));
    expect(atThreshold.length).toBeGreaterThan(1024);
    expect(atThreshold[1]).toBe(0);

    const noise = encodeEvent(event({ payload: crypto.getRandomValues(new Uint8Array(5_000)) }));
    expect(noise.length).toBeGreaterThan(5_000);
    expect(noise[1]).toBe(0);
  });

  test("keep a compressed payload of several megabytes byte for byte", () => {
    const payload = Buffer.from(
      JSON.stringify(Array.from({ length: 60_000 }, (_, id) => ({ id, big: "12345678901234567890" }))),
    );
    expect(Buffer.from(decodeEvent(encodeEvent(event({ payload }))).payload).equals(payload)).toBe(true);
  });

  test("keep a numeric text JavaScript could not hold", () => {
    const payload = Buffer.from('{"id":12345678901234567890.10,"id2":1e400}');
    expect(Buffer.from(decodeEvent(encodeEvent(event({ payload }))).payload).toString()).toBe(
      payload.toString(),
    );
  });
});

describe("encodeEvent refuses", () => {
  const cyclic: Record<string, unknown> = {};
  cyclic["self"] = cyclic;

  test.each<[string, Record<string, unknown>]>([
    ["an unknown kind", { kind: "reply" }],
    ["an unknown direction", { direction: "up" }],
    ["a negative exchange", { exchange: -1 }],
    ["a fractional exchange", { exchange: 0.5 }],
    ["an exchange beyond safe integers", { exchange: 2 ** 53 }],
    ["a bigint exchange", { exchange: 1n }],
    ["a missing time", { at: undefined }],
    ["a fractional time", { at: 1.5 }],
    ["a time no date can name", { at: 8_640_000_000_000_001 }],
    ["a method that is no string", { method: 1 }],
    ["a name that is no string", { name: null }],
    ["attributes that are an array", { attributes: [] }],
    ["attributes that are null", { attributes: null }],
    ["an undefined attribute", { attributes: { a: undefined } }],
    ["a NaN attribute", { attributes: { a: Number.NaN } }],
    ["a bigint attribute", { attributes: { a: 1n } }],
    ["a date attribute", { attributes: { a: new Date(0) } }],
    ["a function attribute", { attributes: { toJSON: () => "x" } }],
    ["an array with a hole", { attributes: { a: Array(1) } }],
    ["a cycle", { attributes: cyclic }],
    ["attributes that are too large", { attributes: { a: "x".repeat(MAX_EVENT_HEADER_BYTES) } }],
    ["a text payload", { payload: "{}" }],
    ["a payload that is too large", { payload: new Uint8Array(MAX_EVENT_PAYLOAD_BYTES + 1) }],
  ])("%s", (_, wrong) => {
    expect(() => encodeEvent({ ...event(), ...wrong } as RecordedEvent)).toThrow(EventFormatError);
  });
});

describe("decodeEvent", () => {
  const bomb = zstdCompressSync(Buffer.alloc(256 * 1024 * 1024));

  test.each<[string, Uint8Array]>([
    ["no bytes", new Uint8Array()],
    ["another version", bytesOf({ version: 2, header })],
    ["version 0", bytesOf({ version: 0, header })],
    ["unknown flags", bytesOf({ flags: 2, header })],
    ["a header beyond the end", bytesOf({ header, headerLength: header.length + 1 })],
    ["a header beyond the limit", bytesOf({ header, headerLength: MAX_EVENT_HEADER_BYTES + 1 })],
    ["a payload shorter than it says", bytesOf({ header, payload: Buffer.from("ab"), payloadLength: 3 })],
    ["a payload longer than it says", bytesOf({ header, payload: Buffer.from("abc"), payloadLength: 2 })],
    ["a header that is no JSON", bytesOf({ header: "{" })],
    ["a header that is an array", bytesOf({ header: "[]" })],
    ["a header that is null", bytesOf({ header: "null" })],
    ["a header without a kind", bytesOf({ header: "{}" })],
    ["an unknown header field", bytesOf({ header: header.replace("{", '{"x":1,') })],
    ["a __proto__ header field", bytesOf({ header: header.replace("{", '{"__proto__":{},') })],
    ["attributes that are an array", bytesOf({ header: header.replace("{", '{"attributes":[],') })],
    ["a null method", bytesOf({ header: header.replace("{", '{"method":null,') })],
    ["compression that is none", bytesOf({ flags: 1, header, payload: Buffer.from("ab"), payloadLength: 9 })],
    ["a compressed nothing", bytesOf({ flags: 1, header, payloadLength: 0 })],
    ["a payload that unpacks to more", bytesOf({ flags: 1, header, payload: bomb, payloadLength: 1_000 })],
    [
      "a payload that unpacks to less",
      bytesOf({ flags: 1, header, payload: zstdCompressSync(Buffer.alloc(9)), payloadLength: 10 }),
    ],
    [
      "a payload that claims more than the limit",
      bytesOf({ flags: 1, header, payload: bomb, payloadLength: MAX_EVENT_PAYLOAD_BYTES + 1 }),
    ],
  ])("refuses %s", (_, bytes) => {
    expect(() => decodeEvent(bytes)).toThrow(EventFormatError);
  });

  test("stops unpacking where the payload should end", () => {
    const bytes = bytesOf({ flags: 1, header, payload: bomb, payloadLength: 1_000 });
    expect(causeOf(bytes)).toMatchObject({ code: "ERR_BUFFER_TOO_LARGE" });
  });

  test("refuses a frame that wants more memory than any frame of ours", () => {
    const payload = Buffer.alloc(32 * 1024 * 1024);
    const packed = zstdCompressSync(payload, { params: { [constants.ZSTD_c_windowLog]: 25 } });
    const bytes = bytesOf({ flags: 1, header, payload: packed, payloadLength: payload.length });
    expect(causeOf(bytes)).toMatchObject({ code: "ZSTD_error_frameParameter_windowTooLarge" });
  });

  test.each(['{"kind":"planted"}', '{"kind":planted', '{"planted":1}'])(
    "never quotes content: %s",
    (text) => {
      expect(() => decodeEvent(bytesOf({ header: text }))).toThrow(/^(?!.*planted)event/);
    },
  );

  test("refuses random bytes and never breaks", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(outcomeOf(bytes)).toBe("refused");
      }),
      { numRuns: 1_000 },
    );
  });

  test("never breaks on an event with a flipped bit, and refuses every cut one", () => {
    fc.assert(
      fc.property(anyEvent, fc.nat(), (original, place) => {
        const bytes = encodeEvent(original);
        expect(["decoded", "refused"]).toContain(outcomeOf(flipBit(bytes, place)));
        expect(outcomeOf(bytes.subarray(0, place % bytes.length))).toBe("refused");
      }),
      { numRuns: 500 },
    );
  });
});
