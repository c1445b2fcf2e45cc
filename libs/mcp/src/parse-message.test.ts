import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { argumentsView } from "./arguments-view.js";
import { MalformedMessageError, type MalformedReason } from "./malformed-message-error.js";
import type { McpMessage } from "./message.js";
import { parseMessage } from "./parse-message.js";

function parse(text: string): McpMessage {
  return parseMessage(Buffer.from(text));
}

function refusalOf(bytes: Uint8Array, maxDepth = 128): MalformedMessageError {
  try {
    parseMessage(bytes, { maxDepth });
  } catch (error) {
    if (error instanceof MalformedMessageError) return error;
    throw error;
  }
  throw new Error("was not refused");
}

function textAt(message: McpMessage, range: readonly [number, number] | undefined): string | undefined {
  return range && Buffer.from(message.bytes).toString("utf8", range[0], range[1]);
}

const call = (id: string, params: string): string =>
  `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":${params}}`;

describe("parseMessage reads", () => {
  test("a tool call, and says where its parts are", () => {
    const text = call("7", '{ "name":"run", "arguments" : {"a": [1]} ,"_meta":{"progressToken":"t"}}');
    const message = parse(text);
    expect(message).toMatchObject({
      kind: "request",
      id: { text: "7" },
      method: "tools/call",
      name: "run",
      progressToken: { text: '"t"' },
    });
    expect(textAt(message, message.ranges.arguments)).toBe('{"a": [1]}');
    expect(textAt(message, message.ranges.id)).toBe("7");
    expect(textAt(message, message.ranges.params)).toBe(text.slice(text.indexOf("{ "), -1));
    expect(textAt(message, message.ranges.progressToken)).toBe('"t"');
  });

  test("the very bytes it was given, also within a larger buffer", () => {
    const text = ' {"jsonrpc":"2.0","method":"m"}\r\n';
    const bytes = Buffer.from(`xx${text}yy`).subarray(2, -2);
    expect(parseMessage(bytes).bytes).toBe(bytes);
  });

  test.each([
    ["tools/call", '{"name":"a","uri":"u"}', "a"],
    ["prompts/get", '{"name":"\\u0061b"}', "ab"],
    ["resources/read", '{"name":"a","uri":"u://x"}', "u://x"],
    ["resources/subscribe", '{"uri":"u"}', "u"],
    ["resources/unsubscribe", '{"uri":"u"}', "u"],
    ["tasks/get", '{"taskId":"t"}', "t"],
    ["completion/complete", '{"ref":{"type":"ref/prompt","name":"p","uri":"u"}}', "p"],
    ["completion/complete", '{"ref":{"type":"ref/resource","name":"p","uri":"u"}}', "u"],
    ["completion/complete", '{"ref":{"type":"ref/other","name":"p","uri":"u"}}', undefined],
    ["completion/complete", '{"ref":"p"}', undefined],
    ["tools/call", '{"name":5}', undefined],
    ["tools/call", '{"name":null}', undefined],
    ["tools/call", "{}", undefined],
    ["tools/list", '{"name":"a"}', undefined],
    ["own/method", '{"name":"a"}', undefined],
  ])("%s %s as about %s", (method, params, name) => {
    expect(parse(`{"params":${params},"method":"${method}","id":1,"jsonrpc":"2.0"}`)).toMatchObject({ name });
  });

  test.each([
    ["1234567890123456789", "1234567890123456789"],
    ["-5", "-5"],
    ['"1"', '"1"'],
    ['"\\u0031"', '"\\u0031"'],
    ['""', '""'],
  ])("the id %s exactly", (id, text) => {
    expect(parse(`{"jsonrpc":"2.0","id":${id},"method":"ping"}`)).toMatchObject({ id: { text } });
    expect(parse(`{"jsonrpc":"2.0","id":${id},"result":{}}`)).toMatchObject({ id: { text } });
  });

  test("notifications, and what they are about", () => {
    expect(
      parse('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"r"}}'),
    ).toMatchObject({ kind: "notification", requestId: { text: '"r"' } });
    expect(
      parse('{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":3,"progress":1}}'),
    ).toMatchObject({ kind: "notification", progressToken: { text: "3" } });
  });

  test("responses, also an error that belongs to no request", () => {
    const result = parse('{"jsonrpc":"2.0","id":1,"result":{"a":1},"unknown":[]}');
    expect(result).toMatchObject({ kind: "response", id: { text: "1" }, isError: false });
    expect(textAt(result, result.ranges.result)).toBe('{"a":1}');
    const error = parse('{"jsonrpc":"2.0","id":"x","error":{"code":1,"message":"m"}}');
    expect(error).toMatchObject({ kind: "response", id: { text: '"x"' }, isError: true });
    expect(textAt(error, error.ranges.error)).toBe('{"code":1,"message":"m"}');
    for (const id of ['"id":null,', ""]) {
      expect(parse(`{"jsonrpc":"2.0",${id}"error":{}}`)).toMatchObject({ id: undefined, isError: true });
    }
  });

  test("what the sender claims to be", () => {
    expect(
      parse(
        '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","clientInfo":{"name":"c","version":"1"}}}',
      ),
    ).toMatchObject({
      protocolVersionClaim: { version: "2025-06-18", from: "initialize" },
      clientInfo: { name: "c", version: "1" },
    });
    expect(
      parse(
        call(
          "1",
          '{"name":"n","protocolVersion":"x","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c"}}}',
        ),
      ),
    ).toMatchObject({
      protocolVersionClaim: { version: "2026-07-28", from: "meta" },
      clientInfo: { name: "c" },
    });
    expect(parse(call("1", '{"name":"n","protocolVersion":"x"}'))).toMatchObject({
      protocolVersionClaim: undefined,
    });
  });

  test("members it does not know, in whatever case the arguments have them", () => {
    expect(
      parse(call("1", '{"name":"n","arguments":{"Name":1,"name":2,"ID":3},"other":{"Name":1}}')),
    ).toMatchObject({
      name: "n",
    });
  });

  test("as deep as the limit says, and no deeper", () => {
    const deep = (levels: number): Buffer =>
      Buffer.from(`{"jsonrpc":"2.0","id":4,"result":${"[".repeat(levels)}${"]".repeat(levels)}}`);
    expect(parseMessage(deep(127)).kind).toBe("response");
    expect(refusalOf(deep(128))).toMatchObject({ reason: "too_deep", rpcCode: -32600, id: { text: "4" } });
    expect(refusalOf(deep(2), 2)).toMatchObject({ reason: "too_deep" });
    expect(refusalOf(deep(100_000), 1_000_000)).toMatchObject({ reason: "too_deep" });
  });
});

/** -32600 where nothing is said. */
const RPC_CODES: Partial<Record<MalformedReason, number>> = {
  invalid_json: -32700,
  invalid_protocol_version: -32602,
};

describe("parseMessage refuses", () => {
  const asId = (text: string): { text: string } => ({ text });

  test.each<[MalformedReason, string, { text: string } | undefined]>([
    ["invalid_json", "", undefined],
    ["invalid_json", "{", undefined],
    ["invalid_json", '{"jsonrpc":"2.0","id":1,"method":"a"}}', undefined],
    ["invalid_json", '{"jsonrpc":"2.0","id":1,"method":"a",}', undefined],
    ["invalid_json", '{"jsonrpc":"2.0","id":01,"method":"a"}', undefined],
    ["invalid_json", '{"jsonrpc":"2.0","id":1,"result":1.}', undefined],
    ["invalid_json", '{"jsonrpc":"2.0","id":1,"result":.5}', undefined],
    ["invalid_json", '{"jsonrpc":"2.0","id":1,"result":+1}', undefined],
    ["invalid_json", '{"jsonrpc":"2.0","id":1,"result":1e}', undefined],
    ["invalid_json", '{"jsonrpc":"2.0","id":1,"result":NaN}', undefined],
    ["invalid_json", '{"jsonrpc":"2.0","id":1,"result":nul}', undefined],
    ["invalid_json", '{"jsonrpc":"2.0","id":1,"result":"\t"}', undefined],
    ["invalid_json", '{"jsonrpc":"2.0","id":1,"result":"\0"}', undefined],
    ["invalid_json", '{"jsonrpc":"2.0","id":1,"result":"\\x41"}', undefined],
    ["invalid_json", '{"jsonrpc":"2.0","id":1,"result":"\\u00g0"}', undefined],
    ["invalid_json", '{"jsonrpc":"2.0","id":1,"result":"', undefined],
    ["invalid_json", "{'jsonrpc':1}", undefined],
    ["invalid_json", '{"jsonrpc":"2.0" /* no */}', undefined],
    ["invalid_json", '{"jsonrpc":"2.0","id":1,"id":2,"result":{}', undefined],
    ["batch", ' [{"jsonrpc":"2.0","id":1,"method":"a"}]', undefined],
    ["not_an_object", "5", undefined],
    ["not_an_object", '"text"', undefined],
    ["not_an_object", "null", undefined],
    ["duplicate_key", '{"jsonrpc":"2.0","id":1,"id":2,"result":{}}', undefined],
    ["duplicate_key", '{"jsonrpc":"2.0","id":1,"id":2,"id":3,"result":{}}', undefined],
    ["duplicate_key", '{"jsonrpc":"2.0","method":"a","method":"b","id":5}', asId("5")],
    ["duplicate_key", call("1", '{"name":"a","n\\u0061me":"b"}'), asId("1")],
    ["duplicate_key", call("1", '{"name":"a","arguments":{"x":[{"k":1,"y":2,"k":1}]}}'), asId("1")],
    ["duplicate_key", call("1", '{"name":"a","arguments":{"":1,"":1}}'), asId("1")],
    ["duplicate_key", call("1", '{"name":"a","arguments":{"é":1,"\\u00e9":1}}'), asId("1")],
    ["duplicate_key", call("1", '{"name":"a","arguments":{"😀":1,"\\ud83d\\ude00":1}}'), asId("1")],
    ["case_variant_key", '{"jsonrpc":"2.0","id":1,"Method":"a"}', asId("1")],
    ["case_variant_key", '{"jsonrpc":"2.0","ID":1,"method":"a"}', undefined],
    ["case_variant_key", '{"JsonRpc":"2.0","id":1,"method":"a"}', asId("1")],
    ["case_variant_key", '{"jsonrpc":"2.0","id":1,"method":"a","Params":{}}', asId("1")],
    ["case_variant_key", '{"jsonrpc":"2.0","id":1,"method":"a","param\u017f":{}}', asId("1")],
    ["case_variant_key", '{"jsonrpc":"2.0","id":1,"result":{},"ERROR":{}}', asId("1")],
    ["case_variant_key", call("1", '{"name":"a","Name":"b"}'), asId("1")],
    ["case_variant_key", call("1", '{"name":"a","Arguments":{}}'), asId("1")],
    ["case_variant_key", call("1", '{"name":"a","_Meta":{}}'), asId("1")],
    ["case_variant_key", call("1", '{"name":"a","_meta":{"ProgressToken":1}}'), asId("1")],
    ["case_variant_key", call("1", '{"name":"a","URI":"b"}'), asId("1")],
    ["case_variant_key", call("1", '{"Notifications":{}}'), asId("1")],
    ["case_variant_key", call("1", '{"notifications":{"ResourceSubscriptions":["a:b"]}}'), asId("1")],
    ["case_variant_key", call("1", '{"notifications":{"taskids":["t"]}}'), asId("1")],
    ["nul_character", '{"jsonrpc":"2.0","id":1,"method\\u0000":"b","method":"a"}', asId("1")],
    ["nul_character", '{"jsonrpc":"2.0","id":1,"method":"a\\u0000b"}', asId("1")],
    ["nul_character", call("1", '{"name":"a\\u0000"}'), asId("1")],
    ["nul_character", call("1", '{"name":"a","arguments":{"sql\\u0000":1}}'), asId("1")],
    [
      "nul_character",
      '{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"\\u0000"}}',
      asId("1"),
    ],
    ["lone_surrogate", call("1", '{"name":"a","arguments":{"x":"\\ud83d"}}'), asId("1")],
    ["lone_surrogate", call("1", '{"name":"a","arguments":{"x":"\\ud83dx"}}'), asId("1")],
    ["lone_surrogate", call("1", '{"name":"a","arguments":{"x":"\\ud83d\\u0041"}}'), asId("1")],
    ["lone_surrogate", call("1", '{"name":"a","arguments":{"x":"\\ude00\\ud83d"}}'), asId("1")],
    ["lone_surrogate", call("1", '{"name":"a","arguments":{"x":"\\ude00\\ude00"}}'), asId("1")],
    ["lone_surrogate", call("1", '{"name":"a","arguments":{"\\ude00":1}}'), asId("1")],
    ["invalid_version", '{"id":1,"method":"a"}', asId("1")],
    ["invalid_version", '{"jsonrpc":"1.0","id":1,"method":"a"}', asId("1")],
    ["invalid_version", '{"jsonrpc":2.0,"id":1,"method":"a"}', asId("1")],
    ["invalid_id", '{"jsonrpc":"2.0","id":null,"method":"a"}', undefined],
    ["invalid_id", '{"jsonrpc":"2.0","id":1.0,"method":"a"}', undefined],
    ["invalid_id", '{"jsonrpc":"2.0","id":1e3,"method":"a"}', undefined],
    ["invalid_id", '{"jsonrpc":"2.0","id":true,"method":"a"}', undefined],
    ["invalid_id", '{"jsonrpc":"2.0","id":{},"method":"a"}', undefined],
    ["invalid_id", '{"jsonrpc":"2.0","id":null,"result":{}}', undefined],
    ["invalid_id", '{"jsonrpc":"2.0","result":{}}', undefined],
    ["invalid_id", '{"jsonrpc":"2.0","id":[],"error":{}}', undefined],
    ["invalid_method", '{"jsonrpc":"2.0","id":1,"method":5}', asId("1")],
    ["invalid_method", '{"jsonrpc":"2.0","id":1,"method":""}', asId("1")],
    ["invalid_params", '{"jsonrpc":"2.0","id":1,"method":"a","params":[]}', asId("1")],
    ["invalid_params", '{"jsonrpc":"2.0","id":1,"method":"a","params":null}', asId("1")],
    ["invalid_progress_token", call("1", '{"_meta":{"progressToken":{}}}'), asId("1")],
    [
      "invalid_protocol_version",
      call("1", '{"_meta":{"io.modelcontextprotocol/protocolVersion":7}}'),
      asId("1"),
    ],
    ["invalid_protocol_version", '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}', asId("1")],
    ["invalid_error", '{"jsonrpc":"2.0","id":1,"error":"no"}', asId("1")],
    ["ambiguous_kind", '{"jsonrpc":"2.0","id":1,"method":"a","result":{}}', asId("1")],
    ["ambiguous_kind", '{"jsonrpc":"2.0","id":1,"result":{},"error":{}}', asId("1")],
    ["ambiguous_kind", '{"jsonrpc":"2.0","id":1}', asId("1")],
  ])("%s: %s", (reason, text, id) => {
    const refusal = refusalOf(Buffer.from(text));
    expect(refusal).toMatchObject({ reason, id });
    expect(refusal.rpcCode).toBe(RPC_CODES[reason] ?? -32600);
  });

  test.each<[MalformedReason, readonly number[]]>([
    ["byte_order_mark", [0xef, 0xbb, 0xbf, 0x7b, 0x7d]],
    ["invalid_utf8", [0x7b, 0x22, 0xff, 0x22, 0x7d]],
    ["invalid_utf8", [0x22, 0xc0, 0xaf, 0x22]],
    ["invalid_utf8", [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ["invalid_json", [0xff, 0xfe].map(() => 0x20)],
  ])("%s in bytes %j", (reason, bytes) => {
    expect(refusalOf(Uint8Array.from(bytes))).toMatchObject({ reason, rpcCode: -32700, id: undefined });
  });

  test("ids, methods and names that are too long to be remembered", () => {
    const request = (id: string, method: string, name: string): Buffer =>
      Buffer.from(JSON.stringify({ jsonrpc: "2.0", id, method, params: { name } }));
    expect(parseMessage(request("i".repeat(1022), "tools/call", "n".repeat(8192))).kind).toBe("request");
    expect(refusalOf(request("i".repeat(1023), "tools/call", "n")).reason).toBe("invalid_id");
    expect(refusalOf(request("i", "tools/call", "n".repeat(8193))).reason).toBe("invalid_name");
    expect(refusalOf(request("i", "m".repeat(8193), "n")).reason).toBe("invalid_method");
  });

  test("without quoting what was sent", () => {
    const refusal = refusalOf(Buffer.from(call("1", '{"hunter2":1,"hunter2":2}')));
    expect(refusal.message).not.toContain("hunter2");
    expect(refusal.message).toContain("at byte 68");
  });

  test("a key seen twice among few and among many", () => {
    for (const count of [2, 8, 9, 10, 100]) {
      const members = Array.from({ length: count }, (_, i) => `"k${i}":0`);
      const object = (keys: readonly string[]): Buffer =>
        Buffer.from(`{"jsonrpc":"2.0","id":1,"result":{${keys.join(",")}}}`);
      expect(parseMessage(object(members)).kind).toBe("response");
      expect(refusalOf(object([...members, `"k${count - 1}":0`])).reason).toBe("duplicate_key");
      expect(refusalOf(object([...members, '"k\\u0030":0'])).reason).toBe("duplicate_key");
    }
  });

  test("no keys that only share a hash", () => {
    expect(parse(call("1", '{"name":"n","arguments":{"Aa":1,"BB":2}}'))).toMatchObject({ name: "n" });
  });
});

const text = fc.string({ unit: "binary", maxLength: 20 });
const json = fc.jsonValue({ maxDepth: 5, stringUnit: "binary" }).filter((value) => !hasNulKey(value));

function hasNulKey(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([key, inner]) => key.includes("\0") || hasNulKey(inner));
}

describe("for every message", () => {
  test("what JSON.stringify wrote is read as it was", () => {
    fc.assert(
      fc.property(
        fc.oneof(text, fc.maxSafeInteger()),
        text.filter((name) => !name.includes("\0")),
        fc.dictionary(
          text.filter((key) => !key.includes("\0")),
          json,
        ),
        (id, name, args) => {
          const written = JSON.stringify({
            jsonrpc: "2.0",
            id,
            method: "tools/call",
            params: { name, arguments: args, _meta: { progressToken: id } },
          });
          const message = parse(written);
          expect(message).toMatchObject({ kind: "request", method: "tools/call", name });
          if (message.kind !== "request") return;
          expect(JSON.parse(message.id.text)).toBe(id);
          expect(message.progressToken).toEqual(message.id);
          expect(textAt(message, message.ranges.arguments)).toBe(JSON.stringify(args));
          expect(JSON.stringify(argumentsView(message))).toBe(JSON.stringify(args));
        },
      ),
    );
  });

  test("a key written twice anywhere is refused, however it is escaped", () => {
    fc.assert(
      fc.property(json, fc.nat(), fc.nat(), fc.boolean(), (value, place, which, escaped) => {
        const writer = new DuplicatingWriter({ place, which, escaped });
        const message = { jsonrpc: "2.0", id: 1, method: "m", params: { v: value, w: { k: 1 } } };
        const count = new DuplicatingWriter({ place: -1, which, escaped });
        count.write(message);
        const duplicated = writer.within(count.objects).write(message);
        expect(parse(count.write(message)).kind).toBe("request");
        expect(refusalOf(Buffer.from(duplicated)).reason).toBe("duplicate_key");
      }),
    );
  });

  test("random bytes throw MalformedMessageError and nothing else", () => {
    const pieces = fc.constantFrom(
      '{"jsonrpc":"2.0",',
      '"id":',
      "1",
      '"method":',
      '"a"',
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"',
      "\\",
      "\\ud800",
      "\\u0000",
      "null",
      "true",
      "-",
      "1e5",
      " ",
      '"params":{',
      '"result":{}',
      '"error":{}}',
      "\xff",
      "é",
    );
    const nearly = fc.array(pieces).map((parts) => Buffer.from(parts.join("")));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), nearly), (bytes) => {
        expect(["read", ...REASONS]).toContain(outcome(bytes));
      }),
      { numRuns: 2000 },
    );
  });

  test("a mutated message is JSON for us exactly when it is for JSON.parse", () => {
    const original = fc.record({ jsonrpc: fc.constant("2.0"), id: fc.nat(), method: text, params: json });
    const mutation = fc.record({
      at: fc.nat(),
      remove: fc.nat({ max: 2 }),
      insert: fc.string({ unit: fc.constantFrom(...Array.from('{}[]",:\\u0dtn1e.-+ \n\t')), maxLength: 2 }),
    });
    fc.assert(
      fc.property(original, fc.array(mutation, { maxLength: 3 }), (message, mutations) => {
        let mutated = JSON.stringify(message);
        for (const { at, remove, insert } of mutations) {
          const start = at % (mutated.length + 1);
          mutated = mutated.slice(0, start) + insert + mutated.slice(start + remove);
        }
        // A cut character becomes U+FFFD here, so that what is parsed is what JSON.parse is given.
        const bytes = Buffer.from(mutated);
        expect(isJsonForUs(bytes)).toBe(isJson(bytes.toString()));
      }),
      { numRuns: 2000 },
    );
  });
});

const REASONS: readonly MalformedReason[] = [
  ...(["invalid_utf8", "invalid_json", "batch", "not_an_object", "duplicate_key", "nul_character"] as const),
  ...(["lone_surrogate", "invalid_version", "invalid_id", "invalid_method", "invalid_params"] as const),
  ...(["invalid_error", "ambiguous_kind"] as const),
];

/** Anything but a MalformedMessageError goes through, and fails the test. */
function outcome(bytes: Uint8Array): string {
  try {
    return parseMessage(bytes).bytes === bytes ? "read" : "copied";
  } catch (error) {
    if (error instanceof MalformedMessageError) return error.reason;
    throw error;
  }
}

function isJsonForUs(bytes: Uint8Array): boolean {
  const seen = outcome(bytes);
  // A batch is refused at its first byte, whatever follows.
  return seen === "batch" ? isJson(Buffer.from(bytes).toString()) : seen !== "invalid_json";
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** JSON.stringify that writes one member of the object number `place` twice. */
class DuplicatingWriter {
  objects = 0;
  readonly #which: number;
  readonly #escaped: boolean;
  #place: number;

  constructor({ place, which, escaped }: { place: number; which: number; escaped: boolean }) {
    this.#place = place;
    this.#which = which;
    this.#escaped = escaped;
  }

  /** Makes `place` one of the objects there are. */
  within(objects: number): this {
    this.#place %= objects;
    return this;
  }

  write(value: unknown): string {
    if (Array.isArray(value)) return `[${value.map((item) => this.write(item)).join(",")}]`;
    if (typeof value !== "object" || value === null) return JSON.stringify(value);
    const isPlace = this.objects++ === this.#place;
    const members = Object.entries(value).map(([key, inner]) => [key, this.write(inner)] as const);
    const written = members.map(([key, inner]) => `${JSON.stringify(key)}:${inner}`);
    if (isPlace) written.push(...this.#again(members.map(([key]) => key)));
    return `{${written.join(",")}}`;
  }

  #again(keys: readonly string[]): readonly string[] {
    const key = keys[this.#which % Math.max(1, keys.length)];
    return key === undefined ? ['"k":1', `${this.#spell("k")}:2`] : [`${this.#spell(key)}:0`];
  }

  #spell(key: string): string {
    if (!this.#escaped) return JSON.stringify(key);
    const units = Array.from({ length: key.length }, (_, i) =>
      key.charCodeAt(i).toString(16).padStart(4, "0"),
    );
    return `"${units.map((unit) => `\\u${unit}`).join("")}"`;
  }
}
