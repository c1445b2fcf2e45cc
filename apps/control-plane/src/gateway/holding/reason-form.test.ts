import { type McpRequest, parseMessage } from "@drawbridge/mcp";
import { describe, expect, test } from "vitest";
import { modernRequest } from "../fakes/modern-client.js";
import { canAsk, reasonIn } from "./reason-form.js";

const request = (capabilities: object, method = "tools/call") =>
  parseMessage(Buffer.from(JSON.stringify(modernRequest(1, method, {}, capabilities)))) as McpRequest;

describe("a client", () => {
  test.each<[string, object, boolean]>([
    ["that knows forms", { elicitation: { form: {} } }, true],
    ["that knows forms and links", { elicitation: { form: {}, url: {} } }, true],
    ["that says nothing of how", { elicitation: {} }, true],
    ["that knows links only", { elicitation: { url: {} } }, false],
    ["that knows of no questions", {}, false],
    ["that answers nonsense", { elicitation: 7 }, false],
  ])("%s: it can be asked for a reason: %#", (_, capabilities, expected) => {
    expect(canAsk(request(capabilities))).toBe(expected);
  });

  test("is not asked where the answer cannot be a question", () => {
    expect(canAsk(request({ elicitation: {} }, "tools/list"))).toBe(false);
  });
});

describe("the answer to the form", () => {
  const accepted = (content: unknown) => ({ reason: { action: "accept", content } }) as never;

  test("says why, and with which ticket", () => {
    expect(reasonIn(accepted({ reason: " order 4711 ", ticket: "INC-7" }))).toEqual({
      reason: "order 4711",
      ticket: "INC-7",
    });
    expect(reasonIn(accepted({ reason: "x", ticket: 7 }))).toEqual({ reason: "x", ticket: undefined });
  });

  test.each([
    undefined,
    7,
    [],
    {},
    { reason: { action: "decline" } },
    { reason: { action: "cancel", content: { reason: "x" } } },
    { reason: { action: "accept" } },
    { reason: { action: "accept", content: { reason: "  " } } },
    { reason: { action: "accept", content: { reason: 7 } } },
    { reason: { action: "accept", content: { reason: "x".repeat(2_001) } } },
    { other: { action: "accept", content: { reason: "x" } } },
  ])("%j gives no reason", (answers) => {
    expect(reasonIn(answers as never)).toBeUndefined();
  });
});
