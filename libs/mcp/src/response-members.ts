import { MalformedMessageError } from "./malformed-message-error.js";
import type { McpResponse } from "./message.js";
import { ObjectMembers } from "./object-members.js";

/** The code of an error response; undefined for a result, and for an error without a usable code. */
export function errorCodeOf(response: McpResponse): number | undefined {
  const code = ObjectMembers.of(response, response.ranges.error)?.text("code");
  if (code === undefined || !/^-?[0-9]{1,15}$/.test(code)) return undefined;
  return Number(code);
}

/** One thing that the target wants of the client before it goes on (2026-07-28, `input_required`). */
export interface InputRequest {
  readonly key: string;
  readonly method: string;
}

/**
 * What the target asks the client for in this result, in order; undefined when it asks for nothing.
 * Throws MalformedMessageError when that cannot be told for sure.
 */
export function inputRequestsOf(response: McpResponse): readonly InputRequest[] | undefined {
  const result = ObjectMembers.of(response, response.ranges.result);
  // Almost that name is refused with the whole message.
  if (result?.range("inputRequests") === undefined) return undefined;
  const requests = result.object("inputRequests");
  if (requests === undefined) throw unreadable("inputRequests is not an object");
  return [...requests.keys].map((key) => ({ key, method: methodOf(requests.object(key)) }));
}

function methodOf(request: ObjectMembers | undefined): string {
  if (request?.hasVariantOf("method") === true) {
    throw new MalformedMessageError("case_variant_key", "method in the wrong case: use the exact name");
  }
  const method = request?.string("method");
  if (method === undefined) throw unreadable("an entry of inputRequests has no method");
  return method;
}

function unreadable(problem: string): MalformedMessageError {
  return new MalformedMessageError(
    "invalid_input_requests",
    `${problem}: send an object of requests by name`,
  );
}

/**
 * The id of the task that the target made instead of answering: 2025-11-25 `result.task.taskId`, 2026-07-28
 * `result.taskId` with `resultType` task. Undefined when it made none.
 */
export function taskIdOf(response: McpResponse): string | undefined {
  const result = ObjectMembers.of(response, response.ranges.result);
  const inTask = result?.object("task")?.string("taskId");
  if (inTask !== undefined) return inTask;
  return result?.string("resultType") === "task" ? result.string("taskId") : undefined;
}
