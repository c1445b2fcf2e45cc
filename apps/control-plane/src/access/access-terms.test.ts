import { expect, test } from "vitest";
import type { JitAccess } from "@drawbridge/policy";
import { escalated, LONGEST_ACCESS_MS, longestMs, termsOf } from "./access-terms.js";

const jit: JitAccess = {
  mode: "jit",
  activation: "approval",
  maxDuration: "4h",
  breakGlass: { responders: { groups: ["on-call"] }, maxDuration: "1h" },
  review: {
    from: [
      { group: "dba", count: 2 },
      { group: "leads", count: 1 },
    ],
    expiresIn: "15m",
    onExpiry: { escalateTo: { group: "managers", count: 1 } },
  },
};

test("access lasts 90 days at most, whatever a policy says", () => {
  const terms = termsOf({ ...jit, maxDuration: "999999d" });
  expect(longestMs(terms, "access")).toBe(LONGEST_ACCESS_MS);
  expect(longestMs(terms, "extension")).toBe(LONGEST_ACCESS_MS);
});

test("an emergency has a maximum of its own", () => {
  expect(longestMs(termsOf(jit), "break_glass")).toBe(3_600_000);
  expect(longestMs(termsOf(jit), "access")).toBe(4 * 3_600_000);
});

test("when others are asked, those who were asked first still see it", () => {
  expect(termsOf(jit).groups).toEqual(["dba", "leads"]);
  expect(escalated(termsOf(jit))).toMatchObject({
    from: [{ group: "managers", count: 1 }],
    groups: ["dba", "leads", "managers"],
  });
});

test.each([{ ...jit.review, onExpiry: "deny" as const }, { ...jit.review, onExpiry: undefined }, undefined])(
  "nobody else is asked unless the policy names them",
  (review) => {
    expect(escalated(termsOf({ ...jit, review: review as JitAccess["review"] }))).toBeUndefined();
  },
);
