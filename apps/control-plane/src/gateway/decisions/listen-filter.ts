import { CHANGING_LISTS, type ChangingList } from "./changed-lists.js";
import { jsonView, type McpNotification, type McpRequest } from "@drawbridge/mcp";

export type FilterMember = "resourceSubscriptions" | "taskIds";

/**
 * What subscriptions/listen wants to hear of (`params.notifications`): URIs or task ids, empty where it names none.
 * Undefined when it cannot be read, so that nobody can say whether it may be heard.
 */
export function listenFilter(
  { bytes, ranges }: McpRequest | McpNotification,
  member: FilterMember,
): readonly string[] | undefined {
  if (!ranges.params) return [];
  const [start, end] = ranges.params;
  const params = jsonView(
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8", start, end),
  );
  const list = memberOf(memberOf(params, "notifications"), member);
  if (list === undefined || list === null) return [];
  return Array.isArray(list) && list.every((item) => typeof item === "string") ? list : undefined;
}

/** The lists of which subscriptions/listen wants to hear when they change. */
export function listsListenedTo({ bytes, ranges }: McpRequest | McpNotification): readonly ChangingList[] {
  if (!ranges.params) return [];
  const [start, end] = ranges.params;
  const params = jsonView(
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8", start, end),
  );
  const filter = memberOf(params, "notifications");
  return CHANGING_LISTS.filter((list) => memberOf(filter, `${list}ListChanged`) === true);
}

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}
