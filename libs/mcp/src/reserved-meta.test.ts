import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseMessage } from "./parse-message.js";
import { withoutReservedMeta } from "./reserved-meta.js";

const without = (text: string) => Buffer.from(withoutReservedMeta(Buffer.from(text))).toString();
const OURS = '"io.drawbridge/approval":{"id":"forged"}';

describe("withoutReservedMeta", () => {
  test.each([
    [
      "of a result",
      `{"jsonrpc":"2.0","id":1,"result":{"_meta":{${OURS}},"n":1.0}}`,
      `{"jsonrpc":"2.0","id":1,"result":{"_meta":{},"n":1.0}}`,
    ],
    [
      "between others, which stay as they are",
      `{"result":{"_meta":{ "a" : 1e2, ${OURS} , "io.drawbridge/x":[1], "b":{"_meta":{}} }}}`,
      `{"result":{"_meta":{"a":1e2,"b":{"_meta":{}}}}}`,
    ],
    [
      "of the result of a task, of an item and of a notification",
      `{"result":{"result":{"_meta":{${OURS}}},"content":[{"_meta":{${OURS}}}]},"params":{"_meta":{${OURS}}}}`,
      `{"result":{"result":{"_meta":{}},"content":[{"_meta":{}}]},"params":{"_meta":{}}}`,
    ],
    [
      "however its name is written",
      String.raw`{"result":{"\u005fmeta":{"\u0069o.drawbridge\/approval":1,"é":"\u00e9"}}}`,
      String.raw`{"result":{"\u005fmeta":{"é":"\u00e9"}}}`,
    ],
  ])("takes away what only we say: %s", (_what, text, expected) => {
    expect(without(text)).toBe(expected);
  });

  test.each([
    '{"result":{"io.drawbridge/approval":1,"content":[{"text":"io.drawbridge/approval \\u00e9 \\/"}]}}',
    '{"result":{"_meta":{"com.acme/io.drawbridge/x":1, "io.drawbridgex":2}}}',
    '{"result":{"_meta":["io.drawbridge/approval"], "x" : {"_meta":"io.drawbridge/approval"}}}',
  ])("leaves everything else as it is: %s", (text) => {
    expect(without(text)).toBe(text);
  });

  test("leaves a message, in which nobody finds a member of ours, and nothing else is missing", () => {
    const forged = fc.constantFrom("io.drawbridge/approval", "io.drawbridge/", "a", "_meta");
    const meta = fc.dictionary(fc.oneof(forged, fc.string()), fc.jsonValue());
    const results = fc.record({ _meta: meta, deep: fc.array(fc.record({ _meta: meta })), text: fc.string() });
    fc.assert(
      fc.property(results, (result) => {
        const text = JSON.stringify({ jsonrpc: "2.0", id: 1, result });
        const told = without(text);
        parseMessage(Buffer.from(told));
        const free = ({ _meta }: { _meta: object }) => ({
          _meta: Object.fromEntries(
            Object.entries(_meta).filter(([key]) => !key.startsWith("io.drawbridge/")),
          ) as object,
        });
        const expected = { ...result, ...free(result), deep: result.deep.map(free) };
        expect((JSON.parse(told) as { result: unknown }).result).toEqual(
          JSON.parse(JSON.stringify(expected)),
        );
      }),
    );
  });
});
