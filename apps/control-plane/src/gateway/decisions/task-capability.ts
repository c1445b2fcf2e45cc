import { jsonView, type McpNotification, type McpRequest, RpcErrorCode } from "@drawbridge/mcp";
import { GatewayError } from "../gateway-error.js";

/** The extension of 2026-07-28. */
export const TASKS = "io.modelcontextprotocol/tasks";

/** Whether the request says that its client knows the tasks extension of 2026-07-28. */
export function declaresTasks({ bytes, ranges }: McpRequest | McpNotification): boolean {
  if (!ranges.clientCapabilities) return false;
  const [start, end] = ranges.clientCapabilities;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8", start, end);
  const { extensions } = jsonView(text) as { extensions?: unknown };
  return typeof extensions === "object" && extensions !== null && Object.hasOwn(extensions, TASKS);
}

/** What a server answers to a request about tasks without it, whether the task exists or not. */
export function tasksNotDeclared(): GatewayError {
  return new GatewayError({
    status: 400,
    code: RpcErrorCode.MissingClientCapability,
    message: `this needs the extension ${TASKS}: declare it in the client's capabilities`,
    data: { requiredCapabilities: { extensions: { [TASKS]: {} } } },
  });
}
