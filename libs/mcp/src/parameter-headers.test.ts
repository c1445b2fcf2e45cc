import { describe, expect, test } from "vitest";
import { jsonView, type JsonView } from "./arguments-view.js";
import { checkParameterHeaders, parameterHeaders } from "./parameter-headers.js";

const declared = (type: unknown, name: unknown = "Region") => ({ type, "x-mcp-header": name });
const schema = (properties: object, more: object = {}): JsonView =>
  jsonView(JSON.stringify({ type: "object", properties, ...more }));
const check = (inputSchema: JsonView, args: string | undefined, header?: string): string | undefined =>
  checkParameterHeaders(
    inputSchema,
    args === undefined ? undefined : jsonView(args),
    header === undefined ? {} : { "mcp-param-region": header },
  );

const STRING = schema({ region: declared("string") });
const INTEGER = schema({ region: declared("integer") });
const BOOLEAN = schema({ region: declared("boolean") });
const NUMBER = schema({ region: declared("number") });
const NESTED = schema({ a: { type: "object", properties: { region: declared("string") } } });

describe("checkParameterHeaders finds nothing wrong with", () => {
  test.each<[string, JsonView, string | undefined, string | undefined]>([
    ["a string", STRING, '{"region":"eu"}', "eu"],
    ["a string with blanks around it in the header", STRING, '{"region":"eu"}', " eu\t"],
    ["Base64", STRING, '{"region":"Hello"}', "=?base64?SGVsbG8=?="],
    ["what looks like Base64 without its start", STRING, '{"region":"SGVsbG8="}', "SGVsbG8="],
    ["what looks like Base64 without its end", STRING, '{"region":"=?base64?SGVsbG8="}', "=?base64?SGVsbG8="],
    ["an integer", INTEGER, '{"region":42}', "42"],
    ["an integer written otherwise", INTEGER, '{"region":42}', "42.0"],
    ["an integer written otherwise in the body", INTEGER, '{"region":4.20e1}', "42"],
    ["an integer that no double holds", INTEGER, '{"region":12345678901234567891}', "12345678901234567891"],
    [
      "an integer that no double holds, without a header",
      INTEGER,
      '{"region":12345678901234567891}',
      undefined,
    ],
    ["a number", NUMBER, '{"region":0.5}', "0.50"],
    ["true", BOOLEAN, '{"region":true}', "true"],
    ["a value within an object", NESTED, '{"a":{"region":"eu"}}', "eu"],
    ["no value", STRING, "{}", undefined],
    ["null", STRING, '{"region":null}', undefined],
    ["no arguments", STRING, undefined, undefined],
    ["arguments that are no object", NESTED, '{"a":["eu"]}', undefined],
    ["a value that goes into no header", STRING, '{"region":{"x":1}}', undefined],
    [
      "a header that nothing is declared for",
      schema({ region: { type: "string" } }),
      '{"region":"eu"}',
      "us",
    ],
    ["no schema", null, '{"region":"eu"}', undefined],
    ["what every object has", schema({ toString: declared("string") }), "{}", undefined],
  ])("%s", (_what, inputSchema, args, header) => {
    expect(check(inputSchema, args, header)).toBeUndefined();
  });

  test.each<[string, JsonView]>([
    ["a declaration on the root", schema({}, { "x-mcp-header": "Region" })],
    [
      "a declaration within items",
      schema({ region: declared("string"), a: { items: declared("string", "A") } }),
    ],
    [
      "a declaration within anyOf",
      schema({ region: declared("string") }, { anyOf: [declared("string", "A")] }),
    ],
    [
      "a declaration within $defs",
      schema({ region: declared("string") }, { $defs: { x: declared("string", "A") } }),
    ],
    [
      "a declaration reached through items",
      schema({ region: declared("string"), a: { items: { properties: { b: declared("string", "B") } } } }),
    ],
    ["a declaration on an object", schema({ region: declared("object") })],
    ["a declaration without a type", schema({ region: declared(undefined) })],
    ["a declaration with several types", schema({ region: declared(["string", "null"]) })],
    ["a name that is no token", schema({ region: declared("string", "Re gion") })],
    ["an empty name", schema({ region: declared("string", "") })],
    ["a name that is no string", schema({ region: declared("string", 1) })],
    ["one name twice", schema({ region: declared("string"), other: declared("string", "REGION") })],
  ])("a call of a tool whose definition is invalid: %s", (_what, inputSchema) => {
    expect(check(inputSchema, '{"region":"eu"}')).toBeUndefined();
  });
});

describe("checkParameterHeaders refuses", () => {
  test.each<[string, JsonView, string, string | undefined, string]>([
    ["a header that is missing", STRING, '{"region":"eu"}', undefined, "missing"],
    ["a header that is missing for false", BOOLEAN, '{"region":false}', undefined, "missing"],
    ["a header that is missing for nothing but text", STRING, '{"region":""}', undefined, "missing"],
    ["another value", STRING, '{"region":"eu"}', "us", "differs"],
    ["another case", STRING, '{"region":"eu"}', "EU", "differs"],
    ["Base64 without its padding", STRING, '{"region":"Hello"}', "=?base64?SGVsbG8?=", "Base64"],
    ["what is no Base64", STRING, '{"region":"Hello"}', "=?base64?SGVs!!!bG8=?=", "Base64"],
    ["another integer", INTEGER, '{"region":42}', "43", "differs"],
    [
      "another integer that no double holds",
      INTEGER,
      '{"region":12345678901234567891}',
      "12345678901234567892",
      "differs",
    ],
    ["an integer with an exponent", INTEGER, '{"region":100}', "1e2", "differs"],
    ["an integer in another alphabet", INTEGER, '{"region":42}', "4２", "differs"],
    ["a string that is a number written otherwise", STRING, '{"region":"42"}', "42.0", "differs"],
    [
      "a string where an integer is declared, written otherwise",
      INTEGER,
      '{"region":"42"}',
      "42.0",
      "differs",
    ],
    ["True", BOOLEAN, '{"region":true}', "True", "differs"],
    ["another value within an object", NESTED, '{"a":{"region":"eu"}}', "us", "differs"],
  ])("%s", (_what, inputSchema, args, header, says) => {
    const problem = check(inputSchema, args, header);
    expect(problem).toContain("Mcp-Param-Region");
    expect(problem).toContain(says);
  });

  test("no header of what every object has", () => {
    expect(
      checkParameterHeaders(
        schema({ x: declared("string", "x") }),
        { x: "eu" },
        Object.create({ "mcp-param-x": "eu" }),
      ),
    ).toContain("missing");
  });
});

describe("parameterHeaders", () => {
  test("are the Mcp-Param-* of a request, in lower case", () => {
    expect(
      parameterHeaders({
        "Mcp-Param-Region": "eu",
        "mcp-param-b": ["1", "2"],
        "mcp-param-c": undefined,
        "mcp-param-": "nothing",
        "mcp-method": "tools/call",
        authorization: "x",
      }),
    ).toEqual({ "mcp-param-region": "eu", "mcp-param-b": "1, 2" });
  });

  test("are at most 64, of at most 8 KiB each", () => {
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`mcp-param-${i}`, "x"]));
    expect(Object.keys(parameterHeaders(many))).toHaveLength(64);
    expect(parameterHeaders({ "mcp-param-a": "x".repeat(8192 - 11) })).not.toEqual({});
    expect(parameterHeaders({ "mcp-param-a": "x".repeat(8192 - 10) })).toEqual({});
  });
});
