import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeSse, sseComment } from "./sse-encoder.js";
import { type SseEvent, SseEventTooLargeError, SseParser } from "./sse-parser.js";

interface Read {
  readonly event: string;
  readonly data: string;
  readonly id?: string | undefined;
  readonly retry?: number | undefined;
}

const readable = (events: readonly SseEvent[]): Read[] =>
  events.map((event) => ({ ...event, data: Buffer.from(event.data).toString("latin1") }));

function read(
  maxBytes: number,
  chunks: readonly Uint8Array[],
): { events: Read[]; refused: boolean; lastId?: string | undefined } {
  const parser = new SseParser(maxBytes);
  const events: Read[] = [];
  try {
    for (const chunk of chunks) events.push(...readable(parser.push(chunk)));
    return { events, refused: false, lastId: parser.lastEventId };
  } catch (error) {
    if (!(error instanceof SseEventTooLargeError)) throw error;
    events.push(...readable(error.completeEvents));
    return { events, refused: true, lastId: parser.lastEventId };
  }
}

const none = { id: undefined, retry: undefined };

describe("SseParser", () => {
  test.each<[string, Read[]]>([
    ["data: a\n\n", [{ event: "message", data: "a", ...none }]],
    [
      "event: e\r\nid: 7\r\nretry: 10\r\ndata:a\r\ndata:  b\r\n\r\n",
      [{ event: "e", data: "a\n b", id: "7", retry: 10 }],
    ],
    [
      "data: a\r\rdata: b\r\r",
      [
        { event: "message", data: "a", ...none },
        { event: "message", data: "b", ...none },
      ],
    ],
    ["\uFEFFdata: a\n\n", [{ event: "message", data: "a", ...none }]],
    ["data\n\n", [{ event: "message", data: "", ...none }]],
    ["id: 1\ndata:\n\n", [{ event: "message", data: "", id: "1", retry: undefined }]],
    ["data\ndata\n\n", [{ event: "message", data: "\n", ...none }]],
    [": comment\n\n:\n\n", []],
    ["event: e\nid: 1\n\n", []],
    ["data: unfinished\n", []],
    ["unknown: a\nDATA: b\ndata: c\n\n", [{ event: "message", data: "c", ...none }]],
    ["id: a\0b\nretry: soon\ndata: c\n\n", [{ event: "message", data: "c", ...none }]],
    ["event:\ndata: c\n\n", [{ event: "message", data: "c", ...none }]],
  ])("reads %j", (stream, events) => {
    expect(read(1000, [Buffer.from(stream)]).events).toEqual(events);
  });

  test("remembers the last id and the time to wait, also of what is no event", () => {
    const parser = new SseParser(100);
    parser.push(Buffer.from("id: 1\ndata: a\n\nid: 2\nretry: 30\n\ndata: b\n\nid: 3\n"));
    expect(parser.lastEventId).toBe("2");
    expect(parser.retry).toBe(30);
  });

  test("leaves the bytes of the data alone", () => {
    const bytes = Buffer.from([0x64, 0x61, 0x74, 0x61, 0x3a, 0xff, 0xc3, 0x0a, 0x0a]);
    expect([...(new SseParser(100).push(bytes)[0]?.data ?? [])]).toEqual([0xff, 0xc3]);
  });

  test.each([
    ["data: 1234\n\n", false],
    ["data: 1234\r\n\r\ndata: 1234\r\n\r\n", false],
    ["data: 12345\n\n", true],
    ["data\ndata\nda\n\n", false],
    ["data\ndata\ndata\n", true],
    [": 12345678", false],
    [": 123456789", true],
  ])("with at most 10 bytes an event, %j is refused: %s", (stream, refused) => {
    expect(read(10, [Buffer.from(stream)]).refused).toBe(refused);
  });

  test("stays refused, and says what was complete before", () => {
    const parser = new SseParser(8);
    expect(() => parser.push(Buffer.from("data:a\n\ndata:1234567"))).toThrow(
      expect.objectContaining({ completeEvents: [expect.objectContaining({ event: "message" })] }),
    );
    expect(() => parser.push(Buffer.from("\n"))).toThrow(SseEventTooLargeError);
  });

  test("gives the same events however the stream is cut", () => {
    const piece = fc.oneof(
      fc.constantFrom(
        "\n",
        "\r",
        "\r\n",
        "\n\n",
        ":",
        " ",
        "data: x",
        "data",
        "id: 1",
        "event: e",
        "retry: 5",
        "\uFEFF",
      ),
      fc.string({ unit: "binary", maxLength: 4 }),
    );
    const stream = fc.array(piece).map((pieces) => Buffer.from(pieces.join("")));
    fc.assert(
      fc.property(stream, fc.nat({ max: 40 }), fc.array(fc.nat({ max: 3 })), (bytes, maxBytes, sizes) => {
        expect(read(maxBytes, cut(bytes, sizes))).toEqual(read(maxBytes, [bytes]));
      }),
      { numRuns: 1000 },
    );
  });
});

describe("encodeSse", () => {
  test("writes the fields that are given, and several lines of data", () => {
    const bytes = encodeSse({ id: "1", event: "e", data: "a\nb\r\nc\rd", retry: 5 });
    expect(Buffer.from(bytes).toString()).toBe(
      "id: 1\nevent: e\nretry: 5\ndata: a\ndata: b\ndata: c\ndata: d\n\n",
    );
    expect(Buffer.from(encodeSse({ data: new Uint8Array() })).toString()).toBe("data: \n\n");
  });

  test("refuses fields that would end the line, and a time that is no whole number", () => {
    expect(() => encodeSse({ id: "1\ndata: x", data: "" })).toThrow(RangeError);
    expect(() => encodeSse({ event: "e\r", data: "" })).toThrow(RangeError);
    expect(() => encodeSse({ retry: 0.5, data: "" })).toThrow(RangeError);
    expect(() => sseComment("a\nb")).toThrow(RangeError);
  });

  test("is read back as it was, with line ends as newlines", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }),
        fc.string({ unit: "grapheme-ascii" }),
        fc.nat(),
        (data, id, retry) => {
          const stream = Buffer.concat([
            sseComment("still here"),
            encodeSse({ id, data, retry }),
            sseComment(),
          ]);
          const [event, ...more] = new SseParser(10_000).push(stream);
          expect(more).toEqual([]);
          expect(Buffer.from(event?.data ?? []).toString()).toBe(data.replace(/\r\n?/g, "\n"));
          expect(event).toMatchObject({ id, retry, event: "message" });
        },
      ),
    );
  });
});

function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let at = 0;
  for (const size of sizes) {
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return [...chunks, bytes.subarray(at)];
}
