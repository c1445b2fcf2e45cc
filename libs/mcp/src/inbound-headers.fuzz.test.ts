import assert from "node:assert/strict";
import { CLIENT_MESSAGES, fuzz, mutatedBytes, mutatedMessage, type Random } from "@drawbridge/testing";
import { expect, inject, test } from "vitest";
import { checkInbound, type InboundHeaders } from "./check-inbound.js";
import { MalformedMessageError } from "./malformed-message-error.js";
import type { McpMessage } from "./message.js";
import { parseMessage } from "./parse-message.js";
import { standardHeaders } from "./standard-headers.js";

const VALUES = [
  "2026-07-28",
  "2025-11-25",
  "2099-01-01",
  "tools/call",
  "TOOLS/CALL",
  "resources/read",
  "read",
  " read\t",
  "destroy",
  "file:///srv/data.txt",
  "=?base64?cmVhZA==?=",
  "=?base64?cmVhZA=?=",
  "=?base64?ZGVzdHJveQ==?=",
  "=?BASE64?cmVhZA==?=",
  "",
];

function accepted(bytes: Uint8Array): McpMessage | undefined {
  try {
    return parseMessage(bytes);
  } catch (error) {
    if (error instanceof MalformedMessageError) return undefined;
    throw error;
  }
}

/** Those that fit, with some of them left out, changed or taken from elsewhere. */
function headersOf(message: McpMessage, random: Random): InboundHeaders {
  const right = message.kind === "response" ? {} : standardHeaders(message);
  const header = (name: string): string | undefined => {
    if (random.oneIn(8)) return undefined;
    if (random.oneIn(8)) return random.pick(VALUES);
    const value = right[name];
    return value !== undefined && random.oneIn(8)
      ? mutatedBytes(Buffer.from(value), random).toString("latin1")
      : value;
  };
  return {
    protocolVersion: header("mcp-protocol-version"),
    method: header("mcp-method"),
    name: header("mcp-name"),
  };
}

const trim = (value: string | undefined) => value?.replaceAll(/^[ \t]+|[ \t]+$/g, "");

/** As a target decodes it that looks at the header only. */
function decoded(header: string | undefined): string | undefined {
  const value = trim(header);
  const base64 = /^=\?base64\?(.*)\?=$/s.exec(value ?? "")?.[1];
  return base64 === undefined ? value : Buffer.from(base64, "base64").toString();
}

/** A modern request that passes says the same in its headers as in its body, for whoever reads only one of them. */
function checkAgreement(message: McpMessage, headers: InboundHeaders): void {
  if (message.kind !== "request" || message.protocolVersionClaim?.from !== "meta") return;
  const body = JSON.parse(Buffer.from(message.bytes).toString()) as {
    method: string;
    params: { name?: unknown; uri?: unknown; taskId?: unknown; _meta: Record<string, unknown> };
  };
  assert.equal(trim(headers.method), body.method);
  assert.equal(trim(headers.protocolVersion), body.params._meta["io.modelcontextprotocol/protocolVersion"]);
  const named: Record<string, unknown> = {
    "tools/call": body.params.name,
    "prompts/get": body.params.name,
    "resources/read": body.params.uri,
    "tasks/get": body.params.taskId,
    "tasks/update": body.params.taskId,
    "tasks/cancel": body.params.taskId,
  };
  const name = named[body.method];
  if (typeof name === "string") assert.equal(decoded(headers.name), name);
}

test("headers that pass say what the body says", async () => {
  let passed = 0;
  const check = (bytes: Uint8Array, random: Random): void => {
    const message = accepted(bytes);
    if (!message) return;
    const headers = headersOf(message, random);
    if (checkInbound(message, headers) !== undefined) return;
    checkAgreement(message, headers);
    passed += 1;
  };
  const generate = (random: Random) => mutatedMessage(random, CLIENT_MESSAGES);
  const fed = await fuzz({ name: "inbound-headers", share: 70, generate, check }, inject("fuzz"));
  expect(passed).toBeGreaterThan(fed / 20);
});
