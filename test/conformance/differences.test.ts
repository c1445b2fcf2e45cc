import { expect, test } from "vitest";
import { findDifferences, sortOut } from "./differences.js";
import type { Check } from "./suite.js";

const check = (id: string, status: string, message?: string): Check => ({
  scenario: "tools-list",
  id,
  status,
  message,
});

test("results in another order are the same results", () => {
  const direct = [check("a", "SUCCESS"), check("a", "INFO"), check("b", "FAILURE")];
  const through = [check("b", "FAILURE"), check("a", "INFO"), check("a", "SUCCESS")];
  expect(findDifferences(direct, through)).toEqual([]);
});

test("another result is a difference, with what the suite says of it", () => {
  const [difference] = findDifferences([check("a", "SUCCESS")], [check("a", "FAILURE", "no tools")]);
  expect(difference).toEqual({
    scenario: "tools-list",
    check: "a",
    direct: ["SUCCESS"],
    through: ["FAILURE"],
    messages: ["no tools"],
  });
});

test("a check that was made on one way only, or not as often, is a difference", () => {
  const direct = [check("a", "INFO"), check("a", "INFO"), check("b", "SUCCESS")];
  const through = [check("a", "INFO"), check("c", "SUCCESS")];
  expect(findDifferences(direct, through).map((difference) => difference.check)).toEqual(["a", "b", "c"]);
});

test("takes out what is allowed in that very place, and nothing else", () => {
  const all = findDifferences([check("a", "SUCCESS")], [check("a", "FAILURE")]);
  const entry = { side: "stdio", revision: "2025-11-25", scenario: "tools-list", check: "a" } as const;
  const allowList = [{ ...entry, reason: "a server of stdio cannot know" }];
  expect(sortOut(all, { side: "stdio", revision: "2025-11-25" }, allowList)).toEqual({
    differences: [],
    allowed: allowList,
  });
  expect(sortOut(all, { side: "http", revision: "2025-11-25" }, allowList).differences).toEqual(all);
  expect(sortOut(all, { side: "stdio", revision: "2026-07-28" }, allowList).differences).toEqual(all);
});
