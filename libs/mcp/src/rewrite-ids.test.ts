import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonRpcId } from "./json-rpc-id.js";
import { parseMessage } from "./parse-message.js";
import { rewriteIds, type MessageIds } from "./rewrite-ids.js";

const SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId";
const rewritten = (text: string, ids: MessageIds): string =>
  Buffer.from(rewriteIds(parseMessage(Buffer.from(text)), ids)).toString();
const id = (text: string): JsonRpcId => ({ text });
const ALL = { id: id("901"), progressToken: id("902"), requestId: id("903"), subscriptionId: id("904") };

describe("rewriteIds", () => {
  test.each([
    [
      `{"params":{"_meta":{"${SUBSCRIPTION}":"s","progressToken":7},"x":1.0},"id":"a\\u0062","method":"m","jsonrpc":"2.0"}`,
      `{"params":{"_meta":{"${SUBSCRIPTION}":904,"progressToken":902},"x":1.0},"id":901,"method":"m","jsonrpc":"2.0"}`,
    ],
    [
      '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":12345678901234567890,"reason":"é"}}',
      '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":903,"reason":"é"}}',
    ],
    [
      '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1.0,"progressToken":"t"}}',
      '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1.0,"progressToken":902}}',
    ],
    [
      `{"jsonrpc":"2.0","id": 5 ,"result":{"_meta":{"${SUBSCRIPTION}": "5" },"n":12345678901234567890}}`,
      `{"jsonrpc":"2.0","id": 901 ,"result":{"_meta":{"${SUBSCRIPTION}": 904 },"n":12345678901234567890}}`,
    ],
    [
      '{"jsonrpc":"2.0","id":5,"error":{"code":1,"message":"m","data":{"id":5}}}',
      '{"jsonrpc":"2.0","id":901,"error":{"code":1,"message":"m","data":{"id":5}}}',
    ],
    ['{"jsonrpc":"2.0","id":null,"error":{"code":1}}', '{"jsonrpc":"2.0","id":null,"error":{"code":1}}'],
  ])("in %s", (before, after) => {
    expect(rewritten(before, ALL)).toBe(after);
  });

  test("leaves what is not given, and gives the very bytes back when nothing changes", () => {
    const bytes = Buffer.from('{"jsonrpc":"2.0","id":5,"method":"m","params":{"_meta":{"progressToken":7}}}');
    expect(rewriteIds(parseMessage(bytes), { requestId: id("1") })).toBe(bytes);
    expect(rewritten(bytes.toString(), { progressToken: id('"x"') })).toBe(
      '{"jsonrpc":"2.0","id":5,"method":"m","params":{"_meta":{"progressToken":"x"}}}',
    );
  });

  const anyId = fc.oneof(
    fc
      .string()
      .filter((text) => !text.includes("\0"))
      .map((text) => id(JSON.stringify(text))),
    fc.bigInt().map((number) => id(String(number))),
  );
  const number = fc.constantFrom("1.0", "1e2", "-0", "12345678901234567890.10", "0.1000");

  test("there and back gives the same bytes, whatever else is in the message", () => {
    fc.assert(
      fc.property(anyId, anyId, anyId, number, (one, two, three, odd) => {
        fc.pre(![one, two, three].some(({ text }) => /\\ud[89a-f]/i.test(text)));
        const text =
          `{"x":${odd},"id":${one.text},"params":{"odd":[${odd}],"_meta":{"progressToken":${two.text},` +
          `"${SUBSCRIPTION}": ${three.text},"other":"\\u0041"}},"jsonrpc":"2.0","method":"m"}`;
        const there = rewritten(text, ALL);
        expect(there).toContain(`"id":901,`);
        expect(rewritten(there, { id: one, progressToken: two, subscriptionId: three })).toBe(text);
      }),
    );
  });
});
