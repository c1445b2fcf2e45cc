import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  cancelledNotification,
  errorResponse,
  notificationMessage,
  progressNotification,
  requestMessage,
  resultResponse,
} from "./build-message.js";
import { idKey, jsonRpcId } from "./json-rpc-id.js";
import { parseMessage } from "./parse-message.js";
import { replaceRanges } from "./replace-ranges.js";
import { RpcErrorCode } from "./rpc-error-codes.js";

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

describe("what is built", () => {
  test("answers the id exactly as it came", () => {
    const id = { text: "12345678901234567890" };
    expect(text(resultResponse(id, { a: 1 }))).toBe(
      '{"jsonrpc":"2.0","id":12345678901234567890,"result":{"a":1}}',
    );
    expect(text(errorResponse(id, { code: 1, message: "m", data: [] }))).toBe(
      '{"jsonrpc":"2.0","id":12345678901234567890,"error":{"code":1,"message":"m","data":[]}}',
    );
  });

  test("has a null id or none when the request's is not known", () => {
    const error = { code: RpcErrorCode.ParseError, message: "m" };
    expect(text(errorResponse(null, error))).toBe(
      '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"m"}}',
    );
    expect(text(errorResponse(undefined, error))).toBe(
      '{"jsonrpc":"2.0","error":{"code":-32700,"message":"m"}}',
    );
  });

  test("is read back as what it is, whatever the text in it", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (said) => {
        const id = jsonRpcId(said);
        const params = { said };
        expect(parseMessage(errorResponse(id, { code: 1, message: said }))).toMatchObject({
          id,
          isError: true,
        });
        expect(parseMessage(requestMessage(id, "m", params))).toMatchObject({
          kind: "request",
          id,
          method: "m",
        });
        expect(parseMessage(notificationMessage("m"))).toMatchObject({ kind: "notification", method: "m" });
        expect(parseMessage(cancelledNotification(id, said))).toMatchObject({ requestId: id });
        expect(parseMessage(progressNotification(id, { progress: 1, message: said }))).toMatchObject({
          method: "notifications/progress",
          progressToken: id,
        });
      }),
    );
  });
});

describe("replaceRanges", () => {
  test("replaces several ranges, and refuses those that overlap", () => {
    const bytes = Buffer.from("abcdef");
    const replaced = replaceRanges(bytes, [
      { range: [0, 1], text: "XX" },
      { range: [3, 3], text: "-" },
      { range: [5, 6], text: "" },
    ]);
    expect(text(replaced)).toBe("XXbc-de");
    expect(() =>
      replaceRanges(bytes, [
        { range: [2, 4], text: "" },
        { range: [3, 5], text: "" },
      ]),
    ).toThrow(RangeError);
  });
});

describe("idKey", () => {
  test.each([
    ['"a"', '"\\u0061"', true],
    ["0", "-0", true],
    ["1", '"1"', false],
    ["1234567890123456789", "1234567890123456788", false],
  ])("%s and %s: same %s", (one, other, same) => {
    expect(idKey({ text: one }) === idKey({ text: other })).toBe(same);
  });

  test("refuses to make an id of a number that is not exact", () => {
    expect(() => jsonRpcId(2 ** 53)).toThrow(RangeError);
    expect(() => jsonRpcId(0.5)).toThrow(RangeError);
  });
});

describe("RpcErrorCode", () => {
  test("keeps Drawbridge's own codes out of the range that the specification has reserved", () => {
    const own = Object.values(RpcErrorCode).filter((code) => code > -32000);
    expect(own.length).toBeGreaterThan(5);
    expect(new Set(Object.values(RpcErrorCode)).size).toBe(Object.keys(RpcErrorCode).length);
  });
});
