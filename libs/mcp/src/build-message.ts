import { Buffer } from "node:buffer";
import type { JsonRpcId } from "./json-rpc-id.js";

export interface RpcError {
  /** One of RpcErrorCode, or a target's own. */
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

/** `null` where the request's id is not known; `undefined` leaves the member out, as 2026-07-28 wants it then. */
export function errorResponse(id: JsonRpcId | null | undefined, error: RpcError): Uint8Array {
  const { code, message, data } = error;
  return encode(id, `"error":${JSON.stringify({ code, message, data })}`);
}

/** `value` must survive JSON.stringify. */
export function resultResponse(id: JsonRpcId, value: object): Uint8Array {
  return encode(id, `"result":${JSON.stringify(value)}`);
}

export function requestMessage(id: JsonRpcId, method: string, params?: object): Uint8Array {
  return encode(id, methodAndParams(method, params));
}

export function notificationMessage(method: string, params?: object): Uint8Array {
  return encode(undefined, methodAndParams(method, params));
}

/** Tells the other side that nobody waits for a request any more. */
export function cancelledNotification(requestId: JsonRpcId, reason: string): Uint8Array {
  const params = `{"requestId":${requestId.text},"reason":${JSON.stringify(reason)}}`;
  return encode(undefined, `"method":"notifications/cancelled","params":${params}`);
}

/** For a request held or under way, to whoever gave the token. `progress` has to grow from one to the next. */
export function progressNotification(
  token: JsonRpcId,
  report: { readonly progress: number; readonly total?: number; readonly message?: string },
): Uint8Array {
  const rest = JSON.stringify(report).slice(1);
  return encode(
    undefined,
    `"method":"notifications/progress","params":{"progressToken":${token.text},${rest}`,
  );
}

function methodAndParams(method: string, params: object | undefined): string {
  const start = `"method":${JSON.stringify(method)}`;
  return params === undefined ? start : `${start},"params":${JSON.stringify(params)}`;
}

function encode(id: JsonRpcId | null | undefined, members: string): Uint8Array {
  const idMember = id === undefined ? "" : `"id":${id === null ? "null" : id.text},`;
  return Buffer.from(`{"jsonrpc":"2.0",${idMember}${members}}`);
}
