import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cut, sizes } from "./fixtures/cuts.js";
import { joinedFrames } from "./fixtures/joined-frames.js";
import { FrameTooLargeError } from "./frame.js";
import { encodeSse } from "./sse-encoder.js";
import { SseFramer } from "./sse-framer.js";

const read = (wholeBytes: number, chunks: readonly Uint8Array[]) => {
  const framer = new SseFramer(wholeBytes);
  return { ...joinedFrames(framer, chunks), lastEventId: framer.lastEventId, retry: framer.retry };
};
const frames = (stream: string, wholeBytes = 1000) => read(wholeBytes, [Buffer.from(stream)]).frames;
const message = (text: string) => ({ text, isLarge: false, event: "message" });
const large = (text: string) => ({ text, isLarge: true });

describe("SseFramer", () => {
  test.each([
    ["data: a\n\n", [message("a")]],
    ["data:a\r\n\r\ndata: b\r\r", [message("a"), message("b")]],
    ["data:  a \n\n", [message(" a ")]],
    ["data: a\ndata\ndata: b\n\n", [message("a\n\nb")]],
    ["data\n\n", [message("")]],
    ["data: \n\n", [message("")]],
    ["event: ping\ndata: a\n\ndata: b\n\n", [{ ...message("a"), event: "ping" }, message("b")]],
    ["data: a\nevent:\nid: 7\n\n", [{ ...message("a"), id: "7" }]],
    ["id: 7\n\ndata: a\n\n", [message("a")]],
    [": a comment\nunknown: x\ndataX: y\nd: z\n\n", []],
    ["\uFEFFdata: a\n\n", [message("a")]],
    ["\uFEFF\ndata: a\n\n", [message("a")]],
    ["data: a\n\n\uFEFFdata: b\n\n", [message("a")]],
    ["data: not ended\n", []],
    ["data: a: b\n\n", [message("a: b")]],
  ])("%j", (stream, expected) => {
    expect(frames(stream)).toEqual(expected);
  });

  test.each([
    ["data: 12345\n\n", [message("12345")]],
    ["data: 123456\n\n", [large("123456")]],
    ["data: 123\ndata: 45\n\n", [large("123\n45")]],
    ["data: 12\ndata: 34\n\n", [message("12\n34")]],
    ["data: 12345\ndata\n\n", [large("12345\n")]],
    ["data: 123456\r\ndata:\r\ndata: 7\r\n\r\ndata: 8\r\n\r\n", [large("123456\n\n7"), message("8")]],
    [`: ${"x".repeat(9000)}\nid: 1\nx${"y".repeat(9000)}\ndata: 1\n\n`, [{ ...message("1"), id: "1" }]],
  ])("with at most 5 bytes whole, %j", (stream, expected) => {
    expect(frames(stream, 5)).toEqual(expected);
  });

  test("leaves the bytes of the data alone", () => {
    const stream = Buffer.from([0x64, 0x61, 0x74, 0x61, 0x3a, 0xff, 0xc3, 0x0a, 0x0a]);
    expect(read(100, [stream]).frames).toEqual([message("\xff\xc3")]);
  });

  test("remembers the last id and the last retry of events that have ended, with data or without", () => {
    const framer = new SseFramer(3);
    framer.push(Buffer.from("id: 1\nretry: 50\ndata: large\n"));
    expect(framer.lastEventId).toBeUndefined();
    framer.push(Buffer.from("\n"));
    expect([framer.lastEventId, framer.retry]).toEqual(["1", 50]);
    framer.push(Buffer.from("id: 2\nretry: 5x\n\nid: \0\n\ndata: x\n\n"));
    expect([framer.lastEventId, framer.retry]).toEqual(["2", 50]);
    framer.push(Buffer.from("id\n\n"));
    expect(framer.lastEventId).toBe("");
  });

  test.each([
    ["an event of another type", "data: 1\n\nevent: other\ndata: 123456\n\n", undefined],
    ["one that turns out to be of another type", "data: 1\n\ndata: 123456\nevent: other\n\n", "123456"],
    ["a field that is no data", `data: 1\n\nid: ${"x".repeat(9000)}\n\n`, undefined],
  ])("refuses what is too large and %s, after what came before", (_what, stream, open) => {
    const framer = new SseFramer(5);
    const result = joinedFrames(framer, [Buffer.from(stream)]);
    expect(result).toEqual({ frames: [message("1")], open, refused: true });
    expect(() => framer.push(Buffer.from("data: 2\n\n"))).toThrow(FrameTooLargeError);
  });

  const line = fc.oneof(
    fc.constantFrom(
      "data: ",
      "data",
      ":",
      "event: x",
      "event:",
      "id: 1",
      "id",
      "retry: 5",
      "",
      " ",
      "\uFEFF",
    ),
    fc.string({ unit: fc.constantFrom("d", "a", "t", ":", " ", "x", "é"), maxLength: 12 }),
    fc.string({ unit: fc.constantFrom("x", ":"), maxLength: 12 }).map((value) => `data: ${value}`),
  );
  const stream = fc
    .array(fc.tuple(line, fc.constantFrom("\n", "\r", "\r\n", "\n\n", "\r\n\r\n")))
    .map((lines) => Buffer.from(lines.map((parts) => parts.join("")).join("")));

  test("gives the same events, ids, retries and refusals however the stream is cut", () => {
    fc.assert(
      fc.property(stream, fc.nat({ max: 12 }), sizes, (bytes, wholeBytes, places) => {
        expect(read(wholeBytes, cut(bytes, places))).toEqual(read(wholeBytes, [bytes]));
      }),
      { numRuns: 2000 },
    );
  });

  test("reads back what the encoder writes, large or not", () => {
    const data = fc.string({ unit: fc.constantFrom("a", "\n", " ", ":"), maxLength: 20 });
    fc.assert(
      fc.property(fc.array(data), fc.nat({ max: 20 }), sizes, (events, wholeBytes, places) => {
        const bytes = Buffer.concat(events.map((text) => encodeSse({ data: text })));
        expect(read(wholeBytes, cut(bytes, places)).frames).toEqual(
          events.map((text) => (text.length > wholeBytes ? large(text) : message(text))),
        );
      }),
      { numRuns: 1000 },
    );
  });
});
