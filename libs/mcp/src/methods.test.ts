import {
  ClientNotificationSchema,
  ClientRequestSchema,
  ServerNotificationSchema,
  ServerRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { describe, expect, test } from "vitest";
import { METHODS, type MethodRule } from "./methods.js";

interface MethodSchema {
  readonly shape: { readonly method: { readonly value: string } };
}

const methodsOf = (schema: { readonly options: readonly MethodSchema[] }): string[] =>
  schema.options.map(({ shape }) => shape.method.value).sort();

function listed(kind: MethodRule["kind"], direction: MethodRule["direction"]): string[] {
  return [...METHODS]
    .filter(([, rule]) => rule.era !== "modern" && rule.kind === kind)
    .filter(([, rule]) => rule.direction === direction || rule.direction === "both")
    .map(([method]) => method)
    .sort();
}

describe("METHODS", () => {
  test("has exactly the methods of 2025-11-25, in their directions", () => {
    expect(listed("request", "clientToServer")).toEqual(methodsOf(ClientRequestSchema));
    expect(listed("notification", "clientToServer")).toEqual(methodsOf(ClientNotificationSchema));
    expect(listed("request", "serverToClient")).toEqual(methodsOf(ServerRequestSchema));
    expect(listed("notification", "serverToClient")).toEqual(methodsOf(ServerNotificationSchema));
  });

  test("knows nothing by the name of what every object has", () => {
    for (const method of ["constructor", "__proto__", "toString", "", "tools/Call", "no/such"]) {
      expect(METHODS.get(method)).toBeUndefined();
    }
  });

  test("lists are governed by operations that exist", () => {
    const calls = [...METHODS.values()].flatMap(({ governance }) =>
      governance.as === "list" ? [governance.call] : [],
    );
    expect(calls).toEqual(["tools/call", "prompts/get", "resources/read", "resources/read"]);
    for (const call of calls) expect(METHODS.get(call)?.governance.as).toBe("operation");
  });

  test("what a target asks the client is left to the policy, and only that", () => {
    const asked = [...METHODS].filter(([, { governance }]) => governance.as === "serverRequest");
    expect(asked.map(([method]) => method)).toEqual([
      "sampling/createMessage",
      "elicitation/create",
      "roots/list",
    ]);
  });

  test("of the session are the notifications that are about no request under way", () => {
    const ofTheSession = [...METHODS].filter(([, { channel }]) => channel === "session");
    expect(ofTheSession.map(([method]) => method)).toEqual([
      "notifications/tools/list_changed",
      "notifications/prompts/list_changed",
      "notifications/resources/updated",
      "notifications/resources/list_changed",
      "notifications/tasks/status",
      "notifications/elicitation/complete",
      "notifications/roots/list_changed",
    ]);
    for (const [, { kind }] of ofTheSession) expect(kind).toBe("notification");
  });
});
