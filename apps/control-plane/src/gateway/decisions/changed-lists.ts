import { jsonView, type McpResponse } from "@drawbridge/mcp";
import { type Context, couldBeAllowed, policiesFor } from "@drawbridge/policy";
import type { LiveSnapshot } from "./live-state.js";
import { operationNamed } from "./operation-of.js";

/** What a client is told of lists, with the notification that tells it. */
export const LIST_CHANGES = {
  tools: "notifications/tools/list_changed",
  prompts: "notifications/prompts/list_changed",
  resources: "notifications/resources/list_changed",
} as const;
export type ChangingList = keyof typeof LIST_CHANGES;
export const CHANGING_LISTS = Object.keys(LIST_CHANGES) as readonly ChangingList[];

/** The lists of which the answer to initialize says that the target tells when they change. */
export function listsAnnouncedBy({ bytes, ranges }: McpResponse): ReadonlySet<ChangingList> {
  if (!ranges.result) return new Set();
  const [start, end] = ranges.result;
  const result = jsonView(Buffer.from(bytes).toString("utf8", start, end));
  const capabilities = memberOf(result, "capabilities");
  return new Set(
    CHANGING_LISTS.filter((list) => memberOf(memberOf(capabilities, list), "listChanged") === true),
  );
}

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}

/** A change of what decisions are made from. */
export interface LiveChange {
  /** Undefined when that is not known any more. */
  readonly before: LiveSnapshot | undefined;
  readonly live: LiveSnapshot;
}

/**
 * The lists of a target that may look otherwise to somebody than before: all of them when other policies, or other
 * versions, speak of both; the tools also when one that is pinned has come or gone. Rather one too many.
 */
export function changedLists(
  targetName: string,
  context: Context,
  { before, live }: LiveChange,
): readonly ChangingList[] {
  if (!before || policiesOf(before, targetName, context) !== policiesOf(live, targetName, context))
    return CHANGING_LISTS;
  const names = pinnedNames(before, targetName);
  const wereVisible = visibleOf(names, before, targetName, context);
  const areVisible = visibleOf(names, live, targetName, context);
  return wereVisible === areVisible ? [] : ["tools"];
}

function policiesOf({ policies, targets }: LiveSnapshot, targetName: string, context: Context): string {
  const target = targets.get(targetName);
  return target ? policiesFor(policies, target, context).join("\n") : "";
}

/** One that was never shown before is no change of what was seen: the target itself tells of it. */
function pinnedNames({ targets, pins }: LiveSnapshot, targetName: string): readonly string[] {
  return [...(pins.get(targets.get(targetName)?.id ?? "")?.keys() ?? [])];
}

function visibleOf(
  names: readonly string[],
  { policies, targets, pins }: LiveSnapshot,
  targetName: string,
  context: Context,
): string {
  const target = targets.get(targetName);
  if (!target) return "";
  const visible = names.filter((name) => {
    const pin = pins.get(target.id)?.get(name);
    if (pin?.state !== "accepted") return false;
    const operation = { ...operationNamed(target, "tools/call", name), tool: pin.definition };
    return couldBeAllowed(policies, operation, context);
  });
  return JSON.stringify(visible);
}
