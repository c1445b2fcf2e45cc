import { jsonView, type McpNotification } from "@drawbridge/mcp";

/**
 * The methods of what a task wants of the client, as `notifications/tasks` tells it (2026-07-28, tasks extension: the
 * same as tasks/get would). "unreadable" when that cannot be told.
 */
export function wantedByTask({ method, bytes, ranges }: McpNotification): readonly string[] | "unreadable" {
  if (method !== "notifications/tasks" || !ranges.params) return [];
  const [start, end] = ranges.params;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8", start, end);
  const params = Object.entries(jsonView(text) as Record<string, unknown>);
  const found = params.filter(([key]) => key.toLowerCase() === "inputrequests");
  if (found.length === 0) return [];
  const [key, requests] = found[0] ?? [];
  if (found.length > 1 || key !== "inputRequests" || !isObject(requests)) return "unreadable";
  const methods = Object.values(requests).map((request) =>
    isObject(request) ? request["method"] : undefined,
  );
  return methods.every((wanted) => typeof wanted === "string") ? methods : "unreadable";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
