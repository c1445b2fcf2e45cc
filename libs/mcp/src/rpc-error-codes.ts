/**
 * Codes of JSON-RPC errors. The first group is the standard's, the second MCP's; the specification keeps
 * -32768…-32000 to itself, so the third, Drawbridge's own, stays outside.
 */
export const RpcErrorCode = {
  // JSON-RPC 2.0 §5.1
  ParseError: -32700,
  InvalidRequest: -32600,
  MethodNotFound: -32601,
  InvalidParams: -32602,
  InternalError: -32603,

  /** 2025 revisions, by convention: also what makes a dual-era client fall back to initialize. */
  ServerError: -32000,
  /** 2025 revisions, Streamable HTTP, "Session Management": by convention of the SDKs, with status 404. */
  SessionNotFound: -32001,
  /** 2025 revisions, Resources, "Error Handling". InvalidParams at 2026-07-28. */
  ResourceNotFound: -32002,
  /** 2026-07-28, Streamable HTTP, standard headers: they differ from the body, with status 400. */
  HeaderMismatch: -32020,
  /** 2026-07-28, Versioning: data.requiredCapabilities, with status 400. */
  MissingClientCapability: -32021,
  /** 2026-07-28, Versioning: data.supported and data.requested, with status 400. */
  UnsupportedProtocolVersion: -32022,
  /** 2025-11-25, Elicitation, URL mode. Must not be sent at 2026-07-28. */
  UrlElicitationRequired: -32042,

  /** No rule allows the operation. */
  DeniedByPolicy: -31001,
  /** Nobody approved in time, or somebody said no. */
  NotApproved: -31002,
  /** A lock, a revocation or the end of a grant stopped it. */
  AccessRevoked: -31003,
  /** Could not be recorded, so it was not done or not delivered. */
  RecordingUnavailable: -31004,
  /** The agent is offline or could not reach or start the target; it certainly did not run. */
  TargetUnavailable: -31005,
  /** Sent, and whether it ran is not known. Never repeated by the system. */
  OutcomeUnknown: -31006,
  /** Ran longer than allowed; whether it had an effect is not known. */
  TimedOut: -31007,
  /** Ran, and the result is withheld: it could not be masked. */
  ResultUnmaskable: -31008,
  /** Ran, and the result is withheld: it is larger than may be carried. */
  ResultTooLarge: -31009,
  /** The target answered with something that is not MCP. */
  BadTarget: -31010,
  /** Too many requests or sessions at once; try later. */
  TooManyRequests: -31011,
  /** Ran, and the result is withheld: the connection broke while it was carried. */
  ResultCutOff: -31012,
  /** A limit of a policy is used up; the request did not run, or its result is withheld. */
  LimitReached: -31013,
  /** The tool's definition is not the one that was accepted; it did not run. */
  ToolChanged: -31014,
  /** It waits for an approval; the same request again asks how it stands. For methods whose results cannot say so. */
  ApprovalPending: -31015,
  /** It needs access that the caller may ask for; data says how. */
  AccessRequired: -31016,
} as const;

/** 2026-07-28, Streamable HTTP: the HTTP status of an answer that is this error, while nothing was streamed. */
export function httpStatusOfError(code: number): number {
  return STATUS_OF_ERROR.get(code) ?? 200;
}

const STATUS_OF_ERROR: ReadonlyMap<number, number> = new Map([
  [RpcErrorCode.ParseError, 400],
  [RpcErrorCode.InvalidRequest, 400],
  [RpcErrorCode.MethodNotFound, 404],
  [RpcErrorCode.HeaderMismatch, 400],
  [RpcErrorCode.MissingClientCapability, 400],
  [RpcErrorCode.UnsupportedProtocolVersion, 400],
]);

export type RpcErrorCode = (typeof RpcErrorCode)[keyof typeof RpcErrorCode];
