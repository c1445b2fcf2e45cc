import assert from "node:assert/strict";
import { CLIENT_MESSAGES, fuzz, mutatedMessage, type Random, TARGET_MESSAGES } from "@drawbridge/testing";
import { expect, inject, test } from "vitest";
import { jsonRpcId } from "./json-rpc-id.js";
import { MalformedMessageError } from "./malformed-message-error.js";
import type { McpMessage } from "./message.js";
import { parseMessage } from "./parse-message.js";
import { type MessageIds, rewriteIds } from "./rewrite-ids.js";

const MESSAGES = [...CLIENT_MESSAGES, ...TARGET_MESSAGES];
const PLACES = ["id", "progressToken", "requestId", "subscriptionId"] as const;
const NEW_IDS: MessageIds = {
  id: jsonRpcId(4_000_000_001),
  progressToken: jsonRpcId("new \u2028 token"),
  requestId: jsonRpcId(4_000_000_003),
  subscriptionId: jsonRpcId("new-subscription"),
};

function accepted(bytes: Uint8Array): McpMessage | undefined {
  try {
    return parseMessage(bytes);
  } catch (error) {
    if (error instanceof MalformedMessageError) return undefined;
    throw error;
  }
}

/** Each id is the new one where there was one, and going back gives the very bytes that came. */
function checkRewriting(message: McpMessage): void {
  const before: MessageIds = message;
  const rewritten = parseMessage(rewriteIds(message, NEW_IDS));
  const after: MessageIds = rewritten;
  for (const place of PLACES) assert.deepEqual(after[place], before[place] && NEW_IDS[place]);
  assert.deepEqual(Buffer.from(rewriteIds(rewritten, before)), Buffer.from(message.bytes));
  assert.equal(rewritten.kind, message.kind);
}

test("new ids change nothing but the ids", async () => {
  let kept = 0;
  const check = (bytes: Uint8Array): void => {
    const message = accepted(bytes);
    if (!message) return;
    checkRewriting(message);
    kept += 1;
  };
  const generate = (random: Random) => mutatedMessage(random, MESSAGES);
  const fed = await fuzz({ name: "rewrite-ids", share: 80, generate, check }, inject("fuzz"));
  expect(kept).toBeGreaterThan(fed / 10);
});
