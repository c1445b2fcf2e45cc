import { errorResponse, type McpRequest, resultResponse, RpcErrorCode } from "@drawbridge/mcp";
import type { ApprovalState } from "@drawbridge/contracts";
import type { HeldApproval } from "../../approvals/index.js";
import type { GatewayDecision } from "../decisions/decide.js";
import { inWords } from "./approval-words.js";
import type { Awaited } from "./awaited.js";
import { APPROVAL_META } from "./edited-results.js";
import type { Leg } from "./leg.js";

/** Ours in `_meta` of what callers are told about access that was asked for on their behalf. */
const ACCESS_META = "io.drawbridge/access-request";

/** What a caller is told itself; with the code, if it is an error. */
export interface Said {
  readonly message: Uint8Array;
  readonly code?: number;
}

/** That it still waits, to who has to repeat the call: of a tool in words that a model understands. */
export function pending({ awaits, incoming: { message, session } }: Leg, awaited: Awaited): Said {
  const text = pendingInWords(message, awaits, awaited);
  const about = aboutAwaited(awaited);
  if (message.method !== "tools/call") {
    const code = RpcErrorCode.ApprovalPending;
    return { code, message: errorResponse(message.id, { code, message: text, data: about }) };
  }
  return {
    message: resultResponse(message.id, {
      ...(session.era === "modern" ? { resultType: "complete" } : {}),
      content: [{ type: "text", text }],
      isError: true,
      _meta: { [metaOf(awaits)]: about },
    }),
  };
}

/** The same to who comes back by itself. */
export function comeBack({ awaits, incoming }: Leg, awaited: Awaited, requestState: string): Said {
  return {
    message: resultResponse(incoming.message.id, {
      resultType: "input_required",
      requestState,
      _meta: { [metaOf(awaits)]: aboutAwaited(awaited) },
    }),
  };
}

/** That it ended without a run. */
export function notApproved({ incoming }: Leg, approval: HeldApproval): Required<Said> {
  const { id, url, state, comment } = approval;
  const code = RpcErrorCode.NotApproved;
  const data = { approval: id, state, url, ...(comment === undefined ? {} : { comment }) };
  return refused(incoming.message, { code, message: inWords(approval), data });
}

/** That the access which was asked for will not come. */
export function noAccess({ incoming }: Leg, { id, url, said }: Awaited): Required<Said> {
  const code = RpcErrorCode.NotApproved;
  return refused(incoming.message, { code, message: said, data: { accessRequest: id, url } });
}

/** That another request for the same operation has run it. `isUnderWay`: and has not been answered yet. */
export function ranElsewhere({ incoming }: Leg, { id }: HeldApproval, isUnderWay: boolean): Required<Said> {
  const data = { approval: id };
  return isUnderWay
    ? refused(incoming.message, {
        code: RpcErrorCode.NotApproved,
        message:
          "the same call was made more than once: it was approved once, and another request has run it",
        data,
      })
    : refused(incoming.message, {
        code: RpcErrorCode.OutcomeUnknown,
        message:
          "the call was approved and sent, but its answer was lost on the way; whether it had an effect is not known, and it is not repeated",
        data,
      });
}

const MAY_BE_TOLD: ReadonlySet<number> = new Set([
  RpcErrorCode.AccessRevoked,
  RpcErrorCode.NotApproved,
  RpcErrorCode.ToolChanged,
]);

/** That it would be denied now. */
export function deniedMeanwhile({ incoming, awaits, id }: Leg, { refusal }: GatewayDecision): Required<Said> {
  const told =
    refusal && MAY_BE_TOLD.has(refusal.code)
      ? { code: refusal.code, message: refusal.message }
      : {
          code: RpcErrorCode.AccessRevoked,
          message: "access ended while the request waited for people, so nothing ran",
        };
  return refused(incoming.message, { ...told, data: { [awaits]: id } });
}

function refused(
  { id }: McpRequest,
  error: { readonly code: number; readonly message: string; readonly data: object },
): Required<Said> {
  return {
    code: error.code,
    message: errorResponse(id, { ...error, message: error.message.toWellFormed() }),
  };
}

function pendingInWords({ method }: McpRequest, awaits: Leg["awaits"], { id, state, said }: Awaited): string {
  const what = awaits === "approval" ? `Approval ${id}` : `Access request ${id}`;
  const how = state === "open" ? "is pending" : "is given, but the call could not be sent yet";
  const again =
    method === "tools/call"
      ? "call the same tool again with identical arguments"
      : "send the same request again";
  return `${what} ${how}; nothing has run. To go on, ${again} within 60 seconds. ${said}`.toWellFormed();
}

function aboutAwaited({ id, url, state, expiresAt }: Awaited) {
  const told: ApprovalState = state === "open" ? "pending" : "approved";
  return { id, url, state: told, expiresAt: expiresAt.toISOString() };
}

function metaOf(awaits: Leg["awaits"]): string {
  return awaits === "approval" ? APPROVAL_META : ACCESS_META;
}
