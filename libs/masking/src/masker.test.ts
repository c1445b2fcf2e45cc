import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { createMasker } from "./masker.js";
import { UnmaskableError } from "./unmaskable.js";
import { shapeOf } from "./fixtures/shape.js";

const masker = createMasker();
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const maskJson = (json: string): string => textOf(masker.maskMessage(utf8(json)).payload);
const maskResult = (result: unknown): unknown =>
  (JSON.parse(maskJson(JSON.stringify({ jsonrpc: "2.0", id: 1, result }))) as { result: unknown }).result;

const CARD = "4111111111111111";
const github = ["ghp", "_", "0123456789abcdefghijABCDEFGHIJ012345"].join("");

describe("a message", () => {
  test("without secrets comes back as the same instance", () => {
    const payload = utf8(
      '{"jsonrpc":"2.0", "id":1,"result":{"content":[{"type":"text","text":"nothing \\u0041 here"}]}}',
    );
    const { payload: masked, masked: counts } = masker.maskMessage(payload);
    expect(masked).toBe(payload);
    expect(counts).toEqual({});
  });

  test("keeps every byte that is not masked: white space, escapes, numbers, the order of members", () => {
    const json = `{ "id" : 1e2,\t"result":{"b":1.50,"a":"caf\\u00e9 \\/ ${CARD} \\n x","a":12345678901234567890} }`;
    expect(maskJson(json)).toBe(json.replace(CARD, "[REDACTED:card]"));
  });

  test("counts what it masked by kind", () => {
    const payload = utf8(
      JSON.stringify({ result: { text: `${CARD} and a@b.example.com`, cards: [Number(CARD)] } }),
    );
    expect(masker.maskMessage(payload).masked).toEqual({ card: 2, email: 1 });
  });

  test("is followed into strings that are JSON, and keeps their formatting", () => {
    const rows = JSON.stringify([{ id: 7, password: "hunter2", note: 'say "hi"' }], null, 2);
    expect(maskResult({ content: [{ type: "text", text: rows }] })).toEqual({
      content: [{ type: "text", text: rows.replace("hunter2", "[REDACTED:password]") }],
    });
  });

  test("is masked in errors, notifications, requests and batches alike", () => {
    for (const message of [
      { jsonrpc: "2.0", id: 1, error: { code: -32000, message: `bad ${CARD}`, data: { card: CARD } } },
      { jsonrpc: "2.0", method: "notifications/message", params: { level: "info", data: CARD } },
      { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "pay", arguments: { number: CARD } } },
      [{ jsonrpc: "2.0", id: 1, result: { structuredContent: { n: CARD } } }],
    ]) {
      expect(maskJson(JSON.stringify(message))).not.toContain(CARD);
    }
  });

  test("keeps opaque protocol fields byte for byte", () => {
    const message = {
      jsonrpc: "2.0",
      id: CARD,
      result: {
        resultType: "input_required",
        nextCursor: github,
        requestState: CARD,
        task: { taskId: CARD },
        _meta: { progressToken: CARD, "io.modelcontextprotocol/subscriptionId": CARD },
        tools: [{ name: "get_password", description: "safe" }],
        content: [{ type: "text", mimeType: "text/plain", text: "safe" }],
      },
    };
    const payload = utf8(JSON.stringify(message));
    expect(masker.maskMessage(payload).payload).toBe(payload);
  });

  test("gives names that are opaque at their protocol position no shelter in user data", () => {
    const data = {
      nextCursor: github,
      requestState: CARD,
      id: CARD,
      name: github,
      _meta: { progressToken: CARD },
    };
    const masked = JSON.stringify(maskResult({ structuredContent: data }));
    expect(masked).not.toContain(github);
    expect(masked).not.toContain(CARD);
  });

  test("keeps personal data in addresses a client must repeat, and takes credentials out of them", () => {
    const resources = [{ uri: "mail://inbox/ada@example.com" }, { uri: "postgres://app:hunter2@db/shop" }];
    expect(maskResult({ resources })).toEqual({
      resources: [
        { uri: "mail://inbox/ada@example.com" },
        { uri: "postgres://app:[REDACTED:password]@db/shop" },
      ],
    });
  });
});

describe("names of members", () => {
  test.each([
    ["password", "x", "[REDACTED:password]"],
    ["dbPassword", "correct horse", "[REDACTED:password]"],
    ["AWS_SECRET_ACCESS_KEY", "x", "[REDACTED:secret]"],
    ["api-key", "x", "[REDACTED:secret]"],
    ["refresh_token", "x", "[REDACTED:token]"],
    ["authorization", "x", "[REDACTED:token]"],
    ["Set-Cookie", "x", "[REDACTED:cookie]"],
    ["passwordHash", "x", "[REDACTED:password-hash]"],
    ["secret2", "x", "[REDACTED:secret]"],
    ["pin", 1234, 0],
    ["cvv", 123, 0],
    ["card_number", 12, 0],
    ["max_tokens", "4096", "4096"],
    ["nextPageToken", "abc", "abc"],
    ["token_type", "bearer", "bearer"],
    ["tokenizer", "bpe", "bpe"],
    ["key_id", "k1", "k1"],
    ["public_key", "abc", "abc"],
    ["secretName", "db", "db"],
    ["password_policy", "strong", "strong"],
    ["author", "Ada", "Ada"],
    ["keyboard", "de", "de"],
    ["monkey", "George", "George"],
    ["password", "", ""],
    ["password", null, null],
    ["password", true, true],
    ["password", 42, 42],
    ["password", "${DB_PASSWORD}", "${DB_PASSWORD}"],
    ["token", "{{ token }}", "{{ token }}"],
    ["secret", "process.env.SECRET", "process.env.SECRET"],
  ])("%s: %j becomes %j", (name, value, expected) => {
    expect(maskResult({ structuredContent: { [name]: value } })).toEqual({
      structuredContent: { [name]: expected },
    });
  });

  test("reach into lists and to a member called value, and not further into objects", () => {
    expect(maskResult({ db_password: { sensitive: true, type: "string", value: "x" } })).toEqual({
      db_password: { sensitive: true, type: "string", value: "[REDACTED:password]" },
    });
    expect(
      maskResult({ data: { passwords: ["a", "b"], credentials: { user: "ada", password: "x" } } }),
    ).toEqual({
      data: {
        passwords: ["[REDACTED:password]", "[REDACTED:password]"],
        credentials: { user: "ada", password: "[REDACTED:password]" },
      },
    });
  });

  test("may stand in a value: pairs of name and value, in either order, and pairs as lists", () => {
    expect(
      maskResult({
        env: [
          { name: "DB_PASS", value: "x" },
          { value: "y", name: "API_KEY" },
          { name: "HOST", value: "z" },
        ],
        h: [["Authorization", "abc"]],
      }),
    ).toEqual({
      env: [
        { name: "DB_PASS", value: "[REDACTED:password]" },
        { value: "[REDACTED:secret]", name: "API_KEY" },
        { name: "HOST", value: "z" },
      ],
      h: [["Authorization", "[REDACTED:token]"]],
    });
  });

  test("may stand once, for a column", () => {
    const rows = [
      [1, "hunter2", 99],
      [2, "x,y", 98],
    ];
    const expected = [
      [1, "[REDACTED:password]", 0],
      [2, "[REDACTED:password]", 0],
    ];
    expect(maskResult({ t: { columns: ["id", "password", "pin"], rows } })).toEqual({
      t: { columns: ["id", "password", "pin"], rows: expected },
    });
    const fields = [{ name: "id" }, { name: "password" }, { name: "pin" }];
    expect(maskResult({ t: { values: rows, fields } })).toEqual({ t: { values: expected, fields } });
  });

  test("a private key that is written line by line is masked to its last line, and no further", () => {
    const lines = [
      ["-----BEGIN", "PRIVATE KEY-----"].join(" "),
      "MIIEvQIBADANBg",
      "",
      "kqhkiG9w0BAQ",
      "-----END PRIVATE KEY-----",
      "after",
    ];
    const { payload } = createMasker().maskMessage(
      Buffer.from(JSON.stringify({ result: { lines, next: ["plain"] } })),
    );
    const masked = "[REDACTED:private-key]";
    expect(JSON.parse(Buffer.from(payload).toString("utf8"))).toEqual({
      result: { lines: [masked, masked, "", masked, masked, "after"], next: ["plain"] },
    });
    expect(createMasker().maskMessage(payload).payload).toBe(payload);
  });

  test("the private members of a JSON Web Key are masked, its public ones are not", () => {
    expect(maskResult({ keys: [{ kty: "EC", x: "pub", d: "priv" }], d: "plain" })).toEqual({
      keys: [{ kty: "EC", x: "pub", d: "[REDACTED:private-key]" }],
      d: "plain",
    });
  });
});

describe("a card as a number", () => {
  test.each([
    ["4111111111111111", "0"],
    ["-4111111111111111", "0"],
    ["4111111111111111.0", "0"],
    ["4.111111111111111e15", "0"],
    ["4111111111111112", "4111111111111112"],
    ["1700000000000000", "1700000000000000"],
    ["12345678901234567890", "12345678901234567890"],
  ])("%s becomes %s and stays a number", (number, expected) => {
    expect(maskJson(`{"result":{"n":${number}}}`)).toBe(`{"result":{"n":${expected}}}`);
  });
});

describe("what cannot be masked", () => {
  const nested = (depth: number): string => {
    let text: unknown = "x";
    for (let index = 0; index < depth; index++) text = JSON.stringify([text]);
    return JSON.stringify({ result: text });
  };

  test.each<{ what: string; payload: Uint8Array; reason: string }>([
    { what: "bytes that are not UTF-8", payload: Uint8Array.of(0x22, 0xff, 0x22), reason: "invalid_utf8" },
    {
      what: "a byte order mark",
      payload: Uint8Array.of(0xef, 0xbb, 0xbf, 0x7b, 0x7d),
      reason: "invalid_json",
    },
    { what: "nothing", payload: utf8(""), reason: "invalid_json" },
    { what: "text behind the value", payload: utf8('{"secret":"s3cr3t"} x'), reason: "invalid_json" },
    { what: "a comma too many", payload: utf8('{"secret":"s3cr3t",}'), reason: "invalid_json" },
    { what: "a raw line break in a string", payload: utf8('{"secret":"s3\ncr3t"}'), reason: "invalid_json" },
    { what: "an unknown escape", payload: utf8('{"secret":"s3\\xcr3t"}'), reason: "invalid_json" },
    { what: "a number with a leading zero", payload: utf8('{"secret":01}'), reason: "invalid_json" },
    { what: "a million open brackets", payload: utf8("[".repeat(1_000_000)), reason: "too_deep" },
    { what: "JSON in JSON five times", payload: utf8(nested(5)), reason: "too_deep" },
    { what: "JSON in JSON ten times", payload: utf8(nested(10)), reason: "too_deep" },
  ])("throws for $what, and quotes nothing of it", ({ payload, reason }) => {
    const error = errorOf(() => masker.maskMessage(payload));
    expect(error).toBeInstanceOf(UnmaskableError);
    expect(error).toMatchObject({ reason });
    expect(`${String(error)} ${error instanceof Error ? String(error.cause) : ""}`).not.toContain("cr3t");
  });

  test("is what is larger than the limit, in a message and in text", () => {
    const small = createMasker({ maxBytes: 10 });
    expect(errorOf(() => small.maskMessage(utf8('{"a":"123456"}')))).toMatchObject({ reason: "too_large" });
    expect(errorOf(() => small.maskText("12345678901"))).toMatchObject({ reason: "too_large" });
  });

  test("is what takes longer than the limit", () => {
    const hasty = createMasker({ maxMillis: 0 });
    const text = "key: a@b.example.com ".repeat(20_000);
    expect(errorOf(() => hasty.maskText(text))).toMatchObject({ reason: "too_slow" });
  });

  test("is whatever breaks the masker itself", () => {
    const notBytes = { length: 1 } as unknown as Uint8Array;
    expect(errorOf(() => masker.maskMessage(notBytes))).toBeInstanceOf(UnmaskableError);
  });

  test("JSON in JSON four times is masked", () => {
    expect(maskJson(nested(4).replace("x", CARD))).not.toContain(CARD);
  });
});

test("a profile may leave kinds alone, and then nothing hides under them", () => {
  const lenient = createMasker({ except: ["email", "password"] });
  expect(lenient.maskText(`a@b.example.com ${CARD}`).text).toBe("a@b.example.com [REDACTED:card]");
  expect(textOf(lenient.maskMessage(utf8(`{"password":"x ${CARD}"}`)).payload)).toBe(
    '{"password":"x [REDACTED:card]"}',
  );
});

describe("for all messages", () => {
  const secret = fc.constantFrom(
    CARD,
    "4111 1111 1111 1111",
    github,
    "ada@example.com",
    "DE89370400440532013000",
    "password=hunter22",
    '{"token":"abc1"}',
    ["-----BEGIN ", "PRIVATE KEY-----\nMIIE"].join(""),
    "Authorization: Bearer abcdefghijklmnop1234",
    "postgres://a:b@c",
    "[REDACTED:card]",
  );
  const text = fc
    .array(
      fc.oneof(
        fc.string({ unit: "grapheme", maxLength: 8 }),
        fc.constantFrom(" ", "\n", '"', "\\", "=", ": ", "_"),
        secret,
      ),
      { maxLength: 6 },
    )
    .map((pieces) => pieces.join(""));
  const name = fc.oneof(
    fc.constantFrom(
      "password",
      "pin",
      "name",
      "value",
      "columns",
      "rows",
      "result",
      "content",
      "id",
      "_meta",
    ),
    fc.string({ maxLength: 6 }),
  );
  const { json } = fc.letrec((tie) => ({
    json: fc.oneof(
      { depthSize: "small" },
      text,
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.constantFrom<unknown>(null, true, Number(CARD)),
      fc.array(tie("json"), { maxLength: 4 }),
      fc.dictionary(name, tie("json"), { maxKeys: 4 }),
      fc.dictionary(name, tie("json"), { maxKeys: 3 }).map((inner) => JSON.stringify(inner)),
    ),
  }));

  function maskedUnlessTooDeep(message: string) {
    try {
      return masker.maskMessage(utf8(message));
    } catch (error) {
      if (error instanceof UnmaskableError && error.reason === "too_deep") return undefined;
      throw error;
    }
  }

  test("the result is JSON with the same keys and types, and masking it again changes nothing", () => {
    fc.assert(
      fc.property(json, fc.nat(3), (value, indent) => {
        const message = JSON.stringify({ jsonrpc: "2.0", id: 1, result: value }, null, indent);
        const once = maskedUnlessTooDeep(message);
        // Documents in documents in documents …: nothing of them passes.
        fc.pre(once !== undefined);
        const parsed: unknown = JSON.parse(textOf(once.payload));
        expect(shapeOf(parsed)).toEqual(shapeOf(JSON.parse(message)));
        expect(masker.maskMessage(once.payload).payload).toBe(once.payload);
      }),
      { numRuns: 1000 },
    );
  });

  test("masking a text again changes nothing", () => {
    fc.assert(
      fc.property(text, (value) => {
        const once = masker.maskText(value).text;
        expect(masker.maskText(once)).toEqual({ text: once, masked: {} });
      }),
      { numRuns: 3000 },
    );
  });

  test("a card never survives, wherever it is put", () => {
    const path = fc.array(
      fc.oneof(
        name.map((key) => ({ key })),
        fc.constantFrom("list" as const, "json" as const, "prose" as const),
      ),
      { maxLength: 8 },
    );
    const written = fc.constantFrom<string | number>(
      CARD,
      Number(CARD),
      "5500 0055 5555 5559",
      "3782-822463-10005",
      "6011000990139424",
    );
    fc.assert(
      fc.property(path, written, (steps, card) => {
        let documents = 0;
        let value: unknown = card;
        for (const step of steps) {
          if (step === "list") value = [1, value, "x"];
          else if (step === "json") value = documents++ < 3 ? JSON.stringify({ v: value }) : [value];
          else if (step === "prose") value = typeof value === "string" ? `paid with ${value} today` : value;
          else value = { before: 1, [step.key === "__proto__" ? "k" : step.key]: value };
        }
        const masked = maskJson(
          JSON.stringify({ jsonrpc: "2.0", id: 1, result: { structuredContent: value } }),
        );
        expect(masked).not.toContain(String(card));
      }),
      { numRuns: 2000 },
    );
  });

  test("any bytes either are masked or throw UnmaskableError", () => {
    const almost = json
      .map((value) => JSON.stringify(value))
      .chain((valid) => fc.tuple(fc.constant(valid), fc.nat(valid.length), fc.string({ maxLength: 2 })));
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 40 }),
          almost.map(([valid, at, noise]) => utf8(valid.slice(0, at) + noise + valid.slice(at + 1))),
        ),
        (payload) => {
          const error = errorOf(() => masker.maskMessage(payload));
          expect(error === undefined || error instanceof UnmaskableError).toBe(true);
          expect(isJson(payload)).toBe(error === undefined);
        },
      ),
      { numRuns: 1000 },
    );
  });
});

function isJson(payload: Uint8Array): boolean {
  try {
    JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(payload));
    return true;
  } catch {
    return false;
  }
}

function errorOf(work: () => unknown): unknown {
  try {
    work();
    return undefined;
  } catch (error) {
    return error;
  }
}
