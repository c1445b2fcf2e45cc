import type { JsonRpcId } from "@drawbridge/mcp";
import { errorResponse, RpcErrorCode } from "@drawbridge/mcp";
import type { OutgoingHttpHeaders } from "node:http";
import type { LimitRefusal } from "../limits/index.js";

export interface Refusal {
  /** HTTP status. 200 where the JSON-RPC error is the answer to a request of an open session. */
  readonly status: number;
  readonly code: number;
  /** For the caller: what happened and what to do. Never holds a secret or what others may not know. */
  readonly message: string;
  /** For programs, as the specification gives it for `code`. */
  readonly data?: unknown;
  readonly headers?: OutgoingHttpHeaders;
}

/** Why a message is not passed on. Everything that a client can be told goes through this one class. */
export class GatewayError extends Error {
  override readonly name = "GatewayError";
  readonly status: number;
  readonly code: number;
  readonly data: unknown;
  readonly headers: OutgoingHttpHeaders;

  constructor({ status, code, message, data, headers }: Refusal) {
    super(message);
    this.status = status;
    this.code = code;
    this.data = data;
    this.headers = headers ?? {};
  }

  /** The JSON-RPC body, answering `id` where it is known: otherwise null (2025 revisions) or undefined (2026-07-28). */
  body(id: JsonRpcId | null | undefined): Uint8Array {
    return errorResponse(id, { code: this.code, message: this.message, data: this.data });
  }
}

/** A target that does not exist, that nobody made visible, or whose name cannot be one: all the same to the caller. */
export function unknownTarget(): GatewayError {
  return new GatewayError({
    status: 404,
    code: RpcErrorCode.InvalidRequest,
    message: "there is no such target for you; `drawbridge targets` lists those there are",
  });
}

/** A session that ended, never was, or is somebody else's: all the same to the caller. */
export function unknownSession(): GatewayError {
  return new GatewayError({
    status: 404,
    code: RpcErrorCode.SessionNotFound,
    message: "there is no such session; send initialize to open a new one",
  });
}

/** A session that nobody opened in so many words is gone: what was asked has not run and may be asked again. */
export function sessionLost(): GatewayError {
  return new GatewayError({
    status: 503,
    code: RpcErrorCode.TargetUnavailable,
    message: "the target was stopped or lost before it was asked, so nothing ran; try again",
    headers: { "Retry-After": "1" },
  });
}

/** No room in a limit of a policy. It did not run. */
export function overLimit({ reason, retryAfterSeconds }: Omit<LimitRefusal, "limit">): GatewayError {
  const data = retryAfterSeconds === undefined ? {} : { data: { retryAfterSeconds } };
  return new GatewayError({ status: 200, code: RpcErrorCode.LimitReached, message: reason, ...data });
}

/** Something we stand on does not answer; the same request may do in a moment. */
export function unavailable(message: string): GatewayError {
  return new GatewayError({
    status: 503,
    code: RpcErrorCode.RecordingUnavailable,
    message,
    headers: { "Retry-After": "1" },
  });
}

/** Of one session. It may be sent again. */
export function tooMuchUnderWay(): GatewayError {
  const message = "too many or too large requests are under way in the session; wait for some to be answered";
  return new GatewayError({ status: 429, code: RpcErrorCode.TooManyRequests, message });
}
