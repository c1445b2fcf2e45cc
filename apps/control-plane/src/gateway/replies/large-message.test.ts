import fc from "fast-check";
import { expect, test } from "vitest";
import { eventsIn } from "../fakes/gateway-under-test.js";
import { dataLines } from "./large-message.js";

/** The event of a message that comes in these pieces, as text. */
async function eventOf(pieces: readonly Uint8Array[], id?: string): Promise<string> {
  const message = {
    bytes: pieces.reduce((bytes, { length }) => bytes + length, 0),
    async *pieces() {
      yield* pieces;
    },
  };
  const written: Uint8Array[] = [];
  for await (const piece of dataLines(message, id)) written.push(piece);
  return Buffer.concat(written).toString("utf8");
}

test("a large message is one event, whatever line ends it has and wherever its pieces are cut", async () => {
  const texts = fc.array(fc.constantFrom("{", "}", "é", "\n", "\r", "\r\n", " ", "x"), { maxLength: 40 });
  const cuts = fc.array(fc.nat(60), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(texts, cuts, async (parts, places) => {
      const bytes = Buffer.from(parts.join(""));
      const ends = [...places.filter((place) => place < bytes.length), bytes.length].toSorted(
        (a, b) => a - b,
      );
      const pieces = ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
      const text = await eventOf(pieces, "3-9");
      expect(text).not.toContain("\r");
      expect(text.indexOf("\n\n")).toBe(text.length - 2);
      expect(eventsIn(text)).toEqual([{ id: "3-9", data: parts.join("").replaceAll(/\r\n?/g, "\n") }]);
    }),
  );
});

test("without an id the event has none", async () => {
  expect(await eventOf([Buffer.from("{}")])).toBe("data: {}\n\n");
});

test.each(["\r", "\n", "\r\n", "x\r"])("a megabyte of nothing but %j is no burden", async (text) => {
  const before = performance.now();
  await eventOf(Array.from({ length: 4 }, () => Buffer.from(text.repeat(256 * 1024))));
  expect(performance.now() - before).toBeLessThan(2_000);
});
