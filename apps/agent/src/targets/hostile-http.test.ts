import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Era } from "@drawbridge/mcp";
import { ExchangeFailure } from "@drawbridge/protocol";
import { modern, notification, request } from "@drawbridge/testing";
import { describe, expect, test } from "vitest";
import { waitFor } from "../fakes/wait-for.js";
import {
  cleanUpAfterEach,
  type HostOptions,
  http,
  onTestEnd,
  open,
  type OpenedTarget,
  testHost,
} from "./fakes/target-bench.js";

cleanUpAfterEach();

type Answer = (response: ServerResponse, request: IncomingMessage) => unknown;

async function startHttp(answer: Answer, era: Era, options: HostOptions = {}): Promise<OpenedTarget> {
  const server = createServer((incoming, response) => void answer(response, incoming));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestEnd(() => {
    server.close();
    server.closeAllConnections();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
  return open(testHost({ ...options, urls: [url] }), http(url), era);
}

describe("a target over HTTP that takes nothing", () => {
  test.each(["legacy", "modern"] as const)("does not fill the agent's memory (%s)", async (era) => {
    const session = await startHttp(() => undefined, era, { messageBytes: 1024 * 1024 });
    const params = { text: "x".repeat(300_000) };
    for (let exchange = 1; exchange <= 8; exchange++)
      session.send(exchange, { ...modern(request(exchange, "vendor/big", params)) });
    expect((await session.failure(8)).failure).toBe(ExchangeFailure.NOT_SENT);
    expect(session.listener.failures.has(1)).toBe(false);
  });

  test("does not fill it with notifications either", async () => {
    const session = await startHttp(() => undefined, "legacy", { messageBytes: 1024 * 1024 });
    for (let n = 0; n < 8; n++) session.send(0, notification("vendor/big", { text: "x".repeat(300_000) }));
    expect((await session.failure(0)).failure).toBe(ExchangeFailure.NOT_SENT);
  });
});

describe("a target over HTTP that hangs on notifications", () => {
  /** Answers requests; `bodies` is what came. */
  async function startHanging(bodies: string[]): Promise<OpenedTarget> {
    return startHttp(async (response, incoming) => {
      let body = "";
      for await (const chunk of incoming) body += String(chunk);
      bodies.push(body);
      const { id } = JSON.parse(body) as { id?: number };
      if (id === undefined) return;
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ jsonrpc: "2.0", id, result: {} }));
    }, "legacy");
  }

  test("holds up the next request for ten seconds in all, which is then known not to have been sent", async () => {
    const bodies: string[] = [];
    const session = await startHanging(bodies);
    for (let n = 0; n < 3; n++) session.send(0, notification("vendor/note", { n }));
    const startedAt = performance.now();
    session.send(1, request(1, "vendor/any"));
    const { failure } = await waitFor(() => session.listener.failures.get(1), 15_000);
    expect(failure).toBe(ExchangeFailure.NOT_SENT);
    expect(performance.now() - startedAt).toBeGreaterThan(9_000);
    expect(bodies.filter((body) => body.includes("vendor/any"))).toEqual([]);
  }, 20_000);

  test("never gets a request that was given up meanwhile, nor hears of its end", async () => {
    const bodies: string[] = [];
    const session = await startHanging(bodies);
    session.send(0, notification("vendor/note"));
    session.send(1, request(1, "vendor/any"));
    await waitFor(() => bodies[0]);
    session.target.cancel(
      1,
      { id: { text: "1" }, method: "vendor/any" },
      "the call took longer than allowed",
    );
    expect((await session.failure(1)).failure).toBe(ExchangeFailure.NOT_SENT);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(bodies).toHaveLength(1);
  });
});

describe("a target over HTTP that never ends its streams", () => {
  test.each(["legacy", "modern"] as const)(
    "answers as many calls as one likes (%s)",
    async (era) => {
      let asked = 0;
      const session = await startHttp(async (response, incoming) => {
        asked += 1;
        let body = "";
        for await (const chunk of incoming) body += String(chunk);
        const { id } = JSON.parse(body) as { id: number };
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.write(`data: {"jsonrpc":"2.0","id":${id},"result":{"resultType":"complete"}}\n\n`);
      }, era);
      for (let exchange = 1; exchange <= 70; exchange++)
        session.send(exchange, modern(request(exchange, "vendor/quick")));
      await waitFor(() => asked >= 70 || undefined, 6_000);
      expect(await session.response(70, 70)).toContain('"id":70');
    },
    15_000,
  );
});

describe("a large answer over HTTP whose call has ended meanwhile", () => {
  test.each(["application/json", "text/event-stream"])(
    "is given up, not left as it was (%s)",
    async (type) => {
      const session = await startHttp(async (response) => {
        response.writeHead(200, { "content-type": type });
        response.write(
          `${type === "text/event-stream" ? "data: " : ""}{"jsonrpc":"2.0","id":1,"result":{"text":"`,
        );
        while (!response.destroyed) {
          response.write("x".repeat(1_000_000));
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      }, "modern");
      session.listener.onPiece = () =>
        session.listener.exchangeFailed(1, ExchangeFailure.TIMED_OUT, "the call took longer than allowed");
      session.send(1, modern(request(1, "vendor/export")));
      const outcome = await waitFor(() => session.listener.larges[0]?.outcome);
      expect(outcome).toHaveProperty("aborted");
    },
  );
});
