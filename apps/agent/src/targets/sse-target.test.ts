import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { ExchangeFailure } from "@drawbridge/protocol";
import {
  eventually,
  freePort,
  initialize,
  initialized,
  ping,
  resultMessage,
  type ScriptableSseOptions,
  startScriptableSseServer,
  toolCall,
} from "@drawbridge/testing";
import { describe, expect, test } from "vitest";
import { waitFor } from "../fakes/wait-for.js";
import { cleanUpAfterEach, onTestEnd, open, sse, testHost } from "./fakes/target-bench.js";

cleanUpAfterEach();

async function start(options: ScriptableSseOptions = {}, messageBytes = 16 * 1024 * 1024) {
  const server = await startScriptableSseServer(options);
  onTestEnd(() => server.close());
  const urls = [server.url, new URL("/messages", server.url).href];
  return { server, session: open(testHost({ urls, messageBytes }), sse(server.url)) };
}

async function startRaw(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestEnd(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/sse`;
}

describe("a target of HTTP+SSE", () => {
  test.each(["\n", "\r\n", "\r"])("answers on its stream, whose lines end in %j", async (lineEnd) => {
    const { session } = await start({ lineEnd });
    expect(await session.call(1, initialize("first"))).toContain('"protocolVersion"');
    session.send(0, initialized());
    expect(await session.call(2, toolCall(2, "echo", { a: 1 }))).toContain('"a":1');
  });

  test("is posted to at the whole address it named, nothing overtaking a notification", async () => {
    const { server, session } = await start({ endpoint: "/messages?session={session}&more=1" });
    session.send(0, initialized());
    await session.call(2, ping(2));
    expect(server.posted.map((body) => (JSON.parse(body) as { method: string }).method)).toEqual([
      "notifications/initialized",
      "ping",
    ]);
  });

  test("asks on the stream and gets its answer", async () => {
    const { session } = await start();
    session.send(2, toolCall(2, "sample"));
    const asked = await waitFor(() => session.messages(undefined)[0]);
    session.send(0, resultMessage(asked.id ?? "", { said: "yes" }));
    expect(await session.response(2, 2)).toContain('"said":"yes"');
  });

  test("hears that a call was cancelled", async () => {
    const { server, session } = await start();
    session.send(2, toolCall("gone", "slow", { ms: 60_000 }));
    await session.call(3, ping(3));
    session.target.cancel(2, { id: { text: '"gone"' }, method: "tools/call" }, "nobody waits");
    await eventually(() => server.posted.length === 3);
    expect(await session.call(4, toolCall(4, "cancellations"))).toContain('["gone"]');
  });

  test("may answer in an array", async () => {
    const { session } = await start();
    expect(await session.call(2, toolCall(2, "batch"))).toContain("from a batch");
    expect(session.messages(undefined)[0]?.method).toBe("notifications/message");
  });

  test("gives a large answer in pieces, and no more of it while it is paused", async () => {
    const { session } = await start({}, 100_000);
    await session.call(1, ping(1));
    session.listener.onPiece = ({ bytes }) => {
      if (bytes > 1_000_000) session.target.pause();
    };
    session.send(2, toolCall(2, "big", { bytes: 20_000_000 }));
    await waitFor(() => session.listener.larges.find(({ bytes }) => bytes > 1_000_000));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(session.listener.larges[0]?.bytes).toBeLessThan(2_000_000);
    session.listener.onPiece = () => undefined;
    session.target.resume();
    const large = await waitFor(() => session.listener.larges.find(({ outcome }) => outcome !== undefined));
    expect(large.outcome).toEqual({ ended: undefined });
    expect(large.bytes).toBeGreaterThan(20_000_000);
    expect(large.largestPiece).toBeLessThan(300_000);
  });

  test("has forgotten the session when its stream ends", async () => {
    const { server, session } = await start();
    await session.call(1, ping(1));
    server.dropStreams();
    expect(await session.ended()).toEqual({
      reason: "the target closed its event stream",
      neverWorked: false,
    });
  });

  test("is let go of when the session ends", async () => {
    const { server, session } = await start();
    await session.call(1, ping(1));
    expect(server.sessionIds()).toHaveLength(1);
    await session.target.close();
    await eventually(() => server.sessionIds().length === 0);
    expect(session.listener.end).toBeUndefined();
  });

  test("fails a call it did not take", async () => {
    const url = await startRaw((request, response) => {
      if (request.method === "POST") return void response.writeHead(500).end();
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write("event: endpoint\ndata: /sse\n\n");
    });
    const session = open(testHost({ urls: [url] }), sse(url));
    session.send(1, ping(1));
    expect((await session.failure(1)).failure).toBe(ExchangeFailure.OUTCOME_UNKNOWN);
  });
});

describe("the address a target of HTTP+SSE wants messages posted to", () => {
  test.each([
    ["http://127.0.0.1:9/messages", "another host"],
    ["//evil.example/messages", "another host"],
    ["https://127.0.0.1/messages", "another host"],
    ["/admin?session={session}", "does not allow this URL"],
    ["/messages/../admin", "does not allow this URL"],
    ["http://user:secret@{host}/messages", "holds a user name"],
    ["http://[", "that is none"],
    [`/messages?${"x".repeat(9_000)}`, "that is none"],
  ])("is refused when it is %j", async (endpoint, reason) => {
    let posted = 0;
    const url = await startRaw((request, response) => {
      if (request.method === "POST") posted += 1;
      const text = endpoint.replace("{host}", request.headers.host ?? "");
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(`event: endpoint\ndata: ${text}\n\n`);
    });
    const session = open(testHost({ urls: [url, new URL("/messages", url).href] }), sse(url));
    session.send(1, initialize(1));
    const end = await session.ended();
    expect(end).toMatchObject({ neverWorked: true, reason: expect.stringContaining(reason) as string });
    expect(posted).toBe(0);
  });

  test("stays what it was first", async () => {
    const posted: (string | undefined)[] = [];
    const url = await startRaw((request, response) => {
      if (request.method === "POST") {
        posted.push(request.url);
        return void response.writeHead(202).end();
      }
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write("event: endpoint\ndata: /sse?a\n\nevent: endpoint\ndata: /sse?b\n\n");
    });
    const session = open(testHost({ urls: [url] }), sse(url));
    for (const exchange of [1, 2]) session.send(exchange, ping(exchange));
    await eventually(() => posted.length === 2);
    expect(posted).toEqual(["/sse?a", "/sse?a"]);
  });
});

describe("what is no target of HTTP+SSE", () => {
  test.each<[string, RequestListener, string]>([
    ["404", (_request, response) => response.writeHead(404).end(), "HTTP 404"],
    [
      "a redirect",
      (_request, response) => response.writeHead(307, { location: "/x" }).end(),
      "redirects are not followed",
    ],
    [
      "JSON",
      (_request, response) => response.writeHead(200, { "content-type": "application/json" }).end("{}"),
      "no event stream",
    ],
    [
      "a message before the address",
      (_request, response) =>
        response.writeHead(200, { "content-type": "text/event-stream" }).write('data: {"jsonrpc":"2.0"}\n\n'),
      "before its address",
    ],
  ])("ends the session: %s", async (_name, listener, reason) => {
    const url = await startRaw(listener);
    const session = open(testHost({ urls: [url] }), sse(url));
    session.send(1, initialize(1));
    expect(await session.ended()).toMatchObject({
      neverWorked: true,
      reason: expect.stringContaining(reason) as string,
    });
  });

  test("ends the session: a port where nobody listens", async () => {
    const url = `http://127.0.0.1:${await freePort()}/sse`;
    const session = open(testHost({ urls: [url] }), sse(url));
    expect(await session.ended()).toMatchObject({
      neverWorked: true,
      reason: expect.stringContaining("ECONNREFUSED") as string,
    });
  });

  test("is never opened for a session of 2026-07-28, nor where it is not allowed", () => {
    const url = "http://127.0.0.1:9/sse";
    expect(() => open(testHost({ urls: [url] }), sse(url), "modern")).toThrow("without sessions");
    expect(() => open(testHost(), sse(url))).toThrow("does not allow this URL");
  });
});
