import {
  type Era,
  inputRequestsOf,
  jsonView,
  MalformedMessageError,
  type McpNotification,
  type McpResponse,
} from "@drawbridge/mcp";

/** Methods of what a target wants of the client; "unreadable" when that cannot be told, so that nobody may decide it. */
export type Wanted = readonly string[] | "unreadable";

/** What the target wants before it goes on with a request (2026-07-28, `input_required`). */
export function wantedByResult(response: McpResponse, era: Era): Wanted {
  if (era === "legacy" || response.isError) return [];
  try {
    return (inputRequestsOf(response) ?? []).map(({ method }) => method);
  } catch (error) {
    if (error instanceof MalformedMessageError) return "unreadable";
    throw error;
  }
}

/** What a task wants, as `notifications/tasks` tells it (tasks extension of 2026-07-28): the same as tasks/get would. */
export function wantedByTask({ method, bytes, ranges }: McpNotification): Wanted {
  if (method !== "notifications/tasks" || !ranges.params) return [];
  const [start, end] = ranges.params;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8", start, end);
  const params = Object.entries(jsonView(text) as Record<string, unknown>);
  const found = params.filter(([key]) => key.toLowerCase() === "inputrequests");
  const [key, requests] = found[0] ?? [];
  if (key === undefined) return [];
  if (found.length > 1 || key !== "inputRequests" || !isObject(requests)) return "unreadable";
  const methods = Object.values(requests).map((request) =>
    isObject(request) ? request["method"] : undefined,
  );
  return methods.every((wanted) => typeof wanted === "string") ? methods : "unreadable";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
