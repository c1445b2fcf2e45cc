import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toolDigest } from "./tool-digest.js";

const hex = (text: string): string => Buffer.from(toolDigest(Buffer.from(text))).toString("hex");

/** Writes a value as another program might: members in any order, blanks anywhere, strings in escapes. */
function writeOddly(value: unknown, odd: () => boolean): string {
  const blank = () => (odd() ? " \n\t" : "");
  if (typeof value === "string") return odd() ? escaped(value) : JSON.stringify(value);
  if (Array.isArray(value))
    return `[${value.map((each) => blank() + writeOddly(each, odd)).join(",")}${blank()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(
    ([key, each]) =>
      `${blank()}${odd() ? escaped(key) : JSON.stringify(key)}${blank()}:${writeOddly(each, odd)}`,
  );
  return `{${(odd() ? members.toReversed() : members).join(",")}${blank()}}`;
}

function escaped(text: string): string {
  const units = Array.from({ length: text.length }, (_, i) =>
    text.charCodeAt(i).toString(16).padStart(4, "0"),
  );
  return `"${units.map((unit) => `\\u${unit}`).join("")}"`;
}

const values = fc
  .jsonValue({ noUnicodeString: false, maxDepth: 4 })
  .map((value) => JSON.parse(JSON.stringify(value)));

describe("toolDigest", () => {
  test("stays what it is: digests are kept for years", () => {
    const definition =
      '{"name":"add","_meta":{"z":[1.50,-2000,0.0]},"description":"a\\u000bé\\/\\n\\ud83d\\ude00"}';
    // printf '%s' '{"_meta":{"z":[15e-1,-2e3,0]},"description":"a\u000bé/\n😀","name":"add"}' | sha256sum
    expect(hex(definition)).toBe("821fa5b96ba2cafad098c75fba10e250e9efa9fa5f87699274371ef57831682f");
  });

  test("does not depend on order, white space or the writing of strings", () => {
    fc.assert(
      fc.property(values, fc.infiniteStream(fc.boolean()), (value, coins) => {
        const odd = () => coins.next().value === true;
        expect(hex(writeOddly(value, odd))).toBe(hex(JSON.stringify(value)));
      }),
    );
  });

  test("differs when anything that is said differs", () => {
    fc.assert(
      fc.property(values, values, (a, b) => {
        expect(hex(JSON.stringify(a)) === hex(JSON.stringify(b))).toBe(isSame(a, b));
      }),
    );
  });

  test.each<[string, string]>([
    ['{"a":1}', '{"a":"1"}'],
    ['{"a":1}', '{"a":[1]}'],
    ['{"a":null}', "{}"],
    ['{"a":[1,2]}', '{"a":[2,1]}'],
    ['{"a":"x"}', '{"a":"x "}'],
    ['{"a":"x"}', '{"A":"x"}'],
    ['{"a":"é"}', '{"a":"e\\u0301"}'],
    ['{"a":9007199254740993}', '{"a":9007199254740992}'],
    ['{"a":1e400}', '{"a":2e400}'],
    ['{"a":0.1}', '{"a":0.10000000000000001}'],
    ['{"_meta":{"v":1}}', '{"_meta":{"v":2}}'],
    ['{"a":{"b":1},"c":{}}', '{"a":{},"c":{"b":1}}'],
    ['{"__proto__":{"a":1}}', "{}"],
  ])("tells %s from %s", (a, b) => {
    expect(hex(a)).not.toBe(hex(b));
  });

  test.each<[string, string]>([
    ["1.0", "1"],
    ["1e2", "100"],
    ["0.5", "5E-1"],
    ["-0", "0"],
    ["12345678901234567890123", "1.2345678901234567890123e22"],
    ["1e400", "0.1e401"],
  ])("takes %s and %s for the same number", (a, b) => {
    expect(hex(`{"a":${a}}`)).toBe(hex(`{"a":${b}}`));
  });

  test("sorts members by code points", () => {
    expect(hex('{"\\uff21":1,"\\ud83d\\ude00":2}')).toBe(hex('{"\\ud83d\\ude00":2,"\\uff21":1}'));
  });
});

function isSame(a: unknown, b: unknown): boolean {
  return sorted(a) === sorted(b);
}

function sorted(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sorted).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([key, each]) => `${JSON.stringify(key)}:${sorted(each)}`);
  return `{${members.toSorted().join(",")}}`;
}
