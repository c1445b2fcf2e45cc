import type { ConnectedMcpSessionPort } from "@modelcontextprotocol/ext-tasks/client";
import type { ModernClient, ModernMessage } from "./modern-client.js";
import { modernRequest } from "./modern-client.js";

/** What a client declares that waits by tasks. */
export const KNOWS_TASKS = { extensions: { "io.modelcontextprotocol/tasks": {} } };

/** A client of the gateway, for the driver of the tasks extension: it frames what that says. */
export function tasksPort(client: ModernClient): ConnectedMcpSessionPort {
  let id = 0;
  const nothing = () => () => undefined;
  return {
    endpointId: "gateway-under-test",
    taskCapabilities: { generation: "v2", capabilities: {} },
    invalidated: false,
    onServerRequest: nothing,
    onNotification: nothing,
    onInvalidated: nothing,
    dispatch: async (request) => {
      const { method, params = {} } = request as unknown as ModernMessage;
      const { json, status } = await client.post(modernRequest(++id, method, params, KNOWS_TASKS));
      if (json.error) return { kind: "error", error: json.error };
      if (!json.result) throw new Error(`${method} answered ${status} without a message`);
      return { kind: "result", result: json.result as never };
    },
  };
}
