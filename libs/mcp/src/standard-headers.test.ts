import { expect, test } from "vitest";
import type { McpNotification, McpRequest } from "./message.js";
import { parseMessage } from "./parse-message.js";
import { standardHeaders } from "./standard-headers.js";

const META = '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}';
const headersOf = (members: string): Record<string, string> =>
  standardHeaders(parseMessage(Buffer.from(`{"jsonrpc":"2.0",${members}}`)) as McpRequest | McpNotification);

test.each([
  [`"id":1,"method":"tools/list","params":{${META}}`, { "mcp-method": "tools/list" }],
  [
    `"id":1,"method":"tools/call","params":{${META},"name":"a b"}`,
    { "mcp-method": "tools/call", "mcp-name": "a b" },
  ],
  [
    `"id":1,"method":"prompts/get","params":{${META},"name":"é\\n"}`,
    { "mcp-method": "prompts/get", "mcp-name": "=?base64?w6kK?=" },
  ],
  [
    `"id":1,"method":"resources/read","params":{${META},"uri":"file:///x"}`,
    { "mcp-method": "resources/read", "mcp-name": "file:///x" },
  ],
  [
    `"id":1,"method":"tasks/cancel","params":{${META},"taskId":"7"}`,
    { "mcp-method": "tasks/cancel", "mcp-name": "7" },
  ],
  [`"id":1,"method":"tools/call","params":{${META},"name":7}`, { "mcp-method": "tools/call" }],
  [
    `"id":1,"method":"completion/complete","params":{${META},"ref":{"type":"ref/prompt","name":"n"}}`,
    { "mcp-method": "completion/complete" },
  ],
  [`"method":"notifications/x"`, { "mcp-method": "notifications/x" }],
  [`"id":1,"method":"a\\r\\nb","params":{${META}}`, { "mcp-method": "=?base64?YQ0KYg==?=" }],
])("the headers of %s", (members, headers) => {
  expect(headersOf(members)).toEqual({ "mcp-protocol-version": "2026-07-28", ...headers });
});
