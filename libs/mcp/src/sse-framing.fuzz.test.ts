import assert from "node:assert/strict";
import {
  fuzz,
  inPieces,
  mutatedBytes,
  mutatedMessage,
  type Random,
  TARGET_MESSAGES,
} from "@drawbridge/testing";
import { expect, inject, test } from "vitest";
import { joinedFrames, type JoinedFrame } from "./fixtures/joined-frames.js";
import { SseFramer } from "./sse-framer.js";

const LIMITS = [0, 1, 8, 64, 200, 65_536];
const ENDS = ["\n", "\n", "\r\n", "\r"];
const FIELDS = [
  "event: message",
  "event:endpoint",
  "event",
  "id: 7-1",
  "id",
  "id: a\0b",
  "retry: 1000",
  "retry: x",
  ": comment",
];
const PREFIXES = ["data: ", "data:", "data:  ", "data", "Data: ", "datax: ", "\ufeffdata: "];

/** Three events with fields in front of, between and after their data; some bytes are not what they were. */
function generate(random: Random): Uint8Array {
  const parts: Uint8Array[] = random.oneIn(8) ? [Buffer.from("\ufeff")] : [];
  for (let events = 0; events < 3; events++) {
    const end = random.pick(ENDS);
    const line = (...texts: (string | Uint8Array)[]) =>
      parts.push(...texts.map((text) => Buffer.from(text as string)), Buffer.from(end));
    for (let lines = random.below(5); lines > 0; lines--) {
      if (random.oneIn(3)) line(random.pick(FIELDS));
      else line(random.pick(PREFIXES), mutatedMessage(random, TARGET_MESSAGES));
    }
    line();
  }
  const stream = Buffer.concat(parts);
  return random.oneIn(3) ? mutatedBytes(stream, random) : stream;
}

/** WHATWG HTML §9.2.6, over the whole text at once. The data of an event that does not end is none. */
function eventsOf(bytes: Uint8Array): Omit<JoinedFrame, "isLarge">[] {
  const text = Buffer.from(bytes)
    .toString("latin1")
    .replace(/^\xef\xbb\xbf/, "");
  const lines = text.split(/\r\n|\n|\r/).slice(0, -1);
  const events: Omit<JoinedFrame, "isLarge">[] = [];
  let fields = new Map<string, string[]>();
  for (const line of lines) {
    const [, name = "", value = ""] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
    if (line !== "") {
      fields.set(name, [...(fields.get(name) ?? []), name === "data" ? value : utf8(value)]);
      continue;
    }
    const event = eventOf(fields);
    if (event) events.push(event);
    fields = new Map();
  }
  return events;
}

function eventOf(fields: ReadonlyMap<string, readonly string[]>): Omit<JoinedFrame, "isLarge"> | undefined {
  const data = fields.get("data");
  const id = fields.get("id")?.findLast((value) => !value.includes("\0"));
  const event = fields.get("event")?.at(-1) || "message";
  return data && { text: data.join("\n"), event, ...(id !== undefined && { id }) };
}

function utf8(latin1: string): string {
  return Buffer.from(latin1, "latin1").toString();
}

function check(bytes: Uint8Array, random: Random): void {
  const wholeBytes = random.pick(LIMITS);
  const inOne = joinedFrames(new SseFramer(wholeBytes), [bytes]);
  const cut = joinedFrames(new SseFramer(wholeBytes), inPieces(bytes, random));
  assert.deepStrictEqual(cut, inOne);
  const events = eventsOf(bytes).map((event) =>
    event.text.length > wholeBytes ? { text: event.text, isLarge: true } : { ...event, isLarge: false },
  );
  if (cut.refused) assert.deepStrictEqual(cut.frames, events.slice(0, cut.frames.length));
  else assert.deepStrictEqual(cut.frames.map(ordered), events.map(ordered));
}

function ordered({ text, isLarge, event, id }: JoinedFrame): unknown {
  return { text, isLarge, event, id };
}

test("events are the same however the stream is cut", async () => {
  const fed = await fuzz({ name: "sse-framing", share: 90, generate, check }, inject("fuzz"));
  expect(fed).toBeGreaterThan(0);
});
