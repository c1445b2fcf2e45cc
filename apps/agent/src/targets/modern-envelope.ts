import {
  type JsonRpcId,
  MODERN_REVISION,
  type McpRequest,
  parseMessage,
  requestMessage,
} from "@drawbridge/mcp";
import { AGENT_VERSION } from "../version.js";

/** A request of the agent's own at 2026-07-28, with the `_meta` every request has to have. It can do nothing for the server. */
export function modernRequest(
  id: JsonRpcId,
  method: string,
  params: Readonly<Record<string, unknown>> = {},
): McpRequest {
  const meta = {
    "io.modelcontextprotocol/protocolVersion": MODERN_REVISION,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": AGENT_INFO,
  };
  const message = parseMessage(requestMessage(id, method, { ...params, _meta: meta }));
  if (message.kind !== "request") throw new TypeError("what was made as a request is none");
  return message;
}

export const AGENT_INFO = { name: "drawbridge-agent", version: AGENT_VERSION };
