import { jsonView, type McpResponse } from "@drawbridge/mcp";
import { type Context, couldBeAllowed, policiesFor } from "@drawbridge/policy";
import type { Pin } from "../../tools/index.js";
import type { LiveSnapshot } from "./live-state.js";
import { lockedToolsOf } from "./locked.js";
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
 * The lists of a target that may look otherwise to somebody than before: all of them when the target, or the versions of
 * policies that speak of both, are others; the tools also when one that is pinned has come or gone, or one is locked. Rather one too many.
 */
export function changedLists(
  targetName: string,
  context: Context,
  change: LiveChange,
): readonly ChangingList[] {
  const { before, live } = change;
  if (!before || surroundingsOf(before, targetName, context) !== surroundingsOf(live, targetName, context))
    return CHANGING_LISTS;
  if (lockedToolsOf(before, targetName).join("\n") !== lockedToolsOf(live, targetName).join("\n"))
    return ["tools"];
  const names = changedPins(change, targetName);
  const wereVisible = visibleOf(names, before, targetName, context);
  const areVisible = visibleOf(names, live, targetName, context);
  return wereVisible === areVisible ? [] : ["tools"];
}

function surroundingsOf({ policies, targets }: LiveSnapshot, targetName: string, context: Context): string {
  const target = targets.get(targetName);
  return target ? [target.id, target.revision, ...policiesFor(policies, target, context)].join("\n") : "";
}

/** By target; whoever is told of the same change asks for the same names. */
const changedNames = new WeakMap<LiveChange, Map<string, readonly string[]>>();

/** A change is of few tools, and is looked at for every session of their target. */
function changedPins(change: LiveChange, targetName: string): readonly string[] {
  const byTarget = changedNames.get(change) ?? new Map<string, readonly string[]>();
  changedNames.set(change, byTarget);
  const names = byTarget.get(targetName) ?? findChangedPins(change, targetName);
  byTarget.set(targetName, names);
  return names;
}

/** One that was never shown before is no change of what was seen: the target itself tells of it. */
function findChangedPins({ before, live }: LiveChange, targetName: string): readonly string[] {
  const [were, are] = [before && pinsOf(before, targetName), pinsOf(live, targetName)];
  if (!were || were === are) return [];
  return [...were].flatMap(([name, pin]) => (isSame(pin, are?.get(name)) ? [] : [name]));
}

function pinsOf({ targets, pins }: LiveSnapshot, targetName: string): ReadonlyMap<string, Pin> | undefined {
  return pins.get(targets.get(targetName)?.id ?? "");
}

function isSame(pin: Pin, other: Pin | undefined): boolean {
  if (pin.state !== other?.state) return false;
  // Nobody sees one that is not accepted.
  const [digest, otherDigest] = [pin.acceptedDigest, other.acceptedDigest];
  return pin.state !== "accepted" || (digest && otherDigest && Buffer.compare(digest, otherDigest)) === 0;
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
