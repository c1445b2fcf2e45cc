import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { type Approver, mayReview, missingReviewers, type Reviewers, reviewInWords } from "./review.js";

const people = (...groups: string[][]): Approver[] => groups.map((each) => ({ groups: each }));

describe("who must approve besides", () => {
  const from = [
    { group: "dba", count: 2 },
    { group: "leads", count: 1 },
  ];

  test.each<{ what: string; approvers: Approver[]; missing: Reviewers[] }>([
    { what: "nobody yet", approvers: [], missing: from },
    {
      what: "somebody of another group",
      approvers: people(["sales"], []),
      missing: from,
    },
    {
      what: "one person of both groups, who counts once",
      approvers: people(["dba", "leads"]),
      missing: [
        { group: "dba", count: 1 },
        { group: "leads", count: 1 },
      ],
    },
    {
      what: "two of both groups",
      approvers: people(["dba", "leads"], ["leads", "dba"]),
      missing: [{ group: "leads", count: 1 }],
    },
    {
      what: "enough, the one of one group last",
      approvers: people(["dba", "leads"], ["dba", "leads"], ["dba"]),
      missing: [],
    },
    {
      what: "more than enough of one group",
      approvers: people(["dba"], ["dba"], ["dba"], ["dba"]),
      missing: [{ group: "leads", count: 1 }],
    },
    {
      what: "a person who is twice in a group",
      approvers: people(["dba", "dba"]),
      missing: [
        { group: "dba", count: 1 },
        { group: "leads", count: 1 },
      ],
    },
  ])("with $what", ({ approvers, missing }) => {
    expect(missingReviewers(from, approvers)).toEqual(missing);
  });
});

describe("for all reviews and approvers", () => {
  const GROUPS = ["a", "b", "c", "d"];
  const from = fc.uniqueArray(
    fc.record({ group: fc.constantFrom(...GROUPS), count: fc.integer({ min: 1, max: 3 }) }),
    { minLength: 1, maxLength: 3, selector: ({ group }) => group },
  );
  const approvers = fc.array(fc.record({ groups: fc.subarray([...GROUPS, "other"]) }), { maxLength: 6 });
  const placesOf = (reviewers: readonly Reviewers[]) =>
    reviewers.flatMap(({ group, count }) => Array.from({ length: count }, () => group));

  /** The most places that can be taken, each by another person: every person tries every place, or takes none. */
  function mostTaken(places: readonly string[], [first, ...others]: readonly Approver[]): number {
    if (!first) return 0;
    let most = mostTaken(places, others);
    for (const group of new Set(first.groups)) {
      const at = places.indexOf(group);
      if (at !== -1) most = Math.max(most, 1 + mostTaken(places.toSpliced(at, 1), others));
    }
    return most;
  }

  test("as many places are taken as can be, and nobody takes two", () => {
    let open = 0;
    fc.assert(
      fc.property(from, approvers, (asked, given) => {
        const missing = placesOf(missingReviewers(asked, given));
        const places = placesOf(asked);
        expect(places.length - missing.length).toBe(mostTaken(places, given));
        expect(places.length - missing.length).toBeLessThanOrEqual(given.length);
        open += missing.length === 0 ? 0 : 1;
      }),
      { numRuns: 1_000 },
    );
    expect(open).toBeGreaterThan(100);
    expect(open).toBeLessThan(1_000);
  });

  test("what is missing is part of what was asked, and with just these nothing is", () => {
    fc.assert(
      fc.property(from, approvers, (asked, given) => {
        const missing = missingReviewers(asked, given);
        for (const { group, count } of missing) {
          expect(count).toBeGreaterThan(0);
          expect(count).toBeLessThanOrEqual(asked.find((each) => each.group === group)?.count ?? 0);
        }
        const rest = placesOf(missing).map((group) => ({ groups: [group] }));
        expect(missingReviewers(asked, [...given, ...rest])).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  test("neither the order of people nor that of their groups makes a difference to how many are missing", () => {
    fc.assert(
      fc.property(from, approvers, (asked, given) => {
        const other = [...given].reverse().map(({ groups }) => ({ groups: [...groups].reverse() }));
        expect(placesOf(missingReviewers(asked, other)).length).toBe(
          placesOf(missingReviewers(asked, given)).length,
        );
      }),
      { numRuns: 500 },
    );
  });

  test("one more approver never makes more missing", () => {
    fc.assert(
      fc.property(from, approvers, fc.subarray(GROUPS), (asked, given, groups) => {
        const [before, after] = [given, [...given, { groups }]].map(
          (each) => placesOf(missingReviewers(asked, each)).length,
        );
        expect((before ?? 0) - (after ?? 0)).toBeGreaterThanOrEqual(0);
        expect((before ?? 0) - (after ?? 0)).toBeLessThanOrEqual(1);
      }),
      { numRuns: 500 },
    );
  });

  test("whoever is of no group that is asked changes nothing, and may not review", () => {
    fc.assert(
      fc.property(from, approvers, (asked, given) => {
        const counting = given.filter(({ groups }) => mayReview(asked, groups));
        expect(missingReviewers(asked, counting)).toEqual(missingReviewers(asked, given));
      }),
      { numRuns: 200 },
    );
  });
});

test("twenty places and hundreds of approvers are counted at once", () => {
  const from = Array.from({ length: 4 }, (_, n) => ({ group: `g${n}`, count: 5 }));
  const given = Array.from({ length: 500 }, (_, n) => ({ groups: n < 495 ? ["g0", "g1", "g2"] : ["g3"] }));
  const before = process.threadCpuUsage();
  expect(missingReviewers(from, given)).toEqual([]);
  const { user, system } = process.threadCpuUsage(before);
  expect((user + system) / 1_000).toBeLessThan(200);
});

test("a review reads as people say it", () => {
  const from = [
    { group: "dba", count: 2 },
    { group: "leads", count: 1 },
  ];
  expect(reviewInWords({ from, expiresIn: "15m" })).toBe("2 of dba and 1 of leads within 15m, then denied");
  const onExpiry = { escalateTo: { group: "cto", count: 1 } };
  expect(reviewInWords({ from, expiresIn: "15m", onExpiry })).toContain("then asks 1 of cto");
});
