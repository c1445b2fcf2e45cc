import { Buffer } from "node:buffer";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { createMasker } from "../masker.js";
import type { Kind } from "../profile.js";
import { UnmaskableError } from "../unmaskable.js";
import { openMaskStream, type MaskStream } from "./mask-stream.js";
import { WINDOWS, type Windows } from "./windows.js";
import { shapeOf } from "../fixtures/shape.js";

const masker = createMasker();
/** Small enough that a few kilobytes are a large message, large enough for every secret in here to be seen whole. */
const SMALL: Windows = { message: 256, block: 64, value: 300, segment: 1200, ahead: 900, head: 512 };

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const joined = (pieces: readonly string[]): string => pieces.join("");

function open(windows: Windows, except: readonly Kind[] = []): MaskStream {
  const limits = { maxDepth: 256, except: new Set(except) };
  return openMaskStream({ limits, maxMillis: 5000, maskMessage: masker.maskMessage, windows });
}

function maskPieces(stream: MaskStream, pieces: Iterable<Uint8Array>): string {
  const out: Uint8Array[] = [];
  for (const piece of pieces) out.push(...stream.push(piece));
  out.push(...stream.end().rest);
  return textOf(Buffer.concat(out));
}

const maskLarge = (json: string, windows = SMALL): string => maskPieces(open(windows), [utf8(json)]);
const maskWhole = (json: string): string => textOf(masker.maskMessage(utf8(json)).payload);
const message = (result: unknown, indent = 0): string =>
  JSON.stringify({ jsonrpc: "2.0", id: 1, result }, null, indent);
const inText = (text: string): string => message({ content: [{ type: "text", text }] });
const textIn = (json: string): string =>
  (JSON.parse(json) as { result: { content: [{ text: string }] } }).result.content[0].text;
const resultIn = (json: string): unknown => (JSON.parse(json) as { result: unknown }).result;

const CARD = "4111111111111111";
const github = joined(["ghp", "_", "0123456789abcdefghijABCDEFGHIJ012345"]);
const pem = joined([
  "-----BEGIN ",
  "PRIVATE KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQ\n-----END PRIVATE KEY-----",
]);

/** A text, and what of it must not be left. */
const SECRETS: readonly (readonly [text: string, secret: string])[] = [
  [CARD, CARD],
  ["4111 1111 1111 1111", "1111 1111"],
  [github, "0123456789abcdefghij"],
  ["ada.lovelace@example.com", "lovelace@example"],
  ["DE89 3704 0044 0532 0130 00", "0044 0532"],
  ["536-90-4399", "90-4399"],
  ["password=hunter22 ", "hunter22"],
  ['api_key: "correct horse battery"', "horse"],
  ["Authorization: Bearer abcdefghijklmnop1234", "abcdefghijklmnop1234"],
  ["postgres://app:s3cr3tpw@db/shop", "s3cr3tpw"],
  [pem, "MIIEvQIBADANBg"],
  ["id,password\n1,hunter22\n2,hunter33\n", "hunter22"],
  ["| id | token |\n|---|---|\n| 1 | abcd |\n", "abcd"],
  [
    joined(["eyJhbGciOiJIUzI1NiJ9", ".", "eyJzdWIiOiIxMjM0NTY3ODkwIn0", ".", "c2lnbmF0dXJl"]),
    "eyJzdWIiOiIxMjM0NTY3ODkwIn0",
  ],
];

const FILLERS = ["lorem ipsum ", "a line of text\n", "1,2\n", "é😀 ", '"quoted" ', "\\ ", "<p> ", "AbC9/"];

describe("a large message", () => {
  const rows = Array.from({ length: 400 }, (_, id) => ({ id, name: `user ${id}`, note: 'é😀 \\ " \n' }));

  test("without secrets comes out byte for byte", () => {
    for (const json of [
      message({ structuredContent: { rows } }, 2),
      inText(JSON.stringify(rows)),
      inText('ünïcode \u2028 \\ " \n\t'.repeat(2000)),
      `{ "result" : [${'1.50 , "\\u00e9\\/" ,\n'.repeat(1000)}1e2 ] }  `,
    ]) {
      expect(maskLarge(json)).toBe(json);
    }
  });

  test("of any shape comes out as from maskMessage where every value fits into the window", () => {
    const people = rows.map(({ id }) => ({ id, password: `pw${id}`, mail: `a${id}@example.com`, pin: 1234 }));
    for (const json of [
      message({ structuredContent: { people } }),
      message({ content: people.map((person) => ({ type: "text", text: JSON.stringify(person) })) }),
      message({ resources: people.map(({ mail }) => ({ uri: `mail://${mail}/x`, description: mail })) }),
      message({ env: people.map(({ id, password }) => ({ name: `DB_PASSWORD_${id}`, value: password })) }),
      message(Object.fromEntries(people.map(({ id, password }) => [`secret${id}`, password]))),
      inText(JSON.stringify(JSON.stringify(JSON.stringify(people)))),
    ]) {
      expect(maskLarge(json)).toBe(maskWhole(json));
    }
  });

  test("counts what it masked, each secret once", () => {
    const stream = open(SMALL);
    stream.push(utf8(inText(`${CARD}\n${"x\n".repeat(2000)}password="${"y ".repeat(9000)}" ${CARD}`)));
    expect(stream.end().masked).toEqual({ card: 2, password: 1 });
  });

  test("leaves the kinds the profile leaves", () => {
    const json = inText(`a@b.example.com ${"x ".repeat(3000)} ${CARD} a@b.example.com`);
    expect(maskPieces(open(SMALL, ["email"]), [utf8(json)])).toBe(json.replace(CARD, "[REDACTED:card]"));
  });

  test("keeps opaque protocol fields of any length, and personal data in addresses", () => {
    const state = `${CARD} `.repeat(500);
    const uri = `mail://ada@example.com/${"x".repeat(5000)}?api_key=abc123`;
    const masked = resultIn(maskLarge(message({ requestState: state, resources: [{ uri }] })));
    expect(masked).toEqual({
      requestState: state,
      resources: [{ uri: uri.replace("abc123", "[REDACTED:secret]") }],
    });
  });
});

describe("where it is cut", () => {
  const cutAnywhere = fc.array(fc.nat(200), { minLength: 1, maxLength: 20 });

  function* cut(bytes: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
    for (let at = 0, index = 0; at < bytes.length; index++) {
      const size = (sizes[index % sizes.length] ?? 0) + 1;
      yield bytes.subarray(at, at + size);
      at += size;
    }
  }

  test.each(FILLERS)("a message full of %j and secrets comes out the same", (filler) => {
    const text = SECRETS.map(([secret]) => `${filler.repeat(40)} ${secret}\n`).join("");
    const bytes = utf8(
      message({
        content: [
          { type: "text", text },
          { type: "text", text: JSON.stringify([text]) },
        ],
      }),
    );
    const whole = maskPieces(open(SMALL), [bytes]);
    expect(maskPieces(open(SMALL), cut(bytes, [0]))).toBe(whole);
    fc.assert(
      fc.property(cutAnywhere, (sizes) => {
        expect(maskPieces(open(SMALL), cut(bytes, sizes))).toBe(whole);
      }),
      { numRuns: 20 },
    );
  });

  test("a small message comes out as from maskMessage", () => {
    const json = message({ a: SECRETS.map(([text]) => text) });
    expect(maskPieces(masker.maskStream(), cut(utf8(json), [0]))).toBe(maskWhole(json));
  });

  test("a chunk may be written over once it was taken", () => {
    const json = utf8(inText(`${"x ".repeat(3000)}${CARD}`));
    const chunk = new Uint8Array(50);
    const stream = open(SMALL);
    const out: Uint8Array[] = [];
    for (let at = 0; at < json.length; at += chunk.length) {
      const part = json.subarray(at, at + chunk.length);
      chunk.set(part);
      out.push(...stream.push(chunk.subarray(0, part.length)));
      chunk.fill(0xff);
    }
    out.push(...stream.end().rest);
    expect(textOf(Buffer.concat(out))).toBe(maskWhole(textOf(json)));
  });
});

describe("a secret in a large text", () => {
  test.each(SECRETS)("%j is masked wherever it stands, cuts included", (text, secret) => {
    for (const filler of FILLERS) {
      const before = `${filler.repeat(400)}\n`;
      const after = `\n${filler.repeat(400)}`;
      // Every distance from the first cut, a segment away, and from where what has been seen then ends.
      for (const place of [SMALL.segment, SMALL.segment + SMALL.ahead, 2 * SMALL.segment]) {
        for (let shift = -text.length - 8; shift <= 8; shift += 7) {
          const masked = maskLarge(inText(before.slice(0, place + shift) + `\n${text}${after}`));
          expect(masked).not.toContain(JSON.stringify(secret).slice(1, -1));
          expect(textIn(masked)).toContain(filler.repeat(3));
        }
      }
    }
  });

  const long: readonly (readonly [what: string, head: string, body: string, tail: string, masked: string])[] =
    [
      [
        "a private key",
        joined(["-----BEGIN ", "PRIVATE KEY-----\n"]),
        "MIIEvQIB\n",
        "-----END PRIVATE KEY-----",
        "",
      ],
      ["a quoted value", 'password="', "correct horse ", "", '"'],
      ["an escaped quoted value", '{\\"token\\": \\"', "a b ", "", '\\"'],
      ["a bearer token", "Authorization: Bearer ", "abcdefgh1", "", " "],
      ["a web token", "eyJhbGciOiJIUzI1NiJ9.", "abcdefgh1", "", " "],
      ["a cookie", "Cookie: a=1", "; bc=23", "", "\n"],
      ["an element", "<password>", "x y ", "", "</password>"],
      ["a word", "DB_PASSWORD=", "Ab9", "", "\n"],
      ["a password hash", "$2b$12$", "abcdefgh", "", " "],
      ["a cell", "id,password,note\n1,", "x y", "", ",z\n2,hunter22,y\n"],
      ["a cell in quotes", 'id,password,note\n1,"', "x, y", "", '",z\n2,hunter22,y\n'],
    ];

  test.each(long)(
    "%s that is longer than the window is dropped up to its end",
    (_what, head, body, tail, end) => {
      for (const times of [60, 300, 1000, 5000]) {
        const text = `before ${"x ".repeat(700)}\n${head}${body.repeat(times)}${tail}${end}after ${CARD} end`;
        const masked = textIn(maskLarge(inText(text)));
        expect(masked).toContain("before x x ");
        expect(masked).toMatch(/after \[REDACTED:card\] end$/);
        expect(masked).not.toContain(body);
        expect(masked).not.toContain("hunter22");
        expect(masked.length).toBeLessThan(1700);
      }
    },
  );

  test("a private key without its last line reaches to the end of its text, and no further", () => {
    const text = joined(["-----BEGIN ", "PRIVATE KEY-----\n"]) + "MIIEvQIB\n".repeat(2000);
    const content = [{ text }, { text: "after" }];
    expect(resultIn(maskLarge(message({ content })))).toEqual({
      content: [{ text: "[REDACTED:private-key]" }, { text: "after" }],
    });
  });

  test("a table keeps its secret column to its last row", () => {
    for (const [header, row, masked] of [
      ["id,password,city\n", "1,hunter22,Berlin\n", "1,[REDACTED:password],Berlin\n"],
      ["| id | token |\n|---|---|\n", "| 1 | abcd |\n", "| 1 | [REDACTED:token] |\n"],
      [" id | password \n----+----------\n", "  1 | x y\n", "  1 | [REDACTED:password]\n"],
    ] as const) {
      const text = `${header}${row.repeat(2000)}\nhunter22 is no row`;
      const expected = `${header}${masked.repeat(2000)}\nhunter22 is no row`;
      expect(textIn(maskLarge(inText(text)))).toBe(expected);
    }
  });

  test("a row keeps its columns when a cell before is masked over several lines", () => {
    const text = `id,private_key,password\n${`1,"${pem}",hunter22\n2,none,hunter33\n`.repeat(100)}`;
    expect(maskLarge(inText(text))).toBe(maskWhole(inText(text)));
    expect(maskLarge(inText(text))).not.toMatch(/hunter/);
  });
});

describe("JSON in a large text", () => {
  const rows = (count: number): string =>
    JSON.stringify(
      Array.from({ length: count }, (_, id) => ({ id, password: 12, token: "abc", n: Number(CARD) })),
    );

  test("is masked by its structure, however deep it stands in strings", () => {
    for (let text = rows(300), depth = 0; depth < 4; depth++, text = JSON.stringify({ text })) {
      const masked = maskLarge(inText(text));
      expect(masked).toBe(maskWhole(inText(text)));
      expect(masked).not.toContain("abc");
    }
  });

  test("that stands in too many strings cannot be vouched for", () => {
    let text = rows(300);
    for (let depth = 0; depth < 4; depth++) text = JSON.stringify([text]);
    expect(errorOf(() => maskLarge(inText(text)))).toMatchObject({ reason: "too_deep" });
  });

  test.each([
    ["more follows it", (json: string) => `${json}\nand password=hunter22 follows`],
    ["it is cut off", (json: string) => json.slice(0, -7)],
    ["it is cut off in a secret", (json: string) => `${json.slice(0, -1)},{"password":"hunter22`],
    ["it is cut off in a long string", (json: string) => `${json.slice(0, -1)},"${"x ".repeat(900)}${CARD}`],
    ["it has a comma too many", (json: string) => `${json.slice(0, -1)},] ${CARD}`],
    ["it is one of many", (json: string) => `${json}\n`.repeat(3)],
  ])("is masked as text from where %s", (_what, spoil) => {
    const masked = textIn(maskLarge(inText(spoil(rows(300)))));
    expect(masked).not.toContain("abc");
    expect(masked).not.toContain("hunter22");
    expect(masked).not.toContain(CARD);
    expect(masked).toContain('"id":299');
  });

  test("is no document when it only begins like one", () => {
    const log = `[INFO] started\n${"{ not json } password=hunter22\n".repeat(300)}`;
    expect(maskLarge(inText(log))).toBe(maskWhole(inText(log)));
  });
});

describe("members of a large object", () => {
  const big = "x ".repeat(1000);
  const many = <Item>(item: Item): Item[] => Array.from({ length: 300 }, () => item);

  test("speak for those that follow", () => {
    expect(resultIn(maskLarge(message([{ name: "DB_PASSWORD", note: big, value: "x" }])))).toEqual([
      { name: "DB_PASSWORD", note: big, value: "[REDACTED:password]" },
    ]);
    expect(resultIn(maskLarge(message([{ name: "DB_PASSWORD", value: big }])))).toEqual([
      { name: "DB_PASSWORD", value: "[REDACTED:password]" },
    ]);
    expect(resultIn(maskLarge(message({ data: { kty: "EC", note: big, d: "priv" } })))).toEqual({
      data: { kty: "EC", note: big, d: "[REDACTED:private-key]" },
    });
    expect(resultIn(maskLarge(message({ password: { note: big, value: big } })))).toEqual({
      password: { note: big, value: "[REDACTED:password]" },
    });
  });

  test("may name the columns of rows of any number and size", () => {
    const columns = ["id", "password", "pin", "note"];
    const rows = [...many([1, "hunter22", 99, "y"]), [2, "hunter33", 98, big], [3, big, 97, big]];
    const masked = (note: string): unknown[] => ["[REDACTED:password]", 0, note];
    const expected = [...many([1, ...masked("y")]), [2, ...masked(big)], [3, ...masked(big)]];
    expect(resultIn(maskLarge(message({ t: { columns, rows } })))).toEqual({
      t: { columns, rows: expected },
    });
    const fields = [...columns, ...many({ name: "filler" })].map((name) =>
      typeof name === "string" ? { name } : name,
    );
    expect(resultIn(maskLarge(message({ t: { fields, values: rows } })))).toEqual({
      t: { fields, values: expected },
    });
  });

  test("that come too late to mask what was passed on make the message unmaskable", () => {
    for (const late of [
      { value: "x", note: big, name: "DB_PASSWORD" },
      { rows: many([1, "hunter22"]), columns: ["id", "password"] },
      { d: "priv", note: big, kty: "EC" },
    ]) {
      expect(errorOf(() => maskLarge(message({ late })))).toMatchObject({ reason: "too_large" });
    }
  });

  test("that come late and say nothing about what was passed on do no harm", () => {
    const result = {
      pair: { value: "x", note: big, name: "HOST" },
      objects: { rows: many({ id: 1 }), fields: [{ name: "id" }, { name: "password" }] },
      numbers: { value: 12, note: big, name: "DB_PASSWORD" },
    };
    expect(maskLarge(message(result))).toBe(maskWhole(message(result)));
  });

  test("a list of two may be a name and its value, in a list of any size", () => {
    const value = [...many(["Authorization", "abc"]), ["Authorization", big]];
    const expected = value.map(([name]) => [name, "[REDACTED:token]"]);
    expect(resultIn(maskLarge(message({ value })))).toEqual({ value: expected });
  });

  test("a private key that is written line by line is masked to its last line in a list of any size", () => {
    const [first = "", ...lines] = pem.split("\n");
    const list = [...many("plain"), first, ...many("MIIEvQIB"), big, ...lines, "after", big];
    const expected = list.map((line) =>
      line === first || line === "MIIEvQIB" || lines.includes(line) ? "[REDACTED:private-key]" : line,
    );
    expected[expected.indexOf(big)] = "[REDACTED:private-key]";
    expect(resultIn(maskLarge(message({ list })))).toEqual({ list: expected });
  });
});

describe("what cannot be masked", () => {
  const big = `"${"x".repeat(2000)}"`;

  test.each<{ what: string; payload: Uint8Array; reason: string }>([
    {
      what: "bytes that are not UTF-8",
      payload: Buffer.concat([utf8(`[${big},"`), Uint8Array.of(0xff, 0x22)]),
      reason: "invalid_utf8",
    },
    {
      what: "half a character at the end",
      payload: Buffer.concat([utf8(`[${big}]`), Uint8Array.of(0xc3)]),
      reason: "invalid_utf8",
    },
    { what: "text behind the value", payload: utf8(`[${big}] x`), reason: "invalid_json" },
    { what: "a comma too many", payload: utf8(`[${big},]`), reason: "invalid_json" },
    { what: "a comma too many in an object", payload: utf8(`{"a":${big},}`), reason: "invalid_json" },
    { what: "a missing end", payload: utf8(`[${big}`), reason: "invalid_json" },
    { what: "a missing quote", payload: utf8(`[${big.slice(0, -1)}`), reason: "invalid_json" },
    { what: "a bracket that closes another", payload: utf8(`[${big}}`), reason: "invalid_json" },
    {
      what: "a raw line break in a string",
      payload: utf8(`["${"x".repeat(2000)}\n"]`),
      reason: "invalid_json",
    },
    {
      what: "an unknown escape in a string",
      payload: utf8(`["${"x".repeat(2000)}\\x"]`),
      reason: "invalid_json",
    },
    { what: "a leading zero", payload: utf8(`[${big},01]`), reason: "invalid_json" },
    {
      what: "a number too long to be seen whole",
      payload: utf8(`[${big},${"1".repeat(5000)}]`),
      reason: "too_large",
    },
    { what: "a name too long to be seen whole", payload: utf8(`{${big}:1}`), reason: "too_large" },
    { what: "a million open brackets", payload: utf8("[".repeat(1_000_000)), reason: "too_deep" },
  ])("throws for $what, and is over then", ({ payload, reason }) => {
    const stream = open(SMALL);
    const error = errorOf(() => maskPieces(stream, [payload]));
    expect(error).toBeInstanceOf(UnmaskableError);
    expect(error).toMatchObject({ reason });
    expect(errorOf(() => stream.push(payload))).toBeInstanceOf(UnmaskableError);
    expect(errorOf(() => stream.end())).toBeInstanceOf(UnmaskableError);
  });

  test("is what takes longer than its size allows, not counting the time that passes between pieces", async () => {
    const limits = { maxDepth: 256, except: new Set<Kind>() };
    const { maskMessage } = masker;
    const patient = openMaskStream({ limits, maxMillis: 500, maskMessage, windows: SMALL });
    patient.push(utf8(`["${"x ".repeat(1000)}`));
    await new Promise((resolve) => setTimeout(resolve, 600));
    patient.push(utf8(`${"x ".repeat(1000)}"]`));
    expect(patient.end().masked).toEqual({});
    const hasty = openMaskStream({ limits, maxMillis: 0, maskMessage, windows: SMALL });
    expect(errorOf(() => maskPieces(hasty, [utf8(`["${"x ".repeat(1000)}"]`)]))).toMatchObject({
      reason: "too_slow",
    });
  });

  test("is whatever breaks the masker itself", () => {
    const stream = open(SMALL);
    expect(errorOf(() => stream.push(null as unknown as Uint8Array))).toBeInstanceOf(UnmaskableError);
    expect(errorOf(() => stream.end())).toBeInstanceOf(UnmaskableError);
  });
});

describe("for all large messages", () => {
  const filler = fc
    .tuple(fc.constantFrom(...FILLERS, "x", "\t"), fc.nat(300))
    .map(([text, times]) => text.repeat(times));
  const secret = fc.constantFrom(
    ...SECRETS.map(([text]) => text),
    '{"token":"abc1"}',
    "[REDACTED:card]",
    joined(["-----BEGIN ", "PRIVATE KEY-----\nMIIE"]),
  );
  const text = fc
    .array(
      fc.oneof(
        fc.string({ unit: "grapheme", maxLength: 8 }),
        fc.constantFrom(" ", "\n", '"', "\\", "=", "_"),
        secret,
        filler,
      ),
      {
        maxLength: 8,
      },
    )
    .map(joined);
  const names = [
    "password",
    "pin",
    "name",
    "value",
    "columns",
    "rows",
    "result",
    "content",
    "uri",
    "resources",
    "_meta",
    "kty",
    "d",
  ];
  const name = fc.oneof(fc.constantFrom(...names), fc.string({ maxLength: 6 }));
  const { json } = fc.letrec((tie) => ({
    json: fc.oneof(
      { depthSize: "medium" },
      text,
      text,
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.constantFrom<unknown>(null, true, Number(CARD), 7, "password", ["id", "password"]),
      fc.array(tie("json"), { maxLength: 6 }),
      fc.dictionary(name, tie("json"), { maxKeys: 5 }),
      fc.dictionary(name, tie("json"), { maxKeys: 3 }).map((inner) => JSON.stringify(inner)),
    ),
  }));

  const timesLeft = (masked: string): number[] =>
    SECRETS.map(([, part]) => masked.split(JSON.stringify(part).slice(1, -1)).length);

  test("the result is JSON with the same keys and types and hides what maskMessage hides", () => {
    let compared = 0;
    const refusals = new Set<string>();
    fc.assert(
      fc.property(json, fc.nat(2), (value, indent) => {
        const input = message(value, indent);
        const whole = attempt(() => maskWhole(input));
        const large = attempt(() => maskLarge(input));
        if (large instanceof UnmaskableError) {
          refusals.add(large.reason);
          return;
        }
        compared++;
        expect(shapeOf(JSON.parse(large))).toEqual(shapeOf(JSON.parse(input)));
        if (typeof whole !== "string") throw whole;
        for (const [index, left] of timesLeft(large).entries()) {
          expect(left).toBeLessThanOrEqual(timesLeft(whole)[index] ?? 0);
        }
      }),
      { numRuns: 600 },
    );
    expect(compared).toBeGreaterThan(550);
    expect(["too_deep", "too_large"]).toEqual(expect.arrayContaining([...refusals]));
  });

  test("masking the result again changes nothing in a text", () => {
    fc.assert(
      fc.property(fc.array(text, { minLength: 4, maxLength: 12 }).map(joined), (value) => {
        const once = maskLarge(inText(value));
        expect(timesLeft(maskLarge(once))).toEqual(timesLeft(once));
        expect(textIn(maskLarge(once)).length).toBe(textIn(once).length);
      }),
      { numRuns: 60 },
    );
  });
});

describe("size", () => {
  const pieces: readonly string[] = [
    "a",
    "1",
    "{",
    "[{",
    "eyJ",
    '\\"',
    "\\\\",
    "\\u0041",
    "4111 ",
    "a@b.cc ",
    "password=",
    'password=\\"',
    "<token>",
    "1,2\\n",
    "key: ",
  ];

  test.each(pieces)("of a text of %j costs a time that grows with it only", (piece) => {
    const bytes = (length: number): Uint8Array =>
      utf8(`["${piece.repeat(Math.ceil(length / piece.length))}"]`);
    maskPieces(masker.maskStream(), [bytes(600_000)]);
    const short = millisecondsFor(() => maskPieces(masker.maskStream(), [bytes(1_000_000)]));
    const long = millisecondsFor(() => maskPieces(masker.maskStream(), [bytes(4_000_000)]));
    expect(long).toBeLessThan(Math.max(short, 40) * 4 * 4);
  });

  test("needs no memory that grows with it", () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const used = (): number => {
      collect();
      const { heapUsed, external } = process.memoryUsage();
      return heapUsed + external;
    };
    const piece = utf8(`${"Ab9/".repeat(8000)} a@b.example.com\\n{\\"token\\": \\"abc\\"}\\n`);
    const stream = masker.maskStream();
    const before = used();
    stream.push(utf8(inText("").slice(0, -5)));
    let most = 0;
    for (let index = 0; index < 1000; index++) {
      stream.push(piece);
      if (index % 100 === 0) most = Math.max(most, used() - before);
    }
    stream.push(utf8('"}]}}'));
    expect(stream.end().masked).toEqual({ email: 1000, token: 1000 });
    expect(most).toBeLessThan(20 * 1024 * 1024);
  });

  test("below that of a window is masked whole, above it in parts", () => {
    const text = (length: number): string => `${CARD} ${"x".repeat(length)}`;
    for (const length of [WINDOWS.message - 1000, WINDOWS.message + 1000, 3 * WINDOWS.segment]) {
      const json = inText(text(length));
      expect(maskPieces(masker.maskStream(), [utf8(json)])).toBe(maskWhole(json));
    }
  });
});

function attempt(work: () => string): string | UnmaskableError {
  try {
    return work();
  } catch (error) {
    if (error instanceof UnmaskableError) return error;
    throw error;
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

function millisecondsFor(work: () => void): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}
