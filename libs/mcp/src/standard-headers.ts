import { MODERN_REVISION } from "./eras.js";
import { encodeHeaderValue } from "./header-values.js";
import { HttpHeader } from "./http-headers.js";
import type { McpNotification, McpRequest } from "./message.js";

/** The requests whose name, URI or task id goes into Mcp-Name (2026-07-28, Streamable HTTP, "Standard Request Headers"). */
const NAMED: ReadonlySet<string> = new Set([
  "tools/call",
  "prompts/get",
  "resources/read",
  "tasks/get",
  "tasks/update",
  "tasks/cancel",
]);

/** What Mcp-Name has to say, or undefined for a message that has nothing for it to say. */
export function namedInHeader(message: McpRequest | McpNotification): string | undefined {
  return NAMED.has(message.method) ? message.name : undefined;
}

/** Whether Mcp-Name says something about messages of this method; other methods leave it alone. */
export function takesNameHeader(method: string): boolean {
  return NAMED.has(method);
}

/** The headers that a server of 2026-07-28 wants with this message, made from its body; names in lower case. */
export function standardHeaders(message: McpRequest | McpNotification): Record<string, string> {
  const name = namedInHeader(message);
  return {
    [HttpHeader.protocolVersion]: encodeHeaderValue(message.protocolVersionClaim?.version ?? MODERN_REVISION),
    [HttpHeader.method]: encodeHeaderValue(message.method),
    ...(name !== undefined && { [HttpHeader.name]: encodeHeaderValue(name) }),
  };
}
