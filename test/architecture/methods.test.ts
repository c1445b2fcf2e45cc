import { METHODS } from "@drawbridge/mcp";
import { GOVERNED_METHODS } from "@drawbridge/policy";
import { expect, test } from "vitest";

test("a rule can speak of exactly the methods that the gateway asks the policy about", () => {
  const asked = [...METHODS].filter(
    ([, { governance }]) => governance.as === "operation" || governance.as === "serverRequest",
  );
  expect(Object.keys(GOVERNED_METHODS).toSorted()).toEqual(asked.map(([method]) => method).toSorted());
});
