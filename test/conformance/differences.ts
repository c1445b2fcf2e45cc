import type { Revision, Transport } from "./revisions.js";
import type { Check } from "./suite.js";

/** A check whose results are not the same on both ways. */
export interface Difference {
  readonly scenario: string;
  readonly check: string;
  /** Sorted; empty when the check was not made on this way. */
  readonly direct: readonly string[];
  readonly through: readonly string[];
  /** What the suite says about the failures among `through`. */
  readonly messages: readonly string[];
}

/** What was compared: a target over a transport, or a client. */
export interface Place {
  readonly side: Transport | "client";
  readonly revision: Revision;
}

/** One difference that is known and accepted. */
export interface AllowedDifference extends Place {
  readonly scenario: string;
  readonly check: string;
  readonly reason: string;
}

/**
 * Compares by scenario and id of the check. A check may be made several times, in an order that does not matter, so
 * its results are compared as a sorted list.
 */
export function findDifferences(direct: readonly Check[], through: readonly Check[]): Difference[] {
  const [left, right] = [byKey(direct), byKey(through)];
  const keys = [...new Set([...left.keys(), ...right.keys()])].toSorted();
  return keys.flatMap((key) => {
    const [ours, theirs] = [left.get(key) ?? [], right.get(key) ?? []];
    const [expected, actual] = [statuses(ours), statuses(theirs)];
    if (expected.join() === actual.join()) return [];
    const [scenario = "", check = ""] = key.split(" ");
    const messages = theirs.flatMap(({ message }) => message ?? []);
    return [{ scenario, check, direct: expected, through: actual, messages }];
  });
}

/** Takes those out of `all` that the allow-list names. */
export function sortOut(
  all: readonly Difference[],
  { side, revision }: Place,
  allowList: readonly AllowedDifference[],
): { differences: Difference[]; allowed: AllowedDifference[] } {
  const allowedAs = ({ scenario, check }: Difference) =>
    allowList.find(
      (entry) =>
        entry.side === side &&
        entry.revision === revision &&
        entry.scenario === scenario &&
        entry.check === check,
    );
  return {
    differences: all.filter((difference) => allowedAs(difference) === undefined),
    allowed: all.flatMap((difference) => allowedAs(difference) ?? []),
  };
}

/** How many different checks there were. */
export function countKeys(checks: readonly Check[]): number {
  return byKey(checks).size;
}

function byKey(checks: readonly Check[]): Map<string, Check[]> {
  return Map.groupBy(checks, ({ scenario, id }) => `${scenario} ${id}`);
}

function statuses(checks: readonly Check[]): string[] {
  return checks.map(({ status }) => status).toSorted();
}
