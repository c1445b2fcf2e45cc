import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { argumentsView, JsonNumber, jsonView } from "./arguments-view.js";
import { parseMessage } from "./parse-message.js";

describe("argumentsView", () => {
  test("is undefined for a message without arguments", () => {
    expect(argumentsView(parseMessage(Buffer.from('{"jsonrpc":"2.0","method":"m"}')))).toBeUndefined();
  });

  test.each([
    ["0", 0],
    ["-0", -0],
    ["-0.0e5", -0],
    ["1.0", 1],
    ["0.1", 0.1],
    ["1e2", 100],
    ["1.50E+1", 15],
    ["0.000001", 0.000001],
    ["100000000000000000000", 1e20],
    ["9007199254740992", 2 ** 53],
    ["0e99999999999999999999", 0],
  ])("has %s as a number", (text, number) => {
    expect(jsonView(text)).toBe(number);
  });

  test.each([
    "1234567890123456789",
    "9007199254740993",
    "0.1000000000000000055511151231257827",
    "1e999",
    "-1e999",
    "1e-999",
    "1e-99999999999999999999",
    "3.14159265358979323846",
  ])("keeps %s as it was written", (text) => {
    expect(jsonView(`[${text}]`)).toEqual([new JsonNumber(text)]);
  });

  test("keeps a member named __proto__ a member", () => {
    const view = jsonView('{"__proto__":{"admin":true},"n":12345678901234567890}') as object;
    expect(Object.keys(view)).toEqual(["__proto__", "n"]);
    expect(Object.getPrototypeOf(view)).toBe(Object.prototype);
  });

  test("does not let an exact number turn into something else unnoticed", () => {
    expect(() => JSON.stringify(jsonView("[1e999]"))).toThrow("use its text");
  });

  test("has every number that JavaScript writes as that number", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
        expect(jsonView(JSON.stringify(number))).toBe(number === 0 ? 0 : number);
        expect(jsonView(number.toExponential())).toBe(number === 0 ? 0 : number);
      }),
    );
  });
});
