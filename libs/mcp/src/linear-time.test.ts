import { describe, expect, test } from "vitest";
import { argumentsView } from "./arguments-view.js";
import { LargeMessageScanner } from "./large-message-scanner.js";
import { LineFramer } from "./line-framer.js";
import { filterListResult } from "./list-result.js";
import { parseMessage } from "./parse-message.js";
import { SseFramer } from "./sse-framer.js";
import { nameSkeleton } from "./name-skeleton.js";
import { toolDigest } from "./tool-digest.js";
import { toolFlags } from "./tool-flags.js";

const MIB = 1024 * 1024;
const SIZE = 10 * MIB;
const CHUNK = MIB / 16;

/** Far above what linear work takes on a slow machine, far below what quadratic work takes on any. */
const BOUND_MS = 5000;

/** Milliseconds of work, not of waiting for a busy machine. */
function timed(work: () => void): number {
  const before = process.threadCpuUsage();
  work();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000;
}

function scan(bytes: Uint8Array): void {
  const scanner = new LargeMessageScanner();
  for (let at = 0; at < bytes.length; at += CHUNK) scanner.push(bytes.subarray(at, at + CHUNK));
  scanner.end();
}

const inResult = (value: string): Buffer => Buffer.from(`{"jsonrpc":"2.0","id":1,"result":${value}}`);
const inArguments = (value: string): Buffer =>
  Buffer.from(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"n","arguments":${value}}}`);
const filled = (piece: string, size = SIZE): string => piece.repeat(Math.ceil(size / piece.length));

/** Different keys that all have the hash of the scanner: Aa and BB collide, and so does what is made of them. */
function collidingKeys(count: number): string[] {
  const bits = Math.ceil(Math.log2(count));
  return Array.from({ length: count }, (_, i) =>
    Array.from({ length: bits }, (_bit, bit) => ((i >> bit) & 1 ? "Aa" : "BB")).join(""),
  );
}

describe("10 MiB made to be slow take linear time:", () => {
  const eight = `{${collidingKeys(8)
    .map((key) => `"${key}":0`)
    .join(",")}}`;
  const many = collidingKeys(200_000).map((key) => `"${key}":0`);
  const distinct = Array.from({ length: 500_000 }, (_, i) => `"key number ${i}":0`);

  test.each<[string, Buffer]>([
    ["opening brackets", Buffer.from(filled("["))],
    ["opening brackets in a result", inResult(filled("["))],
    ["objects within each other", Buffer.from(filled('{"a":'))],
    ["objects within each other in a result", inResult(filled('{"a":'))],
    ["escapes in a value", inResult(`"${filled("\\u0041")}"`)],
    ["escapes in a key", inResult(`{"${filled("\\u0041")}":1}`)],
    ["escapes in a name", Buffer.from(`{"jsonrpc":"2.0","id":1,"method":"${filled("\\u0041")}"}`)],
    ["surrogate pairs", inResult(`"${filled("\\ud83d\\ude00")}"`)],
    ["half surrogates", inResult(`"${filled("\\ud83d")}"`)],
    ["white space", inResult(filled(" "))],
    ["digits", inResult(filled("1"))],
    ["digits of an id", Buffer.from(`{"jsonrpc":"2.0","id":${filled("1")},"method":"m"}`)],
    ["empty objects", inResult(`[${filled("{},")}{}]`)],
    ["many keys", inResult(`{${distinct.join(",")}}`)],
    ["many keys of one hash", inResult(`{${many.join(",")}}`)],
    ["many objects with keys of one hash", inResult(`[${filled(`${eight},`)}{}]`)],
    ["one key over and over", inResult(`{${filled('"k":0,')}"k":0}`)],
    [
      "two long keys of one hash",
      inResult(`{"Aa${filled("x", SIZE / 2)}":1,"BB${filled("x", SIZE / 2)}":2}`),
    ],
    ["an unfinished string", inResult(`"${filled("x")}`)],
  ])("%s", (_name, bytes) => {
    for (const read of [parseMessage, scan]) {
      const took = timed(() => {
        try {
          read(bytes);
        } catch {
          // Refused or not: it has to be quick.
        }
      });
      expect([read.name, took < BOUND_MS]).toEqual([read.name, true]);
    }
  });

  test.each<[string, string]>([
    ["a long integer", filled("1")],
    ["a long fraction of zeros", `0.${filled("0")}1`],
    ["zeros that do not end it", `1${filled("0")}1`],
    ["a long exponent", `1e${filled("9")}`],
    ["a long negative exponent", `1e-${filled("9")}`],
    ["an exponent of zeros", `1e${filled("0")}1`],
    ["numbers of 16 digits", `[${filled("1234567890123456,")}1]`],
    ["text that looks like numbers", `"${filled("1e5 1.1.1.1.1.1.1.1.1 ")}"`],
  ])("the view of %s", (_name, value) => {
    const message = parseMessage(inArguments(`{"v":${value}}`));
    expect(timed(() => argumentsView(message))).toBeLessThan(BOUND_MS);
  });

  test("filtering a list of many tools", () => {
    const message = parseMessage(inResult(`{"tools":[${filled('{"name":"a"},{"name":"b"},')}{"name":"a"}]}`));
    expect(timed(() => filterListResult(message, "tools", (name) => name === "b"))).toBeLessThan(BOUND_MS);
  });

  test.each<[string, string]>([
    ["Latin letters", "a"],
    ["letters of two scripts", "aа"],
    ["look-alikes", "о"],
    ["marks", "a\u0301\u0301\u0301"],
    ["hidden characters", "\u200b"],
    ["returns", "\r\r\n"],
    ["variants of Chinese characters", "\u597d\ufe00\u597d"],
    ["joiners that are needed", "\u0645\u200c"],
    ["emoji that are joined", "\u{1F469}\u200d"],
    ["flags that are spelled", "\u{1F3F4}\u{E0067}\u{E0062}"],
    ["full-width letters", "ａ"],
    ["acronyms with endings", "PDFы"],
    ["separators", "-_. "],
    ["r, n and v", "rnvv"],
  ])("tools that are named and described in %s", (_name, piece) => {
    const text = filled(piece, SIZE / 4);
    const definition = Buffer.from(JSON.stringify({ name: text, description: text }));
    expect(timed(() => toolFlags(definition))).toBeLessThan(BOUND_MS);
    expect(timed(() => toolDigest(definition))).toBeLessThan(BOUND_MS);
    expect(timed(() => nameSkeleton(text))).toBeLessThan(BOUND_MS);
  });

  test.each<[string, string]>([
    ["many members", `{${distinct.join(",")}}`],
    [
      "many members that are no ASCII",
      `{${distinct.map((each) => each.replace("key", "\u{1F600}")).join(",")}}`,
    ],
    ["long numbers", `[${filled("1234567890123456.50,")}1]`],
    ["a long number", `[${filled("1")}]`],
  ])("the digest of a tool with %s", (_name, json) => {
    expect(timed(() => toolDigest(Buffer.from(json)))).toBeLessThan(BOUND_MS);
  });

  test("lines and events that are carried on byte by byte", () => {
    const chunk = Buffer.from("x");
    const lines = new LineFramer(10);
    const events = new SseFramer(10);
    events.push(Buffer.from("data: "));
    const took = timed(() => {
      for (let i = 0; i < MIB; i++) {
        lines.push(chunk);
        events.push(chunk);
      }
    });
    expect(took).toBeLessThan(BOUND_MS);
  });

  test("streams of nothing but line ends, empty data lines, comments, and returns before a newline far away", () => {
    for (const piece of ["\r", "\n", "data\n", ":\n", "\r\n", "x\r", "id: 1\n"]) {
      const chunk = Buffer.from(filled(piece, CHUNK));
      const framers = [new SseFramer(100), new LineFramer(100)];
      const took = timed(() => {
        for (let i = 0; i < 32; i++) for (const framer of framers) framer.push(chunk);
      });
      expect([piece, took < BOUND_MS]).toEqual([piece, true]);
    }
  });

  test("a line and an event that come byte by byte, and whole", () => {
    const chunk = Buffer.from("x");
    const lines = new LineFramer(2 * MIB);
    const events = new SseFramer(2 * MIB);
    events.push(Buffer.from("data: "));
    const took = timed(() => {
      for (let i = 0; i < MIB; i++) {
        lines.push(chunk);
        events.push(chunk);
      }
    });
    expect(lines.push(Buffer.from("\n"))).toMatchObject([{ kind: "whole", bytes: { length: MIB } }]);
    expect(events.push(Buffer.from("\n\n"))).toMatchObject([{ kind: "whole", bytes: { length: MIB } }]);
    expect(took).toBeLessThan(BOUND_MS);
  });

  test("a large event of nothing but empty data lines", () => {
    const lines = Buffer.from(filled("data\n", 2 * MIB));
    expect(timed(() => new SseFramer(SIZE).push(lines))).toBeLessThan(BOUND_MS);
    expect(timed(() => new SseFramer(10).push(lines))).toBeLessThan(BOUND_MS);
  });
});
