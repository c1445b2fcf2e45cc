import assert from "node:assert/strict";
import {
  CLIENT_MESSAGES,
  fuzz,
  meaningOf,
  type Meaning,
  mutatedMessage,
  NOTHING,
  OTHER_READERS,
  type RawJson,
  type Random,
  TARGET_MESSAGES,
} from "@drawbridge/testing";
import { expect, inject, test } from "vitest";
import { MalformedMessageError } from "./malformed-message-error.js";
import type { McpMessage } from "./message.js";
import { parseBody } from "./parse-body.js";

const EXACT = (members: readonly (readonly [key: string, value: RawJson])[], key: string) =>
  members.find(([name]) => name === key)?.[1];
const MESSAGES = [...CLIENT_MESSAGES, ...TARGET_MESSAGES];

function understood(message: McpMessage): Meaning {
  if (message.kind === "response") return { ...NOTHING, kind: message.kind, id: message.id?.text };
  const { kind, method, name, ranges, protocolVersionClaim } = message;
  return {
    kind,
    method,
    name,
    id: kind === "request" ? message.id.text : undefined,
    arguments:
      ranges.arguments &&
      Buffer.from(message.bytes)
        .subarray(...ranges.arguments)
        .toString(),
    version: protocolVersionClaim?.version,
  };
}

function accepted(bytes: Uint8Array): readonly McpMessage[] {
  try {
    return parseBody(bytes).messages.filter(
      (each) => !(each instanceof MalformedMessageError),
    ) as McpMessage[];
  } catch (error) {
    if (error instanceof MalformedMessageError) return [];
    throw error;
  }
}

/** What is accepted is the same to everybody who may read it. Returns how many messages that were. */
function check(bytes: Uint8Array): number {
  const messages = accepted(bytes);
  for (const message of messages) {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(message.bytes);
    JSON.parse(text);
    // Who reads the exact keys of a filter is found where that is decided by.
    const { listensTo } = meaningOf(text, EXACT);
    const here = { ...understood(message), listensTo };
    for (const [reader, find] of Object.entries(OTHER_READERS)) {
      assert.deepStrictEqual({ reader, ...meaningOf(text, find) }, { reader, ...here });
    }
  }
  return messages.length;
}

test("whatever is accepted at the edge is read alike by every reader", async () => {
  let kept = 0;
  const surface = {
    name: "edge-parser",
    share: 340,
    generate: (random: Random) => mutatedMessage(random, MESSAGES),
    check: (bytes: Uint8Array) => void (kept += check(bytes)),
  };
  // Most are refused; were all of them, nothing would have been compared.
  const fed = await fuzz(surface, inject("fuzz"));
  expect(kept).toBeGreaterThan(fed / 10);
});

test("such a run would find two keys that differ in case only", () => {
  const text = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","Name":"destroy"}}`;
  const meanings = Object.values(OTHER_READERS).map((find) => meaningOf(text, find).name);
  expect(new Set(meanings)).toEqual(new Set(["read", "destroy"]));
});
