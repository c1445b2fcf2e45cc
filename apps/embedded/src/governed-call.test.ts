import { once } from "node:events";
import { type IncomingHttpHeaders, type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { callTool } from "./governed-call.js";

interface Seen {
  method: string;
  headers: IncomingHttpHeaders;
  body: { id?: number; method?: string };
}

let server: Server | undefined;
afterEach(() => server?.close());

/** A gateway that answers as told; `tools/call` gets what the test wants. */
async function gateway(
  callAnswer: (id: number) => { type: string; text: string },
): Promise<{ publicUrl: string; seen: Seen[] }> {
  const seen: Seen[] = [];
  server = createServer((request, response) => {
    void (async () => {
      let text = "";
      for await (const chunk of request) text += String(chunk);
      const body = (text === "" ? {} : JSON.parse(text)) as Seen["body"];
      seen.push({ method: request.method ?? "", headers: request.headers, body });
      if (body.id === undefined) return response.writeHead(request.method === "DELETE" ? 200 : 202).end();
      if (body.method === "initialize") {
        const result = {
          protocolVersion: "2025-06-18",
          capabilities: {},
          serverInfo: { name: "s", version: "1" },
        };
        response.writeHead(200, { "content-type": "application/json", "mcp-session-id": "session-1" });
        return response.end(JSON.stringify({ jsonrpc: "2.0", id: body.id, result }));
      }
      const answer = callAnswer(body.id);
      return response.writeHead(200, { "content-type": answer.type }).end(answer.text);
    })();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { publicUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

const call = (publicUrl: string) =>
  callTool({
    publicUrl,
    target: "shop",
    token: "a-token",
    tool: "execute_sql",
    arguments: { sql: "select 1" },
  });

const result = (id: number): string =>
  JSON.stringify({
    jsonrpc: "2.0",
    id,
    result: { content: [{ type: "text", text: "one" }, { type: "image" }] },
  });

describe("callTool", () => {
  test("opens a session, calls, and closes the session again", async () => {
    const { publicUrl, seen } = await gateway((id) => ({ type: "application/json", text: result(id) }));
    expect(await call(publicUrl)).toBe("one\n[image]");
    expect(seen.map(({ method, body }) => body.method ?? method)).toEqual([
      "initialize",
      "notifications/initialized",
      "tools/call",
      "DELETE",
    ]);
    for (const { headers } of seen.slice(1)) {
      expect(headers).toMatchObject({
        authorization: "Bearer a-token",
        "mcp-session-id": "session-1",
        "mcp-protocol-version": "2025-06-18",
      });
    }
  });

  test("finds its answer among the events of a stream", async () => {
    const { publicUrl } = await gateway((id) => ({
      type: "text/event-stream",
      text: `: hello\n\nevent: message\ndata: {"jsonrpc":"2.0","method":"notifications/progress"}\n\nid: 7\ndata: ${result(id)}\n\n`,
    }));
    expect(await call(publicUrl)).toBe("one\n[image]");
  });

  test("says why a call was refused and closes the session all the same", async () => {
    const { publicUrl, seen } = await gateway((id) => ({
      type: "application/json",
      text: JSON.stringify({ jsonrpc: "2.0", id, error: { code: -32602, message: "unknown tool" } }),
    }));
    await expect(call(publicUrl)).rejects.toThrow("the call was refused: unknown tool");
    expect(seen.at(-1)?.method).toBe("DELETE");
  });
});
