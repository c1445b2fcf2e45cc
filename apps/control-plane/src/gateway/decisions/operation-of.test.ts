import { JsonNumber, type McpRequest, parseMessage } from "@drawbridge/mcp";
import { compilePolicies, evaluate, parsePolicy } from "@drawbridge/policy";
import { loadParsers, MAX_COMMAND_BYTES } from "@drawbridge/commands";
import { meaningOf, OTHER_READERS } from "@drawbridge/testing";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { callUnderWay } from "../fakes/call-under-way.js";
import { GatewayUnderTest } from "../fakes/gateway-under-test.js";
import { SessionsService } from "../sessions/sessions.service.js";
import { type Asked, operationOf } from "./operation-of.js";

const LOOKS_AT_ARGUMENTS = `
apiVersion: drawbridge/v1
kind: Policy
metadata: { name: engineers }
spec:
  targets: { names: [shop] }
  subjects: { groups: [engineering] }
  access: { mode: standing }
  rules:
    - { name: reading, tools: [read], when: size(args) < 1000, effect: allow }
`;

/** What a condition saw is what somebody else reads in the text: exactly so, numbers included. */
function isSame(seen: unknown, text: unknown): boolean {
  if (text instanceof Source) return isSameNumber(seen, text.text);
  if (Array.isArray(text))
    return (
      Array.isArray(seen) && seen.length === text.length && text.every((item, at) => isSame(seen[at], item))
    );
  if (typeof text !== "object" || text === null) return seen === text;
  if (typeof seen !== "object" || seen === null) return false;
  const members = Object.entries(text);
  const found = new Map(Object.entries(seen));
  return (
    found.size === members.length &&
    members.every(([key, value]) => found.has(key) && isSame(found.get(key), value))
  );
}

/** A number as it stands in the text. */
class Source {
  constructor(readonly text: string) {}
}

function withSources(json: string): unknown {
  const parse = JSON.parse as (
    text: string,
    reviver: (key: string, value: unknown, context: { source?: string }) => unknown,
  ) => unknown;
  return parse(json, (_key, value, { source = "" }) =>
    typeof value === "number" ? new Source(source) : value,
  );
}

function isSameNumber(seen: unknown, source: string): boolean {
  if (seen instanceof JsonNumber) return seen.text === source;
  return typeof seen === "number" && decimal(String(seen)) === decimal(source);
}

/** Digits without zeros at their end, and a power of ten. */
function decimal(text: string): string {
  const [mantissa = "", exponent = "0"] = text.toLowerCase().split("e");
  const [whole = "", fraction = ""] = mantissa.replace("-", "").split(".");
  let digits = BigInt(whole + fraction);
  let power = BigInt(exponent) - BigInt(fraction.length);
  if (digits === 0n) return "0";
  for (; digits % 10n === 0n; power += 1n) digits /= 10n;
  return `${mantissa.startsWith("-") ? "-" : ""}${digits}e${power}`;
}

const escaped = (character: string) =>
  [...Array(character.length).keys()]
    .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`)
    .join("");
const string = fc
  .array(fc.tuple(fc.string({ unit: "grapheme", minLength: 1, maxLength: 1 }), fc.boolean()), {
    maxLength: 8,
  })
  .filter((characters) => characters.every(([character]) => character !== "\0"))
  .map((characters) =>
    characters.map(([character, isEscaped]) =>
      isEscaped ? escaped(character) : JSON.stringify(character).slice(1, -1),
    ),
  )
  .map((parts) => `"${parts.join("")}"`);
const number = fc.oneof(
  fc.constantFrom(
    "0",
    "-0",
    "1.0",
    "1e2",
    "1E+2",
    "0.1",
    "1234567890123456789",
    "9007199254740993",
    "1e999",
    "-1e-400",
  ),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.bigInt().map(String),
);
const { value: jsonText } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    number,
    string,
    fc.constantFrom("true", "false", "null"),
    fc.array(tie("value"), { maxLength: 4 }).map((items) => `[${items.join(", ")}]`),
    objectOf(tie("value")),
  ),
}));

/** Keys that look alike and are others: by case, by escapes of one of them, by what a prototype has. */
function objectOf(value: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const key = fc.oneof(
    string,
    fc.constantFrom('"a"', '"A"', '"\\u0061b"', '"__proto__"', '"constructor"', '"ſ"', '"s"'),
  );
  return fc
    .uniqueArray(fc.tuple(key, value), { maxLength: 5, selector: ([name]) => JSON.parse(name) as string })
    .map((members) => `{${members.map(([name, item]) => `${name} : ${item}`).join(",")}}`);
}

describe("the operation that is judged", () => {
  let gateway: GatewayUnderTest;
  let session: string;
  beforeAll(async () => {
    gateway = await GatewayUnderTest.start(LOOKS_AT_ARGUMENTS);
    session = await gateway.openSession("shop");
  });
  afterAll(() => gateway.stop());
  beforeEach(() => gateway.reset());

  const judged = () => {
    const exchanges = [...gateway.get(SessionsService).all].flatMap(({ inFlight }) => [...inFlight]);
    return operationOf(exchanges.at(-1)!.question).arguments?.();
  };

  test("is the one that is sent, for any arguments and every reader of them", async () => {
    let id = 10;
    await fc.assert(
      fc.asyncProperty(objectOf(jsonText), async (args) => {
        id += 1;
        const body = `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"read", "arguments": ${args} }}`;
        const call = await callUnderWay(gateway, () => gateway.post("shop", body, { session }));
        const seen = judged();
        const { text } = gateway.links.sent.at(-1)!;
        await call.answer();
        await call.sending;
        expect(text).toBe(body);
        for (const [reader, find] of Object.entries(OTHER_READERS)) {
          const read = meaningOf(text, find).arguments ?? "";
          expect({ reader, same: isSame(seen, withSources(read)) }).toEqual({ reader, same: true });
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe("a command", () => {
  beforeAll(() => loadParsers());
  const policy = (when: string) => {
    const parsed = parsePolicy({
      apiVersion: "drawbridge/v1",
      kind: "Policy",
      metadata: { name: "p" },
      spec: {
        targets: { names: ["shop"] },
        subjects: { groups: ["engineering"] },
        rules: [{ name: "read", tools: ["execute_sql"], when, effect: "allow" }],
      },
    });
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    return compilePolicies([{ name: "p", version: 1, document: parsed.policy }], new Set(["condition"]));
  };
  const context = { principal: { id: "alice", groups: ["engineering"] }, client: { id: "c" } };
  const asked = (sql: unknown): Asked => ({
    target: {
      name: "shop",
      labels: {},
      document: { spec: { commands: [{ tool: "execute_sql", argument: "sql", dialect: "postgresql" }] } },
    } as unknown as Asked["target"],
    message: parseMessage(
      Buffer.from(
        JSON.stringify({
          jsonrpc: "2.0",
          id: 1,
          method: "tools/call",
          params: { name: "execute_sql", arguments: { sql } },
        }),
      ),
    ) as McpRequest,
  });
  const effectOf = (sql: unknown) =>
    evaluate(policy("sql.readOnly"), operationOf(asked(sql)), context).effect;

  test.each([
    ["reads", "select 1", "allow"],
    ["writes", "delete from orders", "deny"],
    ["goes on behind a NUL", "select 1\0; drop table orders", "deny"],
    ["is larger than what is parsed", `select '${"x".repeat(MAX_COMMAND_BYTES)}'`, "deny"],
    ["is no text", { sql: "select 1" }, "deny"],
    ["is not there", undefined, "deny"],
  ])("that %s is decided by a rule about reading", (_what, sql, effect) => {
    expect(effectOf(sql)).toBe(effect);
  });

  test("is judged once, however often it is decided about, also when the target was read again", () => {
    const question = asked("select 1");
    const first = operationOf(question);
    const again = operationOf({
      ...question,
      target: structuredClone({ ...question.target, labels: { env: "production" } }),
    });
    expect(again.sql?.()).toBe(first.sql?.());
    expect(again.target.labels).toEqual({ env: "production" });
  });

  test("is judged anew when the target says otherwise what it is", () => {
    const question = asked("select 1");
    const spec = { commands: [{ tool: "execute_sql", argument: "sql", dialect: "sh" }] };
    const target = { ...question.target, document: { spec } } as unknown as Asked["target"];
    expect(operationOf(question).shell).toBeUndefined();
    expect(operationOf({ ...question, target }).sql).toBeUndefined();
    expect(operationOf({ ...question, target }).shell).toBeDefined();
  });
});
