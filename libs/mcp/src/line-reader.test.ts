import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LineReader, LineTooLongError } from "./line-reader.js";

const text = (lines: readonly Uint8Array[]): string[] =>
  lines.map((line) => Buffer.from(line).toString("latin1"));

/** All lines, and whether it ended with a refusal. */
function read(maxBytes: number, chunks: readonly Uint8Array[]): { lines: string[]; refused: boolean } {
  const reader = new LineReader(maxBytes);
  const lines: string[] = [];
  try {
    for (const chunk of chunks) lines.push(...text(reader.push(chunk)));
    return { lines, refused: false };
  } catch (error) {
    if (!(error instanceof LineTooLongError)) throw error;
    lines.push(...text(error.completeLines));
    return { lines, refused: true };
  }
}

describe("LineReader", () => {
  test("ends lines at newlines, takes a return before one as part of the end, and waits for the rest", () => {
    const reader = new LineReader(100);
    expect(text(reader.push(Buffer.from("a\r\n\nb\rc\n\rd")))).toEqual(["a", "", "b\rc"]);
    expect(reader.pendingBytes).toBe(2);
    expect(text(reader.push(Buffer.from("e\n")))).toEqual(["\rde"]);
    expect(reader.pendingBytes).toBe(0);
  });

  test.each([
    ["12345\n", ["12345"], false],
    ["12345\r\n", ["12345"], false],
    ["12345\r", [], false],
    ["1\n123456\n2\n", ["1"], true],
    ["123456\r\n", [], true],
    ["123456", [], true],
    ["12345\rx", [], true],
  ])("with at most 5 bytes, %j gives %j and refuses: %s", (stream, lines, refused) => {
    expect(read(5, [Buffer.from(stream)])).toEqual({ lines, refused });
  });

  test("stays refused", () => {
    const reader = new LineReader(1);
    expect(() => reader.push(Buffer.from("12"))).toThrow(LineTooLongError);
    expect(() => reader.push(Buffer.from("\n"))).toThrow("the limit is 1 bytes");
  });

  test("gives the same lines and the same refusal however the stream is cut", () => {
    const piece = fc.oneof(fc.constantFrom("\n", "\r", "\r\n"), fc.string({ unit: "binary", maxLength: 8 }));
    const stream = fc.array(piece).map((pieces) => Buffer.from(pieces.join("")));
    fc.assert(
      fc.property(stream, fc.nat({ max: 12 }), fc.array(fc.nat({ max: 5 })), (bytes, maxBytes, sizes) => {
        expect(read(maxBytes, cut(bytes, sizes))).toEqual(read(maxBytes, [bytes]));
      }),
      { numRuns: 1000 },
    );
  });

  test("never gives a line that is too long", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom("a", "\n", "\r") }),
        fc.nat({ max: 4 }),
        (stream, maxBytes) => {
          for (const line of read(maxBytes, [Buffer.from(stream)]).lines) {
            expect(line.length).toBeLessThanOrEqual(maxBytes);
          }
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
