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
import { isToolLocked } from "./locked.js";
import { shownAsAccepted } from "./pinned-tools.js";

const CACHED_MS = 60_000;
const CACHEABLE = new Set(["server/discover", "resources/read"]);

/** For what is read from a recording: there the tasks of others, and tools that nobody accepted, are left out already. */
export const AS_RECORDED = "as recorded";

/** What is known of what the target has just listed. */
export interface Listed {
  /** Of tasks: the caller's. */
  readonly ownTasks: ReadonlySet<string> | undefined;
  /** Of tools: the digests of those that the target has shown. */
  readonly toolDigests: ReadonlyMap<string, Uint8Array>;
}

/**
 * Lists hold only what could be called, of tasks the caller's, of tools those that were accepted; what may be cached may
 * be so for a moment and for nobody else. Undefined when a list is none, and so cannot be filtered.
 */
export function visiblePart(
  response: McpResponse,
  question: Question,
  live: LiveSnapshot,
  listed: Listed | typeof AS_RECORDED,
): Uint8Array | undefined {
  if (response.isError) return response.bytes;
  const { method } = question.message;
  const governance = METHODS.get(method)?.governance;
  const unshared = question.era === "modern" ? onlyForItsReader(response, method) : response;
  try {
    if (governance?.as === "list")
      return filterListResult(
        unshared,
        governance.list,
        governance.list === "tools"
          ? toolFilter(unshared, question, live, listed)
          : nameFilter(governance, question, live),
      );
    if (method !== "tasks/list") return unshared.bytes;
    return filterListResult(
      unshared,
      "tasks",
      (id) => listed === AS_RECORDED || listed.ownTasks?.has(id) === true,
    );
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

function toolFilter(
  list: McpResponse,
  { context, target: { name: targetName } }: Question,
  live: LiveSnapshot,
  listed: Listed | typeof AS_RECORDED,
): (name: string) => boolean {
  const { policies, targets, pins } = live;
  const target = targets.get(targetName);
  if (!target) return () => false;
  const pinned = pins.get(target.id);
  const isAccepted = shownAsAccepted(list, pinned, listed === AS_RECORDED ? undefined : listed.toolDigests);
  return (name) => {
    if (!isAccepted(name) || isToolLocked(live, targetName, name)) return false;
    const operation = { target, method: "tools/call", name, tool: pinned?.get(name)?.definition };
    return couldBeAllowed(policies, operation, context);
  };
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
