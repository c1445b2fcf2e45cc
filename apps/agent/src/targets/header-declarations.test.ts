import { checkParameterHeaders, type JsonView } from "@drawbridge/mcp";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { declarationsIn } from "./header-declarations.js";

const KEYS = ["region", "x-mcp-header", "type", "properties", "items", "anyOf", "$defs", "__proto__", "note"];
const leaf = fc.constantFrom<unknown>("string", "integer", "Region", "Zone", null, 1, true);
const { schema } = fc.letrec<{ schema: unknown }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 6, depthSize: "large", withCrossShrink: true },
    leaf,
    fc.record({ type: fc.constantFrom("string", "integer"), "x-mcp-header": leaf }),
    fc.dictionary(fc.constantFrom(...KEYS), tie("schema"), { maxKeys: 4 }),
    fc.record({
      properties: fc.dictionary(fc.constantFrom(...KEYS), tie("schema"), { maxKeys: 3 }),
    }),
    fc.array(tie("schema"), { maxLength: 3 }),
  ),
}));

describe("declarationsIn", () => {
  test("leaves what a schema declares, and whether that is valid", () => {
    const values: JsonView = {
      region: "eu",
      type: "x",
      note: 1,
      "x-mcp-header": "y",
      items: { region: true },
    };
    const headers = fc.constantFrom({}, { "mcp-param-region": "eu" }, { "mcp-param-zone": "x" });
    fc.assert(
      fc.property(schema, headers, (whole, sent) => {
        // As it is when it has been parsed: a key __proto__ is a member like any other.
        const parsed = JSON.parse(JSON.stringify(whole)) as JsonView;
        const left = declarationsIn(parsed);
        expect(left === undefined ? undefined : checkParameterHeaders(left, values, sent)).toBe(
          checkParameterHeaders(parsed, values, sent),
        );
      }),
      { numRuns: 2_000 },
    );
  });

  test("leaves nothing else", () => {
    const whole = {
      description: "x".repeat(10_000),
      type: "object",
      required: ["region"],
      properties: {
        region: { type: "string", description: "where", "x-mcp-header": "Region", enum: ["eu", "us"] },
        place: {
          type: "object",
          properties: { zone: { "x-mcp-header": "Zone", type: "integer", minimum: 1 } },
        },
        other: { type: "object", properties: { nothing: { type: "string" } } },
      },
    };
    expect(declarationsIn(whole)).toEqual({
      properties: {
        region: { type: "string", "x-mcp-header": "Region" },
        place: { properties: { zone: { "x-mcp-header": "Zone", type: "integer" } } },
      },
    });
    expect(declarationsIn({ type: "object", properties: { a: { type: "string" } } })).toBeUndefined();
  });
});
