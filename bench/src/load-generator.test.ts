import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { LoadGenerator } from "./load-generator.js";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** Answers `tools/call` with this and everything else well. */
async function load(
  call: { status?: number; message: object },
  era: "legacy" | "modern" = "legacy",
): Promise<unknown> {
  const listener: RequestListener = (request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const { id, method } = JSON.parse(body || "{}") as { id?: number; method?: string };
      const { "mcp-method": header } = request.headers;
      if (id === undefined) return response.writeHead(202).end();
      // A client of the modern era opens nothing and names what it asks for in a header, too.
      if (era === "modern" && (method !== "tools/call" || header !== method || !body.includes('"_meta"'))) {
        return response.writeHead(400).end();
      }
      const isCall = method === "tools/call";
      const answer = isCall ? call.message : { result: {} };
      response.writeHead(isCall ? (call.status ?? 200) : 200, { "content-type": "application/json" });
      return response.end(JSON.stringify({ jsonrpc: "2.0", id, ...answer }));
    });
  };
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => server.close());
  const generator = new LoadGenerator();
  cleanups.push(() => generator.stop());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
  const wish = { url, headers: {}, era, sessions: 2, warmUpMs: 20, measureMs: 100 };
  return generator.run({ ...wish, call: { name: "x", arguments: {} } });
}

test.each(["legacy", "modern"] as const)("counts every answered call in the %s era", async (era) => {
  const outcome = (await load({ message: { result: { content: [] } } }, era)) as {
    answered: number;
    latenciesMs: Float64Array;
    elapsedMs: number;
  };
  expect(outcome.latenciesMs.length).toBeGreaterThan(0);
  expect(outcome.answered).toBeGreaterThan(outcome.latenciesMs.length);
  expect(outcome.elapsedMs).toBeGreaterThanOrEqual(100);
});

test.each([
  ["an HTTP error", { status: 503, message: { result: {} } }],
  ["a JSON-RPC error", { message: { error: { code: -32000, message: "no" } } }],
  ["a tool's error", { message: { result: { isError: true, content: [] } } }],
  ["the answer to another request", { message: { id: 99_999, result: {} } }],
])("fails on %s", async (_what, call) => {
  await expect(load(call)).rejects.toThrow(/answered with/);
});
