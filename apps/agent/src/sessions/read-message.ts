import { type JsonRpcId, MalformedMessageError, type McpMessage, parseMessage } from "@drawbridge/mcp";
import type { SparseLog } from "./sparse-log.js";

export interface Unreadable {
  readonly kind: "unreadable";
  readonly problem: string;
  /** As far as it could be read. */
  readonly id: JsonRpcId | undefined;
}

/** The message, or what is wrong with it. A defect of ours in reading it must not end the other sessions of this process. */
export function readMessage(payload: Uint8Array, log: SparseLog): McpMessage | Unreadable {
  try {
    return parseMessage(payload);
  } catch (error) {
    if (error instanceof MalformedMessageError)
      return { kind: "unreadable", problem: error.message, id: error.id };
    log.error({ error: error instanceof Error ? error.name : "unknown" }, "a message could not be read");
    return { kind: "unreadable", problem: "it could not be read", id: undefined };
  }
}
