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

  it("says how large an answer is that is too large to show", () => {
    const stored = { transfer: 1, first: 2, last: 401, bytes: 100_000_000, parts: 400 };
    const large = { ...REQUEST, index: 402, payload: undefined, attributes: { stored } };
    expect(eventLines(large, false)).toEqual([
      "                    100.0 MB in 400 parts; the whole of it: recordings export … --event 402",
    ]);
    const uncounted = { ...large, attributes: { stored: { bytes: 5_250_000 } } };
    expect(eventLines(uncounted, false)[0]).toContain("  5.3 MB;");
    expect(eventLines({ ...large, attributes: { stored: "x" } }, false)).toEqual([]);
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
