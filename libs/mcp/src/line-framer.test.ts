import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cut, sizes } from "./fixtures/cuts.js";
import { joinedFrames } from "./fixtures/joined-frames.js";
import { LineFramer } from "./line-framer.js";

const read = (wholeBytes: number, chunks: readonly Uint8Array[]) =>
  joinedFrames(new LineFramer(wholeBytes), chunks);
const whole = (text: string) => ({ text, isLarge: false });
const large = (text: string) => ({ text, isLarge: true });

describe("LineFramer", () => {
  test("ends lines at newlines, takes a return before one as part of the end, and waits for the rest", () => {
    const framer = new LineFramer(100);
    expect(joinedFrames(framer, [Buffer.from("a\r\n\nb\rc\n\rd")]).frames).toEqual(
      ["a", "", "b\rc"].map(whole),
    );
    expect(joinedFrames(framer, [Buffer.from("e\n")]).frames).toEqual([whole("\rde")]);
  });

  test.each([
    ["12345\n", [whole("12345")]],
    ["12345\r\n", [whole("12345")]],
    ["12345\r", []],
    ["123456\n", [large("123456")]],
    ["123456\r\n", [large("123456")]],
    ["1234567\r\n", [large("1234567")]],
    ["12345\r\r\n", [large("12345\r")]],
    ["12345\rx\n", [large("12345\rx")]],
    ["1\n123456\n2\n", [whole("1"), large("123456"), whole("2")]],
    ["123456\n\n123456\n", [large("123456"), whole(""), large("123456")]],
  ])("with at most 5 bytes, %j gives %j", (stream, frames) => {
    expect(read(5, [Buffer.from(stream)]).frames).toEqual(frames);
  });

  test("begins a large line before it has all come, and holds back only what may be its end", () => {
    const framer = new LineFramer(2);
    expect(framer.push(Buffer.from("ab"))).toEqual([]);
    expect(framer.push(Buffer.from("c\r")).map(({ kind }) => kind)).toEqual(["begin", "part"]);
    expect(framer.push(Buffer.from("d"))).toEqual([
      { kind: "part", bytes: Buffer.from("\r") },
      { kind: "part", bytes: Buffer.from("d") },
    ]);
    expect(framer.push(Buffer.from("\r"))).toEqual([]);
    expect(framer.push(Buffer.from("\n"))).toEqual([{ kind: "end" }]);
  });

  const piece = fc.oneof(fc.constantFrom("\n", "\r", "\r\n"), fc.string({ unit: "binary", maxLength: 8 }));
  const stream = fc.array(piece).map((pieces) => Buffer.from(pieces.join("")));

  test("gives the same lines however the stream is cut", () => {
    fc.assert(
      fc.property(stream, fc.nat({ max: 12 }), sizes, (bytes, wholeBytes, places) => {
        const { frames } = read(wholeBytes, cut(bytes, places));
        expect(frames).toEqual(read(wholeBytes, [bytes]).frames);
      }),
      { numRuns: 1000 },
    );
  });

  test("gives the lines of the stream, large exactly when they are too long to come whole", () => {
    fc.assert(
      fc.property(stream, fc.nat({ max: 12 }), sizes, (bytes, wholeBytes, places) => {
        const lines = bytes
          .toString("latin1")
          .split("\n")
          .slice(0, -1)
          .map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line));
        expect(read(wholeBytes, cut(bytes, places)).frames).toEqual(
          lines.map((line) => (line.length > wholeBytes ? large(line) : whole(line))),
        );
      }),
      { numRuns: 1000 },
    );
  });
});
