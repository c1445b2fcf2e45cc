import { jsonRpcId } from "@drawbridge/mcp";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LargeIdRewriter } from "./large-id-rewriter.js";

function rewrite(text: string, places: readonly number[] = [], to: string | number = "new"): string {
  const bytes = Buffer.from(text);
  const sorted = [...new Set(places.map((place) => place % (bytes.length + 1)))].toSorted((a, b) => a - b);
  const rewriter = new LargeIdRewriter(() => jsonRpcId(to));
  const pieces = [...sorted, bytes.length].flatMap((end, index) =>
    rewriter.push(bytes.subarray(sorted[index - 1] ?? 0, end)),
  );
  return Buffer.concat(pieces).toString();
}

describe("LargeIdRewriter", () => {
  test.each([
    ['{"id":1,"result":{}}', '{"id":"new","result":{}}'],
    [
      '{"result":{"id":5,"x":["id",{"id":6}]},"id" : 12 }',
      '{"result":{"id":5,"x":["id",{"id":6}]},"id" : "new" }',
    ],
    ['{"a":"\\"id\\":1,","id":"old\\"","b":"id"}', '{"a":"\\"id\\":1,","id":"new","b":"id"}'],
    ['{"\\u0069d":7,"result":[]}', '{"\\u0069d":"new","result":[]}'],
    ['{"ID":7,"ids":8,"result":{}}', '{"ID":7,"ids":8,"result":{}}'],
    ['{"id":null}', '{"id":"new"}'],
    ['{"id":{"id":1}}', '{"id":{"id":1}}'],
    ['{"x":"id","y":1}', '{"x":"id","y":1}'],
    ['{"id":7}\n', '{"id":"new"}\n'],
  ])("makes %s to %s", (text, expected) => {
    expect(rewrite(text)).toBe(expected);
  });

  const key = "io.modelcontextprotocol/subscriptionId";
  test.each([
    [`{"result":{"_meta":{"a":[{}],"${key}":3},"x":{"_meta":{"${key}":3}}},"id":3}`, 2],
    [`{"id":3,"result":{"x":{"result":{"_meta":{"${key}":3}}},"_meta" : { "${key}" : "3" }}}`, 2],
    [`{"id":3,"result":[{"_meta":{"${key}":3}}],"_meta":{"${key}":3}}`, 1],
    [`{"id":3,"result":{"_meta":[{"${key}":3}]},"params":{"_meta":{"${key}":3}}}`, 1],
    [`{"id":3,"result":{"_meta":{"${key.replace("sub", "\\u0073ub")}":3,"id":3}}}`, 2],
    [`{"id":3,"result":{"_meta":{},"${key}":3,"id":3}}`, 1],
    [`{"result":{"_meta":{"${key}":{"id":3}}},"id":3}`, 1],
  ])(
    "replaces the subscription of a result as well, and what only looks like it stays: %s",
    (text, count) => {
      const found = rewrite(text).split('"new"').length - 1;
      expect(found).toBe(count);
      const places: string[] = [];
      const rewriter = new LargeIdRewriter((_, place) => void places.push(place));
      expect(Buffer.concat(rewriter.push(Buffer.from(text))).toString()).toBe(text);
      expect(places.toSorted()).toEqual(count === 1 ? ["id"] : ["id", "subscriptionId"]);
    },
  );

  test("leaves an id too long to be one alone, and everything after it", () => {
    const text = `{"id":"${"x".repeat(5_000)}","result":{},"id":1}`;
    expect(rewrite(text)).toBe(text);
  });

  test("tells what the id was, byte for byte", () => {
    const seen: string[] = [];
    const rewriter = new LargeIdRewriter(({ text }) => void seen.push(text));
    const text = '{"id":1234567890123456789,"result":{}}';
    expect(Buffer.concat(rewriter.push(Buffer.from(text))).toString()).toBe(text);
    expect(seen).toEqual(["1234567890123456789"]);
  });

  test("changes the id of any message and nothing else, wherever it is cut", () => {
    const rest = fc.jsonValue({ maxDepth: 2 });
    const before = fc.dictionary(
      fc.string().filter((key) => key !== "id"),
      rest,
    );
    const id = fc.oneof(fc.integer(), fc.string({ unit: "binary", maxLength: 20 }));
    fc.assert(
      fc.property(
        before,
        id,
        rest,
        fc.array(fc.nat(2_000), { maxLength: 20 }),
        (members, old, result, places) => {
          const message = (value: unknown) => JSON.stringify({ ...members, id: value, result });
          expect(rewrite(message(old), places, 42)).toBe(message(42));
        },
      ),
    );
  });
});
