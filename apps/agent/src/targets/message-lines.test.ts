import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type MessageLine, MessageLines } from "./message-lines.js";

const LIMIT = 40;

function readIn(chunks: readonly Uint8Array[]): MessageLine[] {
  const lines = new MessageLines(LIMIT);
  return chunks.flatMap((chunk) => lines.push(chunk));
}

function describeLine(line: MessageLine): string {
  return line.kind === "line"
    ? `line ${Buffer.from(line.bytes).toString("latin1")}`
    : `oversized ${line.excerpt}`;
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [...new Set(places.map((place) => place % (bytes.length + 1)))].toSorted((a, b) => a - b);
  return [...sorted, bytes.length].map((end, index) => bytes.subarray(sorted[index - 1] ?? 0, end));
}

describe("MessageLines", () => {
  test("goes on after a line that is too long", () => {
    const found = readIn([Buffer.from(`one\n${"x".repeat(100)}\ntwo\n`)]);
    expect(found.map(({ kind }) => kind)).toEqual(["line", "oversized", "line"]);
  });

  test("keeps both ends of a line that is too long", () => {
    const long = `{"id":1,${"x".repeat(5_000)},"end":2}`;
    const [found] = readIn([
      Buffer.from(long.slice(0, 30)),
      Buffer.from(long.slice(30, 3_000)),
      Buffer.from(`${long.slice(3_000)}\n`),
    ]);
    expect(found).toMatchObject({ kind: "oversized" });
    const excerpt = found?.kind === "oversized" ? found.excerpt : "";
    expect(excerpt.startsWith('{"id":1,xxx')).toBe(true);
    expect(excerpt.endsWith('xxx,"end":2}')).toBe(true);
  });

  test("finds the same lines wherever the stream is cut", () => {
    const line = fc.oneof(fc.stringMatching(/^[a-z{}"]{0,20}$/), fc.stringMatching(/^[a-z]{30,90}$/));
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 8 }),
        fc.array(fc.nat(400), { maxLength: 12 }),
        (lines, places) => {
          const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(""));
          const whole = readIn([bytes]);
          expect(whole.map(({ kind }) => kind)).toEqual(
            lines.map((text) => (text.length > LIMIT ? "oversized" : "line")),
          );
          const inPieces = readIn(cut(bytes, places));
          expect(inPieces.map(kindAndLine)).toEqual(whole.map(kindAndLine));
        },
      ),
    );
  });
});

/** An excerpt may hold less of a line that was cut early; a whole line may not. */
function kindAndLine(line: MessageLine): string {
  return line.kind === "line" ? describeLine(line) : line.kind;
}
