import { describe, expect, test } from "vitest";
import { GOVERNED_METHODS, isVendorMethod, nameListOf } from "./methods.js";

describe("isVendorMethod", () => {
  test.each([
    "acme/reindex",
    "acme.reindex",
    "$/cancelRequest",
    "_internal",
    "reload",
    "a/b/c/d",
    "notifications/acme/done",
    "notifications/acme",
    "toolsets/list",
    `a${"b".repeat(127)}`,
  ])("takes %s", (method) => {
    expect(isVendorMethod(method)).toBe(true);
  });

  test.each([
    "",
    "/",
    "acme/",
    "/acme",
    "acme//reindex",
    "1acme",
    "acme reindex",
    "acme\n",
    "acmé/x",
    "acme/*",
    "__proto__\0",
    "tools/cal",
    "Tools/Call",
    "TOOLS",
    "server/anything",
    "ping",
    "PING/x",
    "notifications",
    "notifications/",
    "notifications/cancelled",
    "Notifications/Tools/list_changed",
    `a${"b".repeat(128)}`,
  ])("refuses %j", (method) => {
    expect(isVendorMethod(method)).toBe(false);
  });

  test("refuses what takes an expression long to refuse, quickly", () => {
    const started = performance.now();
    expect(isVendorMethod(`${"a/".repeat(5_000_000)}!`)).toBe(false);
    expect(performance.now() - started).toBeLessThan(1000);
  });
});

test("a method of a server's own has no names, whatever every object has by that name", () => {
  expect(nameListOf("acme/reindex")).toBe("none");
  expect(nameListOf("constructor")).toBe("none");
  expect(nameListOf("tools/call")).toBe("tools");
  for (const method of Object.keys(GOVERNED_METHODS)) expect(isVendorMethod(method)).toBe(false);
});
