import { expect, test } from "vitest";
import { limitInWords } from "./limit-in-words.js";

const rule = { policy: "p", rule: "r" };

test.each([
  [
    { per: "principal", calls: { count: 500, windowMs: 3_600_000 } },
    "500 calls in one hour, for each principal",
  ],
  [{ per: "session", calls: { count: 1, windowMs: 1_000 } }, "1 call in one second, for each session"],
  [
    { per: "target", resultBytes: { bytes: 50 * 1024 ** 2, windowMs: 86_400_000 } },
    "50 MiB of results in one day, for everybody together",
  ],
  [
    { per: "tool", resultBytes: { bytes: 1000, windowMs: 60_000 }, concurrent: 4 },
    "1000 B of results in one minute, 4 calls at the same time, for everybody together, each tool",
  ],
] as const)("%j is %s", (limit, words) => {
  expect(limitInWords({ ...rule, ...limit })).toBe(`${words} (rule "r" of policy "p")`);
});
