import { type McpResponse, parseMessage } from "@drawbridge/mcp";
import { describe, expect, test } from "vitest";
import { type EditedCall, tellOfEdits } from "./edited-results.js";

const EDITED: EditedCall = {
  id: "a-1",
  by: "bob",
  comment: "a smaller limit",
  changed: ["/limit", "/filter/a~1b"],
};

function told(result: object, method = "tools/call", edited = EDITED) {
  const text = JSON.stringify({ jsonrpc: "2.0", id: 1, result });
  const { bytes } = tellOfEdits(parseMessage(Buffer.from(text)) as McpResponse, method, edited);
  return (JSON.parse(Buffer.from(bytes).toString()) as { result: Record<string, unknown> }).result;
}

describe("the answer to an edited call", () => {
  test("says who changed what, for programs and for models, and not to what", () => {
    expect(told({ content: [{ type: "text", text: "3 rows" }], structuredContent: { rows: 3 } })).toEqual({
      content: [
        { type: "text", text: "3 rows" },
        {
          type: "text",
          text: "An approver changed the arguments of this call before it ran: /limit, /filter/a~1b. They say: a smaller limit",
        },
      ],
      structuredContent: { rows: 3 },
      _meta: { "io.drawbridge/approval": { id: "a-1", edited: true, by: "bob", comment: "a smaller limit" } },
    });
  });

  test("says so without knowing what was changed, by whom or why", () => {
    const nothing = { id: "a-1", by: undefined, comment: undefined, changed: [] };
    expect(told({ content: [] }, "tools/call", nothing)).toEqual({
      content: [{ type: "text", text: "An approver changed the arguments of this call before it ran" }],
      _meta: { "io.drawbridge/approval": { id: "a-1", edited: true } },
    });
  });

  test("names some of very many changes", () => {
    const changed = Array.from({ length: 25 }, (_, index) => `/${index}`);
    const { content } = told({ content: [] }, "tools/call", { ...EDITED, changed });
    expect((content as { text: string }[])[0]?.text).toMatch(/: \/0, .*, \/19 and 5 more\. They say/);
  });

  test("of another method has it in _meta only", () => {
    expect(told({ contents: [], content: [] }, "resources/read")).toEqual({
      contents: [],
      content: [],
      _meta: { "io.drawbridge/approval": { id: "a-1", edited: true, by: "bob", comment: "a smaller limit" } },
    });
  });

  test("can be read whatever the comment is made of", () => {
    const comment = 'half \ud800 " \\ ] }';
    const { _meta } = told({ content: [] }, "tools/call", { ...EDITED, comment });
    expect(_meta).toEqual({
      "io.drawbridge/approval": { id: "a-1", edited: true, by: "bob", comment: 'half \ufffd " \\ ] }' },
    });
  });
});
