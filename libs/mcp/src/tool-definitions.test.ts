import { describe, expect, test } from "vitest";
import { NotAListResultError } from "./list-result.js";
import { parseMessage } from "./parse-message.js";
import { toolDefinitions } from "./tool-definitions.js";

const response = (rest: string) => parseMessage(Buffer.from(`{"jsonrpc":"2.0","id":1,${rest}}`));
const found = (rest: string) =>
  toolDefinitions(response(rest)).map(({ name, bytes }) => [name, Buffer.from(bytes).toString()]);

describe("toolDefinitions", () => {
  test("gives each tool's own bytes, in order, a name that is there twice twice", () => {
    expect(
      found('"result":{"tools":[{"name":"b", "x":1},{"name":"a"} , {"name":"b"}],"nextCursor":"2"}'),
    ).toEqual([
      ["b", '{"name":"b", "x":1}'],
      ["a", '{"name":"a"}'],
      ["b", '{"name":"b"}'],
    ]);
  });

  test("leaves out what nobody can call", () => {
    expect(found('"result":{"tools":[1,{},{"name":7},{"name":"a\\u0000"},{"name":"a"}]}')).toEqual([
      ["a", '{"name":"a"}'],
    ]);
  });

  test.each(['"result":{}', '"result":{"tools":{}}', '"result":[]', '"error":{"code":1,"message":"no"}'])(
    "refuses %s",
    (rest) => {
      expect(() => toolDefinitions(response(rest))).toThrow(NotAListResultError);
    },
  );
});
