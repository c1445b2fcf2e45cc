import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ArgumentEditError, editArguments } from "./edit-arguments.js";
import type { McpRequest } from "./message.js";
import { parseMessage } from "./parse-message.js";

function request(args: string | undefined): McpRequest {
  const params =
    args === undefined ? '{ "name":"n" }' : `{ "name":"n",\t"arguments" : ${args} , "_meta":{"sql":1}}`;
  const message = parseMessage(
    Buffer.from(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}}`),
  );
  if (message.kind !== "request") throw new Error("not a request");
  return message;
}

function edited(args: string | undefined, edits: Readonly<Record<string, string>>): string {
  const list = Object.entries(edits).map(([pointer, text]) => ({ pointer, text }));
  return Buffer.from(editArguments(request(args), list)).toString();
}

const whole = (args: string): string => Buffer.from(request(args).bytes).toString();

describe("editArguments", () => {
  test("replaces what the pointers name and nothing else, byte for byte", () => {
    const args =
      '{ "sql" : "drop table t" ,"n":1.50,"deep":{"list":[1, {"a/b":true,"m~n":null},3 ]}, "__proto__":{"x":1} }';
    const result = edited(args, {
      "/deep/list/1/a~1b": "false",
      "/sql": '"select 1"',
      "/deep/list/1/m~0n": "[]",
      "/__proto__/x": "2",
    });
    expect(result).toBe(
      whole(
        '{ "sql" : "select 1" ,"n":1.50,"deep":{"list":[1, {"a/b":false,"m~n":[]},3 ]}, "__proto__":{"x":2} }',
      ),
    );
  });

  test("finds members however their names are written", () => {
    expect(edited('{"s\\u0071l":"a"}', { "/sql": '"b"' })).toBe(whole('{"s\\u0071l":"b"}'));
    expect(edited('{"":{"":1}}', { "//": "2" })).toBe(whole('{"":{"":2}}'));
  });

  test("of nothing is the message itself", () => {
    const message = request("{}");
    expect(editArguments(message, [])).toBe(message.bytes);
  });

  test.each<[string, string | undefined, Record<string, string>]>([
    ["a member that is not there", '{"a":1}', { "/b": "1" }],
    ["what is not in the arguments", '{"a":1}', { "/_meta/sql": "1" }],
    ["a part of a text", '{"a":"x"}', { "/a/0": "1" }],
    ["a place after the end of a list", '{"a":[1]}', { "/a/1": "1" }],
    ["the end of a list", '{"a":[1]}', { "/a/-": "1" }],
    ["an index with a zero before it", '{"a":[1,2]}', { "/a/01": "1" }],
    ["a value and a part of it", '{"a":{"b":1}}', { "/a": "1", "/a/b": "1" }],
    ["a part and what it is a part of", '{"a":{"b":1}}', { "/a/b": "1", "/a": "1" }],
    ["an inherited name", '{"a":1}', { "/toString": "1" }],
    ["the whole", '{"a":1}', { "": "1" }],
    ["no pointer", '{"a":1}', { a: "1" }],
    ["an unknown escape", '{"~2":1}', { "/~2": "1" }],
    ["an operation without arguments", undefined, { "/a": "1" }],
  ])("refuses %s", (_, args, edits) => {
    expect(() => edited(args, edits)).toThrow(ArgumentEditError);
  });

  test("refuses one place twice", () => {
    const edit = { pointer: "/a", text: "1" };
    expect(() => editArguments(request('{"a":0}'), [edit, edit])).toThrow(ArgumentEditError);
  });

  test("says the same as changing what was parsed", () => {
    const keys = fc.constantFrom("a", "b", "~", "/", "", "0", "__proto__", "é");
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        fc.integer(),
        fc.string(),
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(keys, tie("value"), { maxKeys: 3 }),
      ),
    }));
    fc.assert(
      fc.property(fc.dictionary(keys, value), fc.nat(), value, (args, choice, replacement) => {
        const text = JSON.stringify(args);
        const places = pointersOf(JSON.parse(text));
        const pointer = places[choice % places.length];
        fc.pre(pointer !== undefined);
        const result = edited(text, { [pointer]: JSON.stringify(replacement) });
        const { arguments: now } = (JSON.parse(result) as { params: { arguments: unknown } }).params;
        expect(JSON.stringify(now)).toBe(JSON.stringify(changed(JSON.parse(text), pointer, replacement)));
      }),
    );
  });
});

const escape = (token: string): string => token.replaceAll("~", "~0").replaceAll("/", "~1");

function pointersOf(value: unknown, at = ""): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, each]) => {
    const pointer = `${at}/${escape(key)}`;
    return [pointer, ...pointersOf(each, pointer)];
  });
}

function changed(value: unknown, pointer: string, replacement: unknown, at = ""): unknown {
  if (at === pointer) return JSON.parse(JSON.stringify(replacement));
  if (Array.isArray(value))
    return value.map((each, index) => changed(each, pointer, replacement, `${at}/${index}`));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [
      key,
      changed(each, pointer, replacement, `${at}/${escape(key)}`),
    ]),
  );
}
