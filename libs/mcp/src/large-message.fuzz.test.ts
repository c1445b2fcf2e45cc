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
import { type LargeMessage, LargeMessageScanner } from "./large-message-scanner.js";
import { MalformedMessageError } from "./malformed-message-error.js";
import { parseMessage } from "./parse-message.js";
import { ObjectMembers } from "./object-members.js";
import { inputRequestsOf, taskIdOf } from "./response-members.js";

const MESSAGES = [...TARGET_MESSAGES, ...TARGET_MESSAGES, ...CLIENT_MESSAGES];
const REFUSED = "refused";

function orRefused<Outcome>(work: () => Outcome): Outcome | typeof REFUSED {
  try {
    return work();
  } catch (error) {
    if (error instanceof MalformedMessageError) return REFUSED;
    throw error;
  }
}

function scanned(pieces: readonly Uint8Array[]): LargeMessage {
  const scanner = new LargeMessageScanner();
  for (const piece of pieces) scanner.push(piece);
  return scanner.end();
}

function parsed(bytes: Uint8Array): LargeMessage {
  const message = parseMessage(bytes);
  if (message.kind !== "response") return { kind: message.kind };
  const { id, isError } = message;
  const asks = orRefused(() => inputRequestsOf(message)) !== undefined;
  const result = ObjectMembers.of(message, message.ranges.result);
  // Of an object or array nothing but that it is one.
  const shown = (key: string) => result?.text(key)?.replace(/^([{[])[^]*/, "$1");
  const caching = { scope: shown("cacheScope"), ttlMs: shown("ttlMs") };
  const taskId = taskIdOf(message);
  return {
    kind: "response",
    id,
    isError,
    ...(asks && { hasInputRequests: true }),
    ...(taskId === undefined ? {} : { taskId }),
    ...(caching.scope === undefined && caching.ttlMs === undefined ? {} : { caching }),
  };
}

test("a message in pieces is what it is as a whole", async () => {
  let kept = 0;
  const check = (bytes: Uint8Array, random: Random): void => {
    const whole = orRefused(() => parsed(bytes));
    assert.deepStrictEqual(
      orRefused(() => scanned(inPieces(bytes, random))),
      whole,
    );
    if (whole !== REFUSED) kept += 1;
  };
  const generate = (random: Random) => mutatedMessage(random, MESSAGES);
  const fed = await fuzz({ name: "large-message", share: 120, generate, check }, inject("fuzz"));
  expect(kept).toBeGreaterThan(fed / 10);
});
