import type { JsonRpcId } from "./json-rpc-id.js";
import type { Range } from "./json-scanner.js";

interface Common {
  /** The very input, never a copy. */
  readonly bytes: Uint8Array;
  /** 2026-07-28: which subscriptions/listen it belongs to, by the id of that request. Absent when it is no usable id. */
  readonly subscriptionId?: JsonRpcId | undefined;
  readonly ranges: MessageRanges;
}

/** Where parts of the message are in `bytes`: what is absent in the message is absent here. */
export interface MessageRanges {
  readonly id?: Range | undefined;
  readonly params?: Range | undefined;
  /** `params._meta`, an object or not. */
  readonly meta?: Range | undefined;
  /** Of a request of 2026-07-28. */
  readonly clientCapabilities?: Range | undefined;
  readonly arguments?: Range | undefined;
  readonly progressToken?: Range | undefined;
  /** `params.requestId` of notifications/cancelled. */
  readonly requestId?: Range | undefined;
  /** Of `_meta` in params or in result. */
  readonly subscriptionId?: Range | undefined;
  readonly result?: Range | undefined;
  readonly error?: Range | undefined;
}

interface Call extends Common {
  readonly method: string;
  /**
   * What the message is about, from the member that METHODS names for its method. Absent when that member is missing or
   * not a string: such an operation cannot be decided and is to be refused.
   */
  readonly name?: string | undefined;
  /** `_meta.progressToken`; of notifications/progress `params.progressToken`. */
  readonly progressToken?: JsonRpcId | undefined;
  /** The request that notifications/cancelled is about. */
  readonly requestId?: JsonRpcId | undefined;
  /** The revision the sender says it speaks, and where it says so. A claim in `_meta` makes the message modern. */
  readonly protocolVersionClaim?: ProtocolVersionClaim | undefined;
  /** From initialize or `_meta`. Untrusted: for display and recording, never for a decision. */
  readonly clientInfo?: ClientInfo | undefined;
}

export interface ProtocolVersionClaim {
  readonly version: string;
  readonly from: "meta" | "initialize";
}

export interface ClientInfo {
  readonly name?: string | undefined;
  readonly version?: string | undefined;
}

export interface McpRequest extends Call {
  readonly kind: "request";
  readonly id: JsonRpcId;
}

export interface McpNotification extends Call {
  readonly kind: "notification";
}

export interface McpResponse extends Common {
  readonly kind: "response";
  /** Absent on an error that could not be tied to a request (id null or none). */
  readonly id?: JsonRpcId | undefined;
  readonly isError: boolean;
}

export type McpMessage = McpRequest | McpNotification | McpResponse;
