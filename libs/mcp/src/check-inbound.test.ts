import { describe, expect, test } from "vitest";
import { checkInbound, type InboundHeaders } from "./check-inbound.js";
import { parseMessage } from "./parse-message.js";

const VERSION = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES = "io.modelcontextprotocol/clientCapabilities";
const CLIENT = "io.modelcontextprotocol/clientInfo";
const LOG_LEVEL = "io.modelcontextprotocol/logLevel";
const MODERN = "2026-07-28";
const META = { [VERSION]: MODERN, [CAPABILITIES]: {} };

interface Asked {
  readonly method?: string;
  readonly params?: object;
  readonly isNotification?: boolean;
  readonly headers?: InboundHeaders;
}

function check({ method = "tools/list", params = { _meta: META }, isNotification, headers = {} }: Asked) {
  const id = isNotification === true ? {} : { id: 1 };
  const bytes = Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...id, method, params }));
  return checkInbound(parseMessage(bytes), headers);
}

const fit = (method: string, name?: string): InboundHeaders => ({
  protocolVersion: MODERN,
  method,
  ...(name !== undefined && { name }),
});
const call = (name: unknown = "t") => ({ name, _meta: META });

describe("checkInbound finds nothing wrong with", () => {
  test.each<[string, Asked]>([
    ["a modern request whose headers say what it says", { headers: fit("tools/list") }],
    ["blanks around values", { headers: { protocolVersion: ` ${MODERN}\t`, method: "\ttools/list " } }],
    ["a name", { method: "tools/call", params: call(), headers: fit("tools/call", "t") }],
    [
      "a name with blanks around it",
      { method: "tools/call", params: call(), headers: fit("tools/call", "  t  ") },
    ],
    [
      "a name in Base64",
      { method: "tools/call", params: call("é"), headers: fit("tools/call", "=?base64?w6k=?=") },
    ],
    [
      "a URI",
      {
        method: "resources/read",
        params: { uri: "a:b", _meta: META },
        headers: fit("resources/read", "a:b"),
      },
    ],
    [
      "a task id",
      { method: "tasks/get", params: { taskId: "7", _meta: META }, headers: fit("tasks/get", "7") },
    ],
    ["a name header that is for nothing", { headers: fit("tools/list", "whatever") }],
    ["a call whose name is for others to miss", { method: "tools/call", headers: fit("tools/call") }],
    ["a modern notification without headers", { isNotification: true, method: "notifications/x" }],
    [
      "a notification without an envelope",
      { isNotification: true, method: "notifications/x", params: {}, headers: fit("notifications/x") },
    ],
    [
      "a client that tells of itself",
      {
        params: { _meta: { ...META, [CLIENT]: { name: "c", version: "1" }, [LOG_LEVEL]: "debug" } },
        headers: fit("tools/list"),
      },
    ],
    ["a legacy request", { params: {} }],
    [
      "a legacy request, whatever Mcp-Method says",
      { params: {}, headers: { protocolVersion: "2025-11-25", method: "x" } },
    ],
    ["a legacy request of an unknown revision", { params: {}, headers: { protocolVersion: "1.0" } }],
    ["initialize", { method: "initialize", params: { protocolVersion: "2025-11-25" } }],
    [
      "initialize that claims a legacy version twice",
      {
        method: "initialize",
        params: { protocolVersion: "2025-06-18", _meta: { [VERSION]: "2025-06-18" } },
        headers: { protocolVersion: "2025-06-18" },
      },
    ],
    [
      "a legacy notification",
      { isNotification: true, params: {}, headers: { protocolVersion: "2025-11-25", method: "x" } },
    ],
    [
      "initialize with the envelope, which is of no era for others to find out",
      { method: "initialize", headers: fit("initialize") },
    ],
  ])("%s", (_what, asked) => {
    expect(check(asked)).toBeUndefined();
  });

  test("a response, whatever the headers say", () => {
    const response = parseMessage(Buffer.from('{"jsonrpc":"2.0","id":1,"result":{}}'));
    expect(checkInbound(response, { protocolVersion: MODERN, method: "x" })).toBeUndefined();
  });
});

describe("checkInbound refuses, the first of these that is wrong,", () => {
  const wrong = { protocolVersion: "2025-11-25", method: "wrong", name: "wrong" };

  test.each<[string, number, Asked, unknown]>([
    // Era: header against body.
    [
      "initialize under a modern header",
      -32020,
      { method: "initialize", params: { protocolVersion: MODERN }, headers: { protocolVersion: MODERN } },
      { mismatch: { header: "MCP-Protocol-Version" } },
    ],
    [
      "a modern header without _meta",
      -32602,
      { params: {}, headers: fit("wrong") },
      { envelope: { missing: ["_meta"] } },
    ],
    [
      "a modern header without a version in _meta",
      -32602,
      { params: { _meta: { [CAPABILITIES]: {} } }, headers: fit("tools/list") },
      { envelope: { missing: [VERSION] } },
    ],
    [
      "a modern header with another _meta",
      -32602,
      { params: { _meta: { progressToken: 1 } }, headers: fit("tools/list") },
      { envelope: { missing: [VERSION, CAPABILITIES] } },
    ],
    // Envelope, before any header.
    [
      "no capabilities",
      -32602,
      { params: { _meta: { [VERSION]: "1.0" } }, headers: wrong },
      { envelope: { key: CAPABILITIES, problem: "missing" } },
    ],
    [
      "capabilities that are none",
      -32602,
      { params: { _meta: { [VERSION]: "1.0", [CAPABILITIES]: [] } }, headers: wrong },
      { envelope: { key: CAPABILITIES } },
    ],
    [
      "client info that is none",
      -32602,
      { params: { _meta: { ...META, [CLIENT]: { name: "c" } } }, headers: wrong },
      { envelope: { key: CLIENT } },
    ],
    [
      "a log level that is none",
      -32602,
      { params: { _meta: { ...META, [LOG_LEVEL]: "loud" } }, headers: wrong },
      { envelope: { key: LOG_LEVEL } },
    ],
    // What headers and body both say.
    [
      "another version in the header",
      -32020,
      {
        params: { _meta: { ...META, [VERSION]: "v999.0.0" } },
        headers: { ...wrong, protocolVersion: MODERN },
      },
      { mismatch: { header: "MCP-Protocol-Version" } },
    ],
    [
      "another method in the header",
      -32020,
      { headers: { ...fit("tools/call"), name: "x" } },
      { mismatch: { header: "Mcp-Method" } },
    ],
    [
      "the method in another case",
      -32020,
      { headers: fit("TOOLS/LIST") },
      { mismatch: { header: "Mcp-Method" } },
    ],
    [
      "another method, and a version nobody speaks",
      -32020,
      { params: { _meta: { ...META, [VERSION]: "v9" } }, headers: { method: "x" } },
      { mismatch: { header: "Mcp-Method" } },
    ],
    // Version, before the headers that are missing.
    [
      "a version nobody speaks",
      -32022,
      { params: { _meta: { ...META, [VERSION]: "v9" } } },
      { supported: [MODERN], requested: "v9" },
    ],
    [
      "a legacy version in the envelope",
      -32022,
      { params: { _meta: { ...META, [VERSION]: "2025-11-25" } }, headers: { protocolVersion: "2025-11-25" } },
      { supported: [MODERN], requested: "2025-11-25" },
    ],
    // Standard headers.
    ["no version header", -32020, {}, { mismatch: { header: "MCP-Protocol-Version" } }],
    [
      "no method header",
      -32020,
      { headers: { protocolVersion: MODERN } },
      { mismatch: { header: "Mcp-Method" } },
    ],
    [
      "no name header",
      -32020,
      { method: "tools/call", params: call(), headers: fit("tools/call") },
      { mismatch: { header: "Mcp-Name" } },
    ],
    [
      "another name in the header",
      -32020,
      { method: "tools/call", params: call(), headers: fit("tools/call", "T") },
      { mismatch: { header: "Mcp-Name" } },
    ],
    [
      "another URI in the header",
      -32020,
      {
        method: "resources/read",
        params: { uri: "a:b", _meta: META },
        headers: fit("resources/read", "a:c"),
      },
      { mismatch: { header: "Mcp-Name" } },
    ],
    [
      "a name that is not Base64",
      -32020,
      { method: "prompts/get", params: call("Hello"), headers: fit("prompts/get", "=?base64?SGVsbG8?=") },
      { mismatch: { header: "Mcp-Name" } },
    ],
    // Notifications.
    [
      "another version in the header of a notification",
      -32020,
      { isNotification: true, headers: { protocolVersion: "2025-11-25" } },
      { mismatch: { header: "MCP-Protocol-Version" } },
    ],
    [
      "another method in the header of a notification",
      -32020,
      { isNotification: true, headers: fit("x") },
      { mismatch: { header: "Mcp-Method" } },
    ],
    [
      "another method in the header of a notification without an envelope",
      -32020,
      { isNotification: true, params: {}, headers: fit("x") },
      { mismatch: { header: "Mcp-Method" } },
    ],
    [
      "a notification without an envelope under a version nobody speaks",
      -32022,
      { isNotification: true, params: {}, headers: { protocolVersion: "2027-01-01" } },
      { requested: "2027-01-01" },
    ],
    [
      "a version to come in the header without an envelope",
      -32602,
      { params: {}, headers: { protocolVersion: "2027-01-01" } },
      { envelope: { missing: ["_meta"] } },
    ],
    [
      "a notification of a version nobody speaks",
      -32022,
      { isNotification: true, params: { _meta: { [VERSION]: "v9" } } },
      { requested: "v9" },
    ],
  ])("%s: %i", (_what, code, asked, data) => {
    expect(check(asked)).toMatchObject({ status: 400, code, data });
  });

  test("and never repeats what was sent to it in words", () => {
    const refusal = check({
      method: "tools/call",
      params: call("secret"),
      headers: fit("tools/call", "other"),
    });
    expect(JSON.stringify(refusal)).not.toContain("secret");
  });
});
