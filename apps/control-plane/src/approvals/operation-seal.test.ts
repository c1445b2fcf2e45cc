import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { canonicalJson, jsonView, parseMessage } from "@drawbridge/mcp";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import type { Config } from "../config.js";
import { KeyEncryption } from "../platform/key-encryption.js";
import { operation, toolCall } from "./fakes/held-operations.js";
import { type DigestedOperation, OperationSeal } from "./operation-seal.js";

const directory = mkdtempSync(path.join(os.tmpdir(), "drawbridge-seal-"));
afterAll(() => rmSync(directory, { recursive: true }));

function sealWithKey(name: string): OperationSeal {
  const keyEncryptionKeyFile = path.join(directory, name);
  writeFileSync(keyEncryptionKeyFile, randomBytes(32).toString("hex"), { mode: 0o600 });
  return new OperationSeal(new KeyEncryption({ keyEncryptionKeyFile } as Config));
}

const seal = sealWithKey("one");
const hex = (said: DigestedOperation, by = seal) => Buffer.from(by.digestOf(said)).toString("hex");
const of = (args: string, more = "") => hex(operation({ message: toolCall(args, more) }));

/** Writes a value as another program might. */
function oddly(value: unknown, odd: () => boolean): string {
  const blank = () => (odd() ? " \n\t" : "");
  if (typeof value === "string") return odd() ? escaped(value) : JSON.stringify(value);
  if (typeof value === "number") return odd() ? `${value}.0` : String(value);
  if (Array.isArray(value)) return `[${value.map((each) => blank() + oddly(each, odd)).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(
    ([key, each]) => `${odd() ? escaped(key) : JSON.stringify(key)}${blank()}:${oddly(each, odd)}`,
  );
  return `{${(odd() ? members.toReversed() : members).join(`${blank()},`)}}`;
}

function escaped(text: string): string {
  return `"${Array.from({ length: text.length }, (_, i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, "0")}`).join("")}"`;
}

const keys = fc.constantFrom("a", "b", "__proto__", "constructor", "toString", "arguments", "_meta", "", "é");
const { value: values } = fc.letrec<{ value: unknown; object: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.integer({ min: -1_000_000, max: 1_000_000 }),
    fc.string({ maxLength: 4 }),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie("value"), { maxLength: 3 }),
    tie("object"),
  ),
  object: fc.dictionary(keys, tie("value"), { maxKeys: 3 }),
}));
const args = fc.dictionary(keys, values, { maxKeys: 3 });

describe("the digest of an operation", () => {
  test("is the same however the same is written", () => {
    fc.assert(
      fc.property(args, fc.infiniteStream(fc.boolean()), (said, coins) => {
        const odd = () => coins.next().value === true;
        expect(of(oddly(said, odd))).toBe(of(JSON.stringify(said)));
      }),
    );
  });

  test("is another exactly when something else is said", () => {
    fc.assert(
      fc.property(args, args, (one, other) => {
        const [a, b] = [JSON.stringify(one), JSON.stringify(other)];
        expect(of(a) === of(b)).toBe(canonicalJson(jsonView(a)) === canonicalJson(jsonView(b)));
      }),
    );
  });

  test.each([
    ["a text for a number", '{"a":1}', '{"a":"1"}'],
    ["a number that a double cannot tell apart", '{"a":9007199254740993}', '{"a":9007199254740992}'],
    ["a name that objects inherit", '{"__proto__":{"a":1}}', "{}"],
    ["a value that has moved", '{"a":{"b":1}}', '{"a":{},"b":1}'],
    ["null for nothing", '{"a":null}', "{}"],
  ])("tells %s apart", (_, one, other) => {
    expect(of(one)).not.toBe(of(other));
  });

  test("tells members beside the arguments apart", () => {
    expect(of("{}", ',"requestState":"theirs"')).not.toBe(of("{}"));
    expect(of("{}", ',"inputResponses":{}')).not.toBe(of("{}"));
    expect(of("{}", ',"requestState":"theirs"')).not.toBe(of("{}", ',"requestState":"others"'));
  });

  test("does not depend on what ties a leg to its caller", () => {
    expect(of("{}", ',"_meta":{"progressToken":9}')).toBe(of("{}"));
    const { id: _, ...rest } = JSON.parse(Buffer.from(toolCall("{}").bytes).toString()) as { id: number };
    const another = parseMessage(Buffer.from(JSON.stringify({ id: "x", ...rest })));
    if (another.kind !== "request") throw new Error("not a request");
    expect(hex(operation({ message: another }))).toBe(of("{}"));
  });

  const { principal, target } = operation();
  test.each<[string, Partial<DigestedOperation>]>([
    ["target", { target: { ...target, id: "another" } }],
    ["tool definition", { toolDigest: Buffer.alloc(32, 2) }],
    ["tool without an accepted definition", { toolDigest: undefined }],
    ["principal", { principal: { ...principal, id: "bob" } }],
    ["client", { principal: { ...principal, client: "another" } }],
    ["person behind the principal", { principal: { ...principal, identities: ["sub:alice"] } }],
    ["border between id and client", { principal: { ...principal, id: "alicee", client: "ditor" } }],
    ["method", { message: renamed("tools/call", "prompts/get") }],
    ["tool", { message: renamed('"name":"run"', '"name":"walk"') }],
  ])("is another for another %s", (_, said) => {
    expect(hex(operation(said))).not.toBe(hex(operation()));
  });

  test("does not depend on what else is known of who asks, nor on the session", () => {
    const said = { ...principal, identities: principal.identities.toReversed(), groups: ["others"] };
    expect(hex(operation({ principal: said, sessionId: "another" }))).toBe(hex(operation()));
  });

  test("cannot be found without the key", () => {
    expect(hex(operation(), sealWithKey("two"))).not.toBe(hex(operation()));
  });
});

function renamed(from: string, to: string) {
  const message = parseMessage(
    Buffer.from(Buffer.from(operation().message.bytes).toString().replace(from, to)),
  );
  if (message.kind !== "request") throw new Error("not a request");
  return message;
}

describe("a sealed operation", () => {
  const { message, parameterHeaders, toolDigest, principal, clientName } = operation();
  const whole = {
    parameterHeaders,
    toolDigest,
    principal,
    clientName,
    message: message.bytes,
    changed: ["/sql"],
  };

  test("opens as it was, for its own row alone", () => {
    const sealed = seal.seal("row-1", whole);
    const opened = seal.open("row-1", sealed);
    expect(Buffer.from(opened.message).equals(message.bytes)).toBe(true);
    expect({ ...opened, message: undefined, toolDigest: undefined }).toEqual({
      ...whole,
      message: undefined,
      toolDigest: undefined,
    });
    expect(Buffer.from(opened.toolDigest ?? []).equals(toolDigest ?? Buffer.alloc(0))).toBe(true);
    expect(() => seal.open("row-2", sealed)).toThrow("unable to authenticate");
    expect(Buffer.from(sealed).includes("orders")).toBe(false);
  });

  test("keeps what is absent absent", () => {
    const bare = {
      ...whole,
      toolDigest: undefined,
      clientName: undefined,
      principal: { ...principal, email: undefined },
    };
    const opened = seal.open("row", seal.seal("row", bare));
    expect([opened.toolDigest, opened.clientName, opened.principal.email]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});
