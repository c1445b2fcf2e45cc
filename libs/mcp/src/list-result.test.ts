import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { filterListResult, listEntries, NotAListResultError } from "./list-result.js";
import type { McpMessage } from "./message.js";
import { parseMessage } from "./parse-message.js";

const parse = (text: string): McpMessage => parseMessage(Buffer.from(text));
const inResult = (result: string): McpMessage => parse(`{"jsonrpc":"2.0","id":1,"result":${result}}`);
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

describe("filterListResult", () => {
  const three =
    '{"nextCursor":"c","tools": [ {"name":"a","n":1.0} ,\n{"name":"\\u0062"}, {"x":[{}],"name":"c"} ],"z":{}}';

  test.each([
    [["a", "b", "c"], '[ {"name":"a","n":1.0} ,\n{"name":"\\u0062"}, {"x":[{}],"name":"c"} ]'],
    [["a"], '[ {"name":"a","n":1.0} ]'],
    [["b"], '[ {"name":"\\u0062"} ]'],
    [["a", "c"], '[ {"name":"a","n":1.0},{"x":[{}],"name":"c"} ]'],
    [[], "[  ]"],
  ])("keeps %j byte for byte", (names, array) => {
    const filtered = text(filterListResult(inResult(three), "tools", (name) => names.includes(name)));
    expect(filtered).toBe(`{"jsonrpc":"2.0","id":1,"result":{"nextCursor":"c","tools": ${array},"z":{}}}`);
  });

  test.each([
    ["prompts", '{"prompts":[{"name":"a"},{"name":"b"}]}', '{"prompts":[{"name":"a"}]}'],
    [
      "resources",
      '{"resources":[{"name":"b","uri":"a"},{"name":"a","uri":"b"}]}',
      '{"resources":[{"name":"b","uri":"a"}]}',
    ],
    [
      "resourceTemplates",
      '{"resourceTemplates":[{"uriTemplate":"b"},{"uriTemplate":"a"}]}',
      '{"resourceTemplates":[{"uriTemplate":"a"}]}',
    ],
    ["tasks", '{"tasks":[{"taskId":"a"},{"taskId":"b","name":"a"}]}', '{"tasks":[{"taskId":"a"}]}'],
  ] as const)("names the entries of %s as their calls do", (list, result, filtered) => {
    const bytes = filterListResult(inResult(result), list, (name) => name === "a");
    expect(text(bytes)).toBe(`{"jsonrpc":"2.0","id":1,"result":${filtered}}`);
  });

  test.each([
    ["tools", '{"tools":[{"name":"a"}],"Tools":[{"name":"b"}]}'],
    ["tools", '{"TOOLS":[{"name":"b"}],"tools":[{"name":"a"}]}'],
    ["tools", '{"tool\u017f":[{"name":"b"}],"tools":[{"name":"a"}]}'],
    ["resourceTemplates", '{"resourceTemplates":[],"resourcetemplates":[{"uriTemplate":"b"}]}'],
  ] as const)("refuses %s in which a reader that ignores case finds another list: %s", (list, result) => {
    expect(() => filterListResult(inResult(result), list, () => true)).toThrow(NotAListResultError);
  });

  test("removes entries that have another name for a reader that ignores case", () => {
    const message = inResult(
      '{"tools":[{"name":"a","Name":"b"},{"NAME":"b","name":"a"},{"name":"ok","names":1,"title":"Name"}]}',
    );
    expect(text(filterListResult(message, "tools", () => true))).toContain(
      '"tools":[{"name":"ok","names":1,"title":"Name"}]}',
    );
  });

  test("removes entries whose name cannot be read, even when all are to be kept", () => {
    const message = inResult(
      '{"tools":[1,null,"a",[{"name":"a"}],{},{"name":5},{"Name":"a"},{"name":"a\\u0000"},{"name":"ok"}]}',
    );
    expect(text(filterListResult(message, "tools", () => true))).toContain('"tools":[{"name":"ok"}]}');
  });

  test.each([
    '{"jsonrpc":"2.0","id":1,"result":{}}',
    '{"jsonrpc":"2.0","id":1,"result":{"tools":{}}}',
    '{"jsonrpc":"2.0","id":1,"result":{"tools":null}}',
    '{"jsonrpc":"2.0","id":1,"result":{"prompts":[]}}',
    '{"jsonrpc":"2.0","id":1,"result":{"inner":{"tools":[]}}}',
    '{"jsonrpc":"2.0","id":1,"result":[]}',
    '{"jsonrpc":"2.0","id":1,"result":null}',
    '{"jsonrpc":"2.0","id":1,"error":{"tools":[]}}',
    '{"jsonrpc":"2.0","id":1,"method":"m","params":{"tools":[]}}',
  ])("throws for %s", (message) => {
    expect(() => filterListResult(parse(message), "tools", () => true)).toThrow(NotAListResultError);
  });

  const tools = fc.array(
    fc.record({
      name: fc.constantFrom("a", "b", "é", ""),
      schema: fc.jsonValue({ maxDepth: 2, stringUnit: "grapheme-ascii" }),
    }),
  );

  test("gives the very bytes back when everything is kept", () => {
    fc.assert(
      fc.property(tools, fc.nat({ max: 4 }), (entries, indent) => {
        const bytes = Buffer.from(
          JSON.stringify({ jsonrpc: "2.0", id: 1, result: { tools: entries } }, null, indent),
        );
        const message = parseMessage(bytes);
        expect(filterListResult(message, "tools", () => true)).toBe(bytes);
      }),
    );
  });

  test("leaves what Array.filter leaves", () => {
    fc.assert(
      fc.property(tools, fc.nat({ max: 4 }), fc.subarray(["a", "b", "é", ""]), (entries, indent, names) => {
        const message = { jsonrpc: "2.0", id: 1, result: { first: 1, tools: entries, last: [] } };
        const bytes = Buffer.from(JSON.stringify(message, null, indent));
        const filtered = filterListResult(parseMessage(bytes), "tools", (name) => names.includes(name));
        const left = entries.filter(({ name }) => names.includes(name));
        expect(JSON.parse(text(filtered))).toEqual(
          JSON.parse(JSON.stringify({ ...message, result: { ...message.result, tools: left } })),
        );
      }),
    );
  });
});

describe("listEntries", () => {
  test("says the names, and where the entries are", () => {
    const message = inResult('{"tools":[{"name":"a"}, {"name":"a","x":1},7]}');
    const entries = listEntries(message, "tools");
    expect(entries.map(({ name }) => name)).toEqual(["a", "a", undefined]);
    const texts = entries.map(({ range }) => text(message.bytes.subarray(range[0], range[1])));
    expect(texts).toEqual(['{"name":"a"}', '{"name":"a","x":1}', "7"]);
  });
});
