import { type JsonView, type McpResponse, parseMessage } from "@drawbridge/mcp";
import { describe, expect, test } from "vitest";
import { ToolSchemas } from "./tool-schemas.js";

const HEADED = { type: "object", properties: { region: { type: "string", "x-mcp-header": "Region" } } };

function responseWith(result: object): McpResponse {
  const message = parseMessage(Buffer.from(JSON.stringify({ jsonrpc: "2.0", id: 1, result })));
  if (message.kind !== "response") throw new Error("no response");
  return message;
}

/** A server that lists these pages of tools. */
function schemasOf(pages: readonly (readonly object[])[]): ToolSchemas {
  const ask = (cursor: string | undefined) => {
    const page = Number(cursor ?? 0);
    const next = page + 1 < pages.length ? { nextCursor: String(page + 1) } : {};
    return Promise.resolve(responseWith({ tools: pages[page] ?? [], ...next }));
  };
  return new ToolSchemas({ ask, now: () => 0 });
}

describe("ToolSchemas", () => {
  test("keeps of a tool what it declares, and nothing of one that declares nothing", async () => {
    const large = "x".repeat(300_000);
    const described = { ...HEADED, description: large, default: 1e300 };
    const schemas = schemasOf([
      [{ name: "headed", description: large, inputSchema: described }],
      [{ name: "plain", description: large, inputSchema: { type: "object" } }],
    ]);
    const kept: JsonView = { properties: { region: { type: "string", "x-mcp-header": "Region" } } };
    expect(await schemas.schemaOf("headed")).toEqual(kept);
    expect(await schemas.schemaOf("plain")).toBeUndefined();
    expect(await schemas.schemaOf("unknown")).toBeUndefined();
  });

  test("takes the last of several tools with one name", async () => {
    const schemas = schemasOf([
      [
        { name: "twice", inputSchema: HEADED },
        { name: "twice", inputSchema: { type: "object" } },
      ],
    ]);
    expect(await schemas.schemaOf("twice")).toBeUndefined();
  });

  test.each([
    [
      "over 4 MiB on all its pages",
      Array.from({ length: 5 }, () => [{ name: "a", note: "x".repeat(900_000) }]),
    ],
    ["of more than a hundred pages", Array.from({ length: 101 }, (_, page) => [{ name: `tool-${page}` }])],
  ])("refuses a list %s", async (_, pages) => {
    await expect(schemasOf(pages).schemaOf("a")).rejects.toThrow("too long");
  });

  test.each([{}, { tools: 1 }, { tools: {} }])("refuses what is no list: %j", async (result) => {
    const schemas = new ToolSchemas({ ask: () => Promise.resolve(responseWith(result)), now: () => 0 });
    await expect(schemas.schemaOf("a")).rejects.toThrow("does not list its tools");
  });

  test("lets others have their turn while it reads a long list", async () => {
    let turns = 0;
    const count = () => {
      turns += 1;
      counting = setImmediate(count);
    };
    const note = "x".repeat(64 * 1024);
    const tools = Array.from({ length: 40 }, (_, n) => ({ name: `tool-${n}`, note, inputSchema: HEADED }));
    const schemas = schemasOf([tools]);
    let counting = setImmediate(count);
    await schemas.schemaOf("tool-1");
    clearImmediate(counting);
    expect(turns).toBeGreaterThan(10);
  });
});
