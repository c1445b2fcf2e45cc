import { METHODS } from "@drawbridge/mcp";
import { GOVERNED_METHODS, isVendorMethod } from "@drawbridge/policy";
import { expect, test } from "vitest";

test("a rule can speak of exactly the protocol's methods that the gateway asks the policy about", () => {
  const asked = [...METHODS].filter(
    ([, { governance }]) => governance.as === "operation" || governance.as === "serverRequest",
  );
  expect(Object.keys(GOVERNED_METHODS).toSorted()).toEqual(asked.map(([method]) => method).toSorted());
});

test("no method of the protocol passes for a server's own, whatever its case", () => {
  for (const method of METHODS.keys()) {
    expect([method, isVendorMethod(method)]).toEqual([method, false]);
    expect([method, isVendorMethod(method.toUpperCase())]).toEqual([method, false]);
  }
});
