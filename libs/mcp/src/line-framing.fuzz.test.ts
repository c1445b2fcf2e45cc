import assert from "node:assert/strict";
import {
  CLIENT_MESSAGES,
  fuzz,
  inPieces,
  mutatedMessage,
  type Random,
  TARGET_MESSAGES,
} from "@drawbridge/testing";
import { expect, inject, test } from "vitest";
import { joinedFrames, type JoinedFrame } from "./fixtures/joined-frames.js";
import { LineFramer } from "./line-framer.js";

const MESSAGES = [...CLIENT_MESSAGES, ...TARGET_MESSAGES];
const LIMITS = [0, 1, 8, 64, 200, 65_536];

/** Three lines of which some parts are not what they were. */
function generate(random: Random): Uint8Array {
  const ends = ["\n", "\n", "\r\n", "\r\r\n", "\n\n", "\r"];
  return Buffer.concat(
    [0, 1, 2].flatMap(() => [mutatedMessage(random, MESSAGES), Buffer.from(random.pick(ends))]),
  );
}

/** By the definition: lines end with a newline, a return before it belongs to the end. */
function linesOf(bytes: Uint8Array, wholeBytes: number): JoinedFrame[] {
  const lines = Buffer.from(bytes).toString("latin1").split("\n").slice(0, -1);
  return lines.map((line) => {
    const text = line.endsWith("\r") ? line.slice(0, -1) : line;
    return { text, isLarge: text.length > wholeBytes };
  });
}

function check(bytes: Uint8Array, random: Random): void {
  const wholeBytes = random.pick(LIMITS);
  const pieces = inPieces(bytes, random);
  const { frames } = joinedFrames(new LineFramer(wholeBytes), pieces);
  assert.deepStrictEqual(frames, linesOf(bytes, wholeBytes));
  assertKeepsLittle(pieces, wholeBytes);
}

/** What has come of a line and not been given out is what the framer keeps. */
function assertKeepsLittle(pieces: readonly Uint8Array[], wholeBytes: number): void {
  const framer = new LineFramer(wholeBytes);
  let kept = 0;
  for (const piece of pieces) {
    let givenOut = 0;
    for (const frame of framer.push(piece)) {
      if (frame.kind === "part") givenOut += frame.bytes.length;
      else if (frame.kind !== "begin") givenOut = 0;
    }
    const lineEnd = piece.lastIndexOf(0x0a);
    kept = (lineEnd === -1 ? kept : 0) + piece.length - (lineEnd + 1) - givenOut;
    assert.ok(kept <= wholeBytes + 1, `${kept} bytes are kept where ${wholeBytes} are allowed`);
  }
}

test("lines are the same however the stream is cut", async () => {
  const fed = await fuzz({ name: "line-framing", share: 90, generate, check }, inject("fuzz"));
  expect(fed).toBeGreaterThan(0);
});
