import {
  type Caching,
  filterListResult,
  isPlainUri,
  isRestricted,
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

/** For what is read from a recording: there the tasks of others are left out already. */
export const AS_RECORDED = "as recorded";

/**
 * Lists hold only what could be called, and of tasks those in `ownTasks`; what may be cached may be so for a moment and
 * for nobody else. Undefined when a list is none, and so cannot be filtered.
 */
export function visiblePart(
  response: McpResponse,
  question: Question,
  live: LiveSnapshot,
  ownTasks: ReadonlySet<string> | typeof AS_RECORDED = new Set(),
): Uint8Array | undefined {
  if (response.isError) return response.bytes;
  const { method } = question.message;
  const governance = METHODS.get(method)?.governance;
  const unshared = question.era === "modern" ? onlyForItsReader(response, method) : response;
  try {
    if (governance?.as === "list")
      return filterListResult(unshared, governance.list, nameFilter(governance, question, live));
    if (method !== "tasks/list") return unshared.bytes;
    return filterListResult(unshared, "tasks", (id) => ownTasks === AS_RECORDED || ownTasks.has(id));
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

/** Whether a result of 2026-07-28 may be given out as it is, as far as caching goes. */
export function isOnlyForItsReader(caching: Caching | undefined, { era, message }: Question): boolean {
  return era !== "modern" || !caching || !isCacheable(message.method) || isRestricted(caching, CACHED_MS);
}

function isCacheable(method: string): boolean {
  return METHODS.get(method)?.governance.as === "list" || CACHEABLE.has(method);
}

/** The same, but for what it says of caching. */
function onlyForItsReader(response: McpResponse, method: string): McpResponse {
  if (!isCacheable(method)) return response;
  const bytes = restrictCaching(response, CACHED_MS);
  return bytes === response.bytes ? response : (parseMessage(bytes) as McpResponse);
}
