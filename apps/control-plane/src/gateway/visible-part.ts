import {
  filterListResult,
  isPlainUri,
  type McpResponse,
  METHODS,
  NotAListResultError,
  parseMessage,
  restrictCaching,
} from "@drawbridge/mcp";
import { couldBeAllowed } from "@drawbridge/policy";
import type { Question } from "./decide.js";
import type { LiveSnapshot } from "./live-state.js";

const CACHED_MS = 60_000;
const CACHEABLE = new Set(["server/discover", "resources/read"]);

/**
 * Lists hold only what could be called, and of tasks those in `ownTasks`; what may be cached may be so for a moment and
 * for nobody else. Undefined when a list is none, and so cannot be filtered.
 */
export function visiblePart(
  response: McpResponse,
  question: Question,
  live: LiveSnapshot,
  ownTasks: ReadonlySet<string> = new Set(),
): Uint8Array | undefined {
  if (response.isError) return response.bytes;
  const { message, era } = question;
  const governance = METHODS.get(message.method)?.governance;
  const isList = governance?.as === "list" || message.method === "tasks/list";
  if (!isList) return era === "modern" && CACHEABLE.has(message.method) ? uncached(response) : response.bytes;
  const list = era === "modern" ? reread(response, uncached(response)) : response;
  try {
    if (governance?.as !== "list") return filterListResult(list, "tasks", (taskId) => ownTasks.has(taskId));
    return filterListResult(list, governance.list, nameFilter(governance, question, live));
  } catch (error) {
    if (error instanceof NotAListResultError) return undefined;
    throw error;
  }
}

function nameFilter(
  { list, call }: { readonly list: string; readonly call: string },
  { context, target: { name: targetName } }: Question,
  { policies, targets }: LiveSnapshot,
): (name: string) => boolean {
  const target = targets.get(targetName);
  return (name) =>
    target !== undefined &&
    (list !== "resources" || isPlainUri(name)) &&
    couldBeAllowed(policies, { target, method: call, name }, context);
}

function uncached(response: McpResponse): Uint8Array {
  return restrictCaching(response, CACHED_MS);
}

function reread(response: McpResponse, bytes: Uint8Array): McpResponse {
  return bytes === response.bytes ? response : (parseMessage(bytes) as McpResponse);
}
