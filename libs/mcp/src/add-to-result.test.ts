import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { addToResult } from "./add-to-result.js";
import type { McpResponse } from "./message.js";
import { parseMessage } from "./parse-message.js";

const ADDITION = {
  meta: { key: "io.drawbridge/approval", value: { id: "a", edited: true } },
  text: "changed",
};
const META = '"io.drawbridge/approval":{"id":"a","edited":true}';
const ITEM = '{"type":"text","text":"changed"}';

function response(text: string): McpResponse {
  const message = parseMessage(Buffer.from(text));
  if (message.kind !== "response") throw new Error("not a response");
  return message;
}

const withResult = (result: string) => `{"jsonrpc":"2.0","id":1,"result":${result}}`;

function added(result: string, addition = ADDITION): string {
  return Buffer.from(addToResult(response(withResult(result)), addition)).toString();
}

describe("addToResult", () => {
  test.each([
    [
      "a result of a tool",
      '{"content":[{"n":1.0}] , "x":12345678901234567890}',
      `{"content":[{"n":1.0},${ITEM}] , "x":12345678901234567890,"_meta":{${META}}}`,
    ],
    [
      "an empty content and _meta",
      '{ "_meta" : { } , "content" : [ ] }',
      `{ "_meta" : { ${META}} , "content" : [ ${ITEM}] }`,
    ],
    [
      "a _meta with other members",
      '{"_meta":{"a":1},"content":[]}',
      `{"_meta":{"a":1,${META}},"content":[${ITEM}]}`,
    ],
    ["a result that is empty", "{}", `{"_meta":{${META}}}`],
    ["a content that is no array", '{"content":"["}', `{"content":"[","_meta":{${META}}}`],
    ["a _meta that is no object", '{"_meta":null,"content":[1]}', `{"_meta":null,"content":[1,${ITEM}]}`],
  ])("to %s adds what it has a place for, and nothing else", (_, result, expected) => {
    expect(added(result)).toBe(withResult(expected));
  });

  test("what the target says of the same in _meta is replaced", () => {
    expect(added('{"_meta":{"io.drawbridge/approval":{"edited":false},"z":0}}')).toBe(
      withResult(`{"_meta":{${META},"z":0}}`),
    );
  });

  test.each(["[]", "null", '"content"', "7"])("a result that is %s stays as it is", (result) => {
    expect(added(result)).toBe(withResult(result));
  });

  test("an error stays as it is", () => {
    const text = '{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"no","data":{"content":[]}}}';
    expect(Buffer.from(addToResult(response(text), ADDITION)).toString()).toBe(text);
  });

  test("without a text content is left alone", () => {
    const { meta } = ADDITION;
    const bytes = addToResult(response(withResult('{"content":[1]}')), { meta });
    expect(Buffer.from(bytes).toString()).toBe(withResult(`{"content":[1],"_meta":{${META}}}`));
  });

  test("whatever the result is, it can be read afterwards and says the same but for what was added", () => {
    const json = fc.jsonValue({ maxDepth: 3 });
    const results = fc.record(
      {
        content: fc.oneof(fc.array(json, { maxLength: 4 }), json),
        _meta: fc.oneof(fc.dictionary(fc.string(), json, { maxKeys: 3 }), json),
        structuredContent: json,
        isError: fc.boolean(),
      },
      { requiredKeys: [] },
    );
    const spaces = fc.constantFrom(undefined, 1, "\t\r\n");
    fc.assert(
      fc.property(results, spaces, fc.string({ unit: "binary" }), (result, space, text) => {
        const body = JSON.stringify({ jsonrpc: "2.0", id: 1, result }, undefined, space);
        const before = response(body);
        const bytes = addToResult(before, { ...ADDITION, text });
        const after = JSON.parse(Buffer.from(bytes).toString()) as { result: Record<string, unknown> };
        expect(parseMessage(bytes).kind).toBe("response");
        expect(after.result).toEqual(expectedOf(JSON.parse(JSON.stringify(result)), text));
      }),
      { numRuns: 500 },
    );
  });
});

function expectedOf(result: Record<string, unknown>, text: string): Record<string, unknown> {
  const { content, _meta = {} } = result;
  const { key, value } = ADDITION.meta;
  const isObject = typeof _meta === "object" && _meta !== null && !Array.isArray(_meta);
  return {
    ...result,
    ...(Array.isArray(content) ? { content: [...(content as unknown[]), { type: "text", text }] } : {}),
    ...("_meta" in result && !isObject ? {} : { _meta: { ...(_meta as object), [key]: value } }),
  };
}
