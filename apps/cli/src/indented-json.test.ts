import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { indentedJson } from "./indented-json.js";

describe("indented JSON", () => {
  it("looks like what JSON.stringify writes", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        const isContainer = typeof value === "object" && value !== null;
        expect(indentedJson(text)).toBe(isContainer ? JSON.stringify(value, null, 2) : text);
      }),
    );
  });

  it("keeps long numbers, duplicate keys and escapes as they were", () => {
    expect(indentedJson(String.raw`{"a":12345678901234567890,"a":1.0,"b":"\u0041\"}"}`)).toBe(
      ["{", '  "a": 12345678901234567890,', '  "a": 1.0,', String.raw`  "b": "\u0041\"}"`, "}"].join("\n"),
    );
  });

  it("leaves text alone that is not JSON", () => {
    expect(indentedJson("{ not JSON")).toBe("{ not JSON");
    expect(indentedJson("plain")).toBe("plain");
  });
});
