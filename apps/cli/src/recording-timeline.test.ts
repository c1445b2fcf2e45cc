import { describe, expect, it } from "vitest";
import { eventLines, eventTitle } from "./recording-timeline.js";

const REQUEST = {
  index: 1,
  at: "2026-11-22T22:31:04.120Z",
  kind: "request",
  direction: "client_to_target",
  exchange: 1,
  method: "tools/call",
  name: "execute_sql",
  attributes: {
    decision: { effect: "allow", reason: "rule", policy: "shop-read", version: 2, rule: "select" },
    masked: {},
  },
  payload: '{"sql":"select \\u001b[2J"}',
} as const;

describe("the timeline of a recording", () => {
  it("says when, which way, what and who decided", () => {
    expect(eventTitle(REQUEST)).toBe(
      "22:31:04.120  →  request           tools/call execute_sql  allow by shop-read/select",
    );
  });

  it("says what was masked", () => {
    const response = {
      ...REQUEST,
      kind: "response",
      direction: "target_to_client",
      attributes: { masked: { card: 3, email: 1 } },
    } as const;
    expect(eventTitle(response)).toMatch(/←.*masked 3 card, 1 email$/);
  });

  it("says why nothing allowed it when no rule decided", () => {
    const denied = { ...REQUEST, attributes: { decision: { effect: "deny", reason: "no rule allows it" } } };
    expect(eventTitle(denied)).toMatch(/deny \(no rule allows it\)$/);
  });

  it("shortens a payload to one line and shows it whole on demand", () => {
    expect(eventLines({ ...REQUEST, payload: `{"a":"${"x".repeat(500)}"}` }, false)[0]).toMatch(
      /^ {20}\{"a":"x+…$/,
    );
    const full = eventLines(REQUEST, true).join("\n");
    expect(full).toContain('decision: {"effect":"allow"');
    expect(full).toContain('{\n                      "sql": "select');
  });
});
