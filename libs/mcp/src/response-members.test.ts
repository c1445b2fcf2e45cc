import { describe, expect, test } from "vitest";
import { MalformedMessageError } from "./malformed-message-error.js";
import type { McpResponse } from "./message.js";
import { parseMessage } from "./parse-message.js";
import { errorCodeOf, inputRequestsOf, taskIdOf } from "./response-members.js";
import { restrictCaching } from "./restrict-caching.js";

const response = (members: string): McpResponse =>
  parseMessage(Buffer.from(`{"jsonrpc":"2.0","id":1,${members}}`)) as McpResponse;
const result = (text: string): McpResponse => response(`"result":${text}`);

describe("errorCodeOf", () => {
  test.each([
    ['"error":{"code":-32601,"message":"m"}', -32601],
    ['"error":{"message":"m","code": 5 }', 5],
    ['"error":{"code":"-32601"}', undefined],
    ['"error":{"code":1.0}', undefined],
    ['"error":{"code":12345678901234567890}', undefined],
    ['"error":{}', undefined],
    ['"result":{"code":1}', undefined],
  ])("of %s is %s", (members, code) => {
    expect(errorCodeOf(response(members))).toBe(code);
  });
});

describe("inputRequestsOf", () => {
  test.each([
    ["{}", undefined],
    ['{"resultType":"input_required","requestState":"x"}', undefined],
    ["[]", undefined],
    ['{"inputRequests":{}}', []],
    [
      '{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{}},"\\u0062":{"method":"roots\\/list"}}}',
      [
        { key: "a", method: "elicitation/create" },
        { key: "b", method: "roots/list" },
      ],
    ],
  ])("of %s", (text, requests) => {
    expect(inputRequestsOf(result(text))).toEqual(requests);
  });

  test("of an error is nothing", () => {
    expect(inputRequestsOf(response('"error":{"code":1,"inputRequests":1}'))).toBeUndefined();
  });

  test.each([
    '{"inputRequests":null}',
    '{"inputRequests":[{"method":"roots/list"}]}',
    '{"inputRequests":{"a":null}}',
    '{"inputRequests":{"a":{}}}',
    '{"inputRequests":{"a":{"method":7}}}',
    '{"inputRequests":{"a":{"method":"roots/list","Method":"sampling/createMessage"}}}',
    '{"InputRequests":{"a":{"method":"roots/list"}}}',
    '{"inputReque\\u017fts":{"a":{"method":"roots/list"}}}',
  ])("cannot be told for sure: %s", (text) => {
    expect(() => inputRequestsOf(result(text))).toThrow(MalformedMessageError);
  });
});

describe("taskIdOf", () => {
  test.each([
    ['{"task":{"taskId":"t\\u0031","status":"working"}}', "t1"],
    ['{"resultType":"task","taskId":"t1","status":"working"}', "t1"],
    ['{"resultType":"complete","taskId":"t1"}', undefined],
    ['{"taskId":"t1"}', undefined],
    ['{"task":"t1"}', undefined],
    ['{"task":{"taskId":7}}', undefined],
    ['{"content":[{"task":{"taskId":"t1"}}]}', undefined],
    ["null", undefined],
  ])("of %s is %s", (text, id) => {
    expect(taskIdOf(result(text))).toBe(id);
  });

  test("of an error is none", () => {
    expect(taskIdOf(response('"error":{"task":{"taskId":"t1"}}'))).toBeUndefined();
  });
});

describe("restrictCaching", () => {
  const restricted = (text: string): string => {
    const bytes = Buffer.from(restrictCaching(result(text), 60_000)).toString();
    return bytes.slice('{"jsonrpc":"2.0","id":1,"result":'.length, -1);
  };

  test.each([
    [
      '{"a":1.0,"cacheScope": "public" ,"ttlMs":60001,"z":[]}',
      '{"a":1.0,"cacheScope": "private" ,"ttlMs":60000,"z":[]}',
    ],
    ['{"ttlMs":1e9,"cacheScope":"public"}', '{"ttlMs":60000,"cacheScope":"private"}'],
    ['{"cacheScope":"p\\u0075blic"}', '{"cacheScope":"private"}'],
    ['{"cacheScope":"everybody","ttlMs":"forever"}', '{"cacheScope":"private","ttlMs":60000}'],
    ['{"ttlMs":12345678901234567890}', '{"ttlMs":60000}'],
  ])("%s becomes %s", (before, after) => {
    expect(restricted(before)).toBe(after);
  });

  test.each([
    '{"cacheScope":"private","ttlMs":60000}',
    '{"ttlMs":0}',
    "{}",
    "[]",
    '{"x":{"cacheScope":"public"}}',
  ])("leaves the very bytes of %s", (text) => {
    const message = result(text);
    expect(restrictCaching(message, 60_000)).toBe(message.bytes);
  });
});
