import { describe, expect, test } from "vitest";
import { eraOf, isLegacyRevision, isModernRevision } from "./eras.js";
import { parseMessage } from "./parse-message.js";

describe("eraOf", () => {
  const claim = (version: string): string =>
    `"_meta":{"io.modelcontextprotocol/protocolVersion":"${version}"}`;

  test.each([
    ["modern", `"method":"tools/list","params":{${claim("2026-07-28")}}`],
    ["modern", `"method":"tools/list","params":{${claim("2025-06-18")}}`],
    ["modern", `"method":"initialize","params":{"protocolVersion":"2025-06-18",${claim("2026-07-28")}}`],
    ["legacy", `"method":"initialize","params":{"protocolVersion":"2026-07-28"}`],
    ["legacy", `"method":"initialize","params":{"protocolVersion":"2025-06-18",${claim("2025-06-18")}}`],
    ["legacy", `"method":"tools/list"`],
    ["legacy", `"method":"tools/list","params":{"protocolVersion":"2026-07-28"}`],
    ["legacy", `"result":{${claim("2026-07-28")}}`],
  ])("%s: %s", (era, members) => {
    expect(eraOf(parseMessage(Buffer.from(`{"jsonrpc":"2.0","id":1,${members}}`)))).toBe(era);
  });
});

describe("isLegacyRevision", () => {
  test("knows the revisions that can be negotiated", () => {
    expect(isLegacyRevision("2025-11-25")).toBe(true);
    expect(isLegacyRevision("2024-11-05")).toBe(false);
    expect(isLegacyRevision("2026-07-28")).toBe(false);
  });
});

test("no revision is of both eras", () => {
  expect(isModernRevision("2026-07-28")).toBe(true);
  expect(isModernRevision("2025-11-25")).toBe(false);
  expect(isModernRevision("2026-07-29")).toBe(false);
});
