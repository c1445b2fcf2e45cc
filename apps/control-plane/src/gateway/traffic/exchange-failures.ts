import { errorResponse, type JsonRpcId, RpcErrorCode } from "@drawbridge/mcp";
import { ExchangeFailure } from "@drawbridge/protocol";
import type { EventKind } from "@drawbridge/recording";
import type { LimitRefusal } from "../../limits/index.js";

export interface Failure {
  readonly code: RpcErrorCode;
  /** What the recording says of the request. */
  readonly kind: EventKind & ("not_sent" | "outcome_unknown" | "response");
  /** What the caller is told before the agent's own words. */
  readonly says: string;
  /** For programs. */
  readonly data?: object;
}

const NOT_SENT = { code: RpcErrorCode.TargetUnavailable, kind: "not_sent" } as const;
const WITHHELD = { kind: "response" } as const;

/** Every way an exchange can end without the target's response. A new one fails the build until it has a row. */
export const FAILURES = {
  [ExchangeFailure.UNSPECIFIED]: unknownOutcome("the agent reported a failure without saying which"),
  [ExchangeFailure.UNRECOGNIZED]: unknownOutcome(
    "the agent reported a failure this control plane does not know",
  ),
  [ExchangeFailure.NOT_SENT]: { ...NOT_SENT, says: "the request did not reach the target and did not run" },
  [ExchangeFailure.NOT_ALLOWED_HERE]: {
    ...NOT_SENT,
    says: "the agent's own configuration does not allow this target, so nothing ran; ask whoever operates the agent",
  },
  [ExchangeFailure.TARGET_UNAVAILABLE]: {
    ...NOT_SENT,
    says: "the target cannot be reached or started, so nothing ran",
  },
  [ExchangeFailure.SESSION_GONE]: { ...NOT_SENT, says: "the target ended its session; initialize again" },
  [ExchangeFailure.OUTCOME_UNKNOWN]: unknownOutcome("the target stopped before it answered"),
  [ExchangeFailure.TIMED_OUT]: {
    code: RpcErrorCode.TimedOut,
    kind: "outcome_unknown",
    says: "the target took too long; whether the request had an effect is not known, and it is not repeated",
  },
  [ExchangeFailure.UNMASKABLE]: {
    ...WITHHELD,
    code: RpcErrorCode.ResultUnmaskable,
    says: "the request ran, but its result could not be masked and is withheld",
  },
  [ExchangeFailure.RESULT_TOO_LARGE]: {
    ...WITHHELD,
    code: RpcErrorCode.ResultTooLarge,
    says: "the request ran, but its result is larger than may be carried and is withheld; ask for less",
  },
  [ExchangeFailure.BAD_TARGET]: {
    ...WITHHELD,
    code: RpcErrorCode.BadTarget,
    says: "the target answered with something that is not MCP; its answer is withheld",
  },
  // What the caller is told depends on the era of its session: era-refusals.ts.
  [ExchangeFailure.ERA_NOT_SPOKEN]: {
    code: RpcErrorCode.ServerError,
    kind: "not_sent",
    says: "the target does not speak this revision of MCP",
  },
  [ExchangeFailure.HEADER_MISMATCH]: {
    code: RpcErrorCode.HeaderMismatch,
    kind: "not_sent",
    says: "a header of the request says something else than its body, so it was not sent",
  },
  [ExchangeFailure.RESULT_CUT_OFF]: {
    ...WITHHELD,
    code: RpcErrorCode.ResultCutOff,
    says: "the request ran, but its large result was cut off on its way and is withheld; the request is not repeated",
  },
  [ExchangeFailure.TOOL_CHANGED]: {
    code: RpcErrorCode.ToolChanged,
    kind: "not_sent",
    says: "the target does not show the tool as it was accepted, so nothing ran; if that stays so, have an operator look at it (drawbridge tools)",
  },
} as const satisfies Record<ExchangeFailure, Failure>;

/** It ran, and what came back wants of the client what no rule allows. */
export const ASKS_TOO_MUCH: Failure = {
  ...WITHHELD,
  code: RpcErrorCode.DeniedByPolicy,
  says: "the target wants something of the client that no rule allows, so its result is withheld",
};

/** What it may do now would be denied. It was cancelled; what it did until then nobody knows. */
export const ACCESS_ENDED: Failure = {
  code: RpcErrorCode.AccessRevoked,
  kind: "outcome_unknown",
  says: "access ended while the request ran, so it was cancelled; whether it had an effect is not known, and it is not repeated",
};

/** It ran, and its result is more than a limit of a policy leaves room for. */
export function resultOverLimit({ reason, retryAfterSeconds }: Omit<LimitRefusal, "limit">): Failure {
  return {
    ...WITHHELD,
    code: RpcErrorCode.LimitReached,
    says: `the request ran, but its result is withheld: ${reason}`,
    ...(retryAfterSeconds === undefined ? {} : { data: { retryAfterSeconds } }),
  };
}

/** Whether there is room for its result nobody can say now. */
export const LIMIT_UNKNOWN: Failure = {
  ...WITHHELD,
  code: RpcErrorCode.LimitReached,
  says: "the request ran, but its result is withheld: the limits of results could not be asked",
};

/** The caller is told exactly that; the system never repeats a call. */
export function unknownOutcome(what: string) {
  return {
    code: RpcErrorCode.OutcomeUnknown,
    kind: "outcome_unknown",
    says: `${what}; whether the request ran is not known, and it is not repeated`,
  } as const;
}

/** Instead of the answer to a call that would no longer be allowed. */
export function accessEnded(id: JsonRpcId): Uint8Array {
  const message = "access ended while the request ran; its result is withheld";
  return errorResponse(id, { code: RpcErrorCode.AccessRevoked, message });
}
