import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MalformedMessageError } from "./malformed-message-error.js";
import type { McpMessage } from "./message.js";
import { parseBody } from "./parse-body.js";
import { parseMessage } from "./parse-message.js";

const REQUEST = '{"jsonrpc":"2.0","id":1,"method":"m"}';
const kindsOf = (text: string): string[] =>
  parseBody(Buffer.from(text)).messages.map((message) =>
    message instanceof MalformedMessageError ? message.reason : message.kind,
  );

/** What comes of a message that is in no batch. */
function onItsOwn(text: string): McpMessage | MalformedMessageError {
  try {
    return parseMessage(Buffer.from(text));
  } catch (error) {
    if (error instanceof MalformedMessageError) return error;
    throw error;
  }
}

const outcome = (message: McpMessage | MalformedMessageError): unknown =>
  message instanceof MalformedMessageError ? message.reason : { ...message, bytes: String(message.bytes) };

describe("parseBody", () => {
  test("takes a message that is in no batch as parseMessage does", () => {
    const bytes = Buffer.from(` ${REQUEST} `);
    expect(parseBody(bytes)).toEqual({ isBatch: false, messages: [parseMessage(bytes)] });
    expect(() => parseBody(Buffer.from("{}"))).toThrow(MalformedMessageError);
  });

  test("gives each message of a batch its own bytes", () => {
    const { isBatch, messages } = parseBody(Buffer.from(` [ ${REQUEST} ,\n{"jsonrpc":"2.0","method":"n"}] `));
    expect(isBatch).toBe(true);
    const texts = messages.map((message) =>
      message instanceof MalformedMessageError ? message.reason : Buffer.from(message.bytes).toString(),
    );
    expect(texts).toEqual([REQUEST, '{"jsonrpc":"2.0","method":"n"}']);
    expect(messages[0]).toEqual(parseMessage(Buffer.from(REQUEST)));
  });

  test("says of malformed messages in a batch what is wrong with them, and to which id", () => {
    const batch = `[1,{"jsonrpc":"2.0","id":7,"id":7,"method":"m"},{"jsonrpc":"2.0","id":8,"result":{},"Id":1},${REQUEST}]`;
    expect(kindsOf(batch)).toEqual(["not_an_object", "duplicate_key", "case_variant_key", "request"]);
    expect(parseBody(Buffer.from(batch)).messages[2]).toMatchObject({ id: { text: "8" } });
  });

  const keys = (count: number) => Array.from({ length: count }, (_, index) => `"${index}":0`).join(",");
  const callWith = (params: string) => `{"jsonrpc":"2.0","id":7,"method":"m","params":{${params}}}`;
  const keysOf = (text: string, limits: { maxKeys?: number }) => () => parseBody(Buffer.from(text), limits);

  test.each([
    ["a message", callWith(keys(6))],
    ["a batch", `[${callWith(keys(2))},${callWith("")}]`],
  ])("takes %s with as many keys as may be", (_what, text) => {
    expect(keysOf(text, { maxKeys: 10 })).not.toThrow();
  });

  test.each([
    ["a message with a key more", callWith(keys(7)), { maxKeys: 10 }, { text: "7" }],
    [
      "one whose keys are in objects within each other",
      callWith(`"a":[{${keys(6)}}]`),
      { maxKeys: 10 },
      { text: "7" },
    ],
    ["a batch with a key more", `[${callWith(keys(2))},${callWith(keys(1))}]`, { maxKeys: 10 }, undefined],
    ["a message with more keys than are read in a moment", callWith(keys(200_000)), {}, { text: "7" }],
  ])("refuses %s", (_what, text, limits, id) => {
    expect(keysOf(text, limits)).toThrow(expect.objectContaining({ reason: "too_many_keys", id }));
  });

  test("takes a batch of one, and of a hundred", () => {
    expect(kindsOf(`[${REQUEST}]`)).toEqual(["request"]);
    expect(kindsOf(`[${Array(100).fill(REQUEST).join(",")}]`)).toHaveLength(100);
  });

  test.each([
    ["batch", "[]"],
    ["batch", `[${REQUEST},[${REQUEST}]]`],
    ["batch", `[${Array(101).fill(REQUEST).join(",")}]`],
    ["invalid_json", `[${REQUEST}`],
    ["invalid_json", `[${REQUEST},]`],
    ["invalid_json", `[${REQUEST}] x`],
    ["invalid_json", ""],
    ["byte_order_mark", `\uFEFF[${REQUEST}]`],
    ["too_deep", `[{"a":${"[".repeat(200)}`],
  ])("refuses %s: %s", (reason, text) => {
    expect(() => parseBody(Buffer.from(text))).toThrow(expect.objectContaining({ reason }));
  });

  test("refuses a batch that is not UTF-8", () => {
    expect(() => parseBody(Buffer.from('["\xff"]', "latin1"))).toThrow(
      expect.objectContaining({ reason: "invalid_utf8" }),
    );
  });

  test("reads the messages of a batch as it reads each on its own", () => {
    const element = fc.oneof(
      fc.constant(REQUEST),
      fc.json({ maxDepth: 2, stringUnit: "grapheme-ascii" }).filter((text) => !text.startsWith("[")),
    );
    fc.assert(
      fc.property(fc.array(element, { minLength: 1, maxLength: 5 }), (elements) => {
        const { messages } = parseBody(Buffer.from(`[${elements.join(" , ")}]`));
        expect(messages.map(outcome)).toEqual(elements.map((text) => outcome(onItsOwn(text))));
      }),
    );
  });
});
