import { type JsonRpcId, replaceRanges, resultResponse } from "@drawbridge/mcp";
import type { HeldApproval } from "../../approvals/index.js";
import { APPROVAL_META } from "./edited-results.js";

/** What clients are told to leave between two polls. */
export const POLL_INTERVAL_MS = 5_000;
// How long after its expiry an approval may be asked about: a call that was approved at the last moment may run for a while.
const KEPT_MS = 3_600_000;

/** How a task stands (tasks extension of 2026-07-28). What is JSON text is put in as it is. */
export type TaskState =
  | { readonly status: "working" | "cancelled" }
  | { readonly status: "completed"; readonly result: string }
  | { readonly status: "failed"; readonly error: string };

/** What is told of one task at one moment. */
export interface ToldTask {
  readonly taskId: string;
  readonly approval: HeldApproval;
  readonly statusMessage: string;
  readonly updatedAt: Date;
}

/** CreateTaskResult. */
export function taskCreated(id: JsonRpcId, task: ToldTask): Uint8Array {
  return resultResponse(id, { resultType: "task", ...membersOf(task, "working"), _meta: metaOf(task) });
}

/** The result of tasks/get. */
export function taskTold(id: JsonRpcId, task: ToldTask, state: TaskState): Uint8Array {
  const members = { resultType: "complete", ...membersOf(task, state.status), _meta: metaOf(task) };
  const bytes = resultResponse(id, members);
  if (state.status === "completed") return withMember(bytes, `"result":${state.result}`);
  return state.status === "failed" ? withMember(bytes, `"error":${state.error}`) : bytes;
}

/** The result of tasks/cancel: that it was heard. */
export function acknowledged(id: JsonRpcId): Uint8Array {
  return resultResponse(id, { resultType: "complete" });
}

/** JSON of the result of a tool that failed, in words that a model understands. */
export function failedResult(text: string, { id, state }: HeldApproval): string {
  return JSON.stringify({
    resultType: "complete",
    content: [{ type: "text", text: text.toWellFormed() }],
    isError: true,
    _meta: { [APPROVAL_META]: { id, state } },
  });
}

function membersOf({ taskId, approval, statusMessage, updatedAt }: ToldTask, status: TaskState["status"]) {
  const { createdAt, expiresAt } = approval;
  return {
    taskId,
    status,
    statusMessage: statusMessage.toWellFormed(),
    createdAt: createdAt.toISOString(),
    lastUpdatedAt: updatedAt.toISOString(),
    ttlMs: Math.max(0, expiresAt.getTime() - createdAt.getTime()) + KEPT_MS,
    pollIntervalMs: POLL_INTERVAL_MS,
  };
}

function metaOf({ approval: { id, state, url, expiresAt } }: ToldTask): object {
  return { [APPROVAL_META]: { id, state, url, expiresAt: expiresAt.toISOString() } };
}

/** Adds to the result of a response that ends with it. */
function withMember(bytes: Uint8Array, member: string): Uint8Array {
  const at = bytes.length - "}}".length;
  return replaceRanges(bytes, [{ range: [at, at], text: `,${member}` }]);
}
