import { type McpResponse, parseMessage } from "@drawbridge/mcp";
import { describe, expect, test } from "vitest";
import { allRevisions, discoverVerdict, initializeVerdict } from "./era-probe.js";

function response(members: object): McpResponse {
  const message = parseMessage(Buffer.from(JSON.stringify({ jsonrpc: "2.0", id: 1, ...members })));
  if (message.kind !== "response") throw new Error("no response");
  return message;
}

describe("what a target says it speaks", () => {
  const said = ["2026-07-28", "DRAFT-2026-v1", "DRAFT-2027-01-01", "2025-11-25"];
  const secrets = [
    "ghp_0123456789abcdefghijABCDEFGHIJ",
    "4111-1111-1111-1111",
    "1.0",
    "2026-07-28-x",
    "",
    " 2026-07-28",
  ];

  test("is dates and drafts: any other text could be anything, and goes to clients unmasked", () => {
    expect(discoverVerdict(response({ result: { supportedVersions: [...secrets, ...said] } }))).toEqual(said);
    const error = { code: -32022, message: "no", data: { supported: [...said, ...secrets] } };
    expect(discoverVerdict(response({ error }))).toEqual(said);
    expect(initializeVerdict(response({ error }))).toEqual(said);
    for (const protocolVersion of secrets)
      expect(initializeVerdict(response({ result: { protocolVersion } }))).toBe("no");
  });

  test("comes oldest first", () => {
    expect(allRevisions(said, "no", ["2025-06-18"])).toEqual([
      "2025-06-18",
      "2025-11-25",
      "2026-07-28",
      "DRAFT-2026-v1",
      "DRAFT-2027-01-01",
    ]);
  });
});
