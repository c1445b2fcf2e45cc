import { NameIndex } from "./name-index.js";
import type { Context, Grant, Operation } from "./operation.js";

const NONE: ReadonlyMap<string, Grant> = new Map();

/** By policy, the grant that opens its rules for this operation. */
export function grantsInForce(
  operation: Pick<Operation, "method" | "name">,
  context: Context,
): ReadonlyMap<string, Grant> {
  const { grants } = context;
  if (!grants || grants.length === 0) return NONE;
  const at = momentOf(context);
  const opening = new Map<string, Grant>();
  for (const grant of grants) {
    if (!isInForce(grant, at) || !covers(grant, operation)) continue;
    const known = opening.get(grant.policy);
    if (!known || goesBefore(grant, known)) opening.set(grant.policy, grant);
  }
  return opening;
}

/** Whether there is a grant of the policy, if only for some tools. */
export function hasGrantInForce(policy: string, context: Context): boolean {
  const at = momentOf(context);
  return (context.grants ?? []).some((grant) => grant.policy === policy && isInForce(grant, at));
}

function momentOf({ grantsAt, now }: Context): number {
  return (grantsAt ?? now ?? new Date()).getTime();
}

/** Of a time that is none, nothing is. */
function isInForce({ startsAt, endsAt }: Grant, at: number): boolean {
  return startsAt.getTime() <= at && at < endsAt.getTime();
}

function covers({ tools }: Grant, { method, name }: Pick<Operation, "method" | "name">): boolean {
  if (!tools) return true;
  if (method !== "tools/call" || name === undefined) return false;
  let isCovered = false;
  indexOf(tools).forEachMatch(name, () => {
    isCovered = true;
  });
  return isCovered;
}

/** A grant stays the same for hours, and its holder calls all the time. */
const indexes = new WeakMap<readonly string[], NameIndex<true>>();

function indexOf(tools: readonly string[]): NameIndex<true> {
  const known = indexes.get(tools);
  if (known) return known;
  const index = new NameIndex<true>();
  for (const glob of tools) index.add(glob, true);
  indexes.set(tools, index);
  return index;
}

/** Of several the ordinary one, of those the one that ends last: always the same one is named. */
function goesBefore(grant: Grant, other: Grant): boolean {
  if (grant.breakGlass !== other.breakGlass) return other.breakGlass;
  const longer = grant.endsAt.getTime() - other.endsAt.getTime();
  return longer > 0 || (longer === 0 && grant.id < other.id);
}
