import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeHeaderValue, encodeHeaderValue } from "./header-values.js";

describe("encodeHeaderValue", () => {
  test.each([
    ["plain", "plain"],
    ["with blanks within", "with blanks within"],
    ["a/b?c=~!", "a/b?c=~!"],
    ["", "=?base64??="],
    [" a", "=?base64?IGE=?="],
    ["a\t", "=?base64?YQk=?="],
    ["a\r\nX-Evil: 1", "=?base64?YQ0KWC1FdmlsOiAx?="],
    ["é", "=?base64?w6k=?="],
    ["=?base64?SGVsbG8=?=", "=?base64?PT9iYXNlNjQ/U0dWc2JHOD0/PQ==?="],
  ])("%j becomes %s", (value, header) => {
    expect(encodeHeaderValue(value)).toBe(header);
  });

  test("gives what a header can carry and decodes to the same", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (value) => {
        fc.pre(value.isWellFormed());
        const header = encodeHeaderValue(value);
        expect(header).toMatch(/^[\x20-\x7e]*$/);
        expect(decodeHeaderValue(`  ${header}\t`)).toBe(value);
      }),
    );
  });
});

describe("decodeHeaderValue", () => {
  test.each([
    ["=?base64?SGVsbG8=?=", "Hello"],
    ["SGVsbG8=", "SGVsbG8="],
    ["=?base64?SGVsbG8=", "=?base64?SGVsbG8="],
    ["SGVsbG8=?=", "SGVsbG8=?="],
    ["=?BASE64?SGVsbG8=?=", "=?BASE64?SGVsbG8=?="],
    ["=?base64?=", "=?base64?="],
    ["=?base64?SGVsbG8?=", undefined],
    ["=?base64?SGVs!!!bG8=?=", undefined],
    ["=?base64?SGVs bG8=?=", undefined],
    ["=?base64?/w==?=", undefined],
  ])("%s is %j", (header, value) => {
    expect(decodeHeaderValue(header)).toBe(value);
  });
});
