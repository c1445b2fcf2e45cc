import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { ExchangeFailure } from "@drawbridge/protocol";
import {
  eventually,
  freePort,
  initialize,
  initialized,
  ping,
  resultMessage,
  type ScriptableHttpOptions,
  type ScriptableHttpServer,
  startScriptableHttpServer,
  toolCall,
  withMeta,
} from "@drawbridge/testing";
import { describe, expect, test } from "vitest";
import { httpTarget, testConfig } from "../fakes/agent-under-test.js";
import { type Bench, cleanUpAfterEach, onTestEnd, startBench } from "../fakes/agent-bench.js";
import type { FakeSession } from "../fakes/fake-control-plane.js";
import { waitFor } from "../fakes/wait-for.js";

cleanUpAfterEach();

interface HttpBench extends Bench {
  readonly server: ScriptableHttpServer;
  readonly session: FakeSession;
}

/** Whole up to the first, carried at all up to the second. */
const LIMITS = { messageBytes: 100_000, maxResultBytes: 200_000 };

async function startHttpBench(options: ScriptableHttpOptions = {}): Promise<HttpBench> {
  const server = await startScriptableHttpServer(options);
  onTestEnd(() => server.close());
  const bench = await startBench(testConfig([server.url], LIMITS));
  const session = await bench.openInitialized(httpTarget(server.url, { "x-api-key": "for the target" }));
  return { ...bench, server, session };
}

/** A server of one's own, for answers no well-behaved server gives. */
async function startRawServer(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestEnd(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
}

async function callRaw(listener: RequestListener): Promise<FakeSession> {
  const url = await startRawServer(listener);
  const { controlPlane } = await startBench(testConfig([url], LIMITS));
  const session = await controlPlane.openSession(httpTarget(url));
  session.send(1, ping(1));
  return session;
}

function answerJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

describe("a governed call over Streamable HTTP", () => {
  test("keeps the target's session, its headers and the negotiated version", async () => {
    const { server, session } = await startHttpBench();
    const answer = await session.call(2, toolCall(2, "echo", { a: 1 }));
    expect(answer.result).toMatchObject({ structuredContent: { a: 1 } });
    const call = server.requests.find(({ body }) => body.includes('"echo"'));
    expect(call?.headers).toMatchObject({
      "mcp-session-id": server.sessionIds()[0],
      "mcp-protocol-version": "2025-11-25",
      "x-api-key": "for the target",
      "content-type": "application/json",
    });
  });

  test("comes back masked, as JSON and as an event stream", async () => {
    for (const answers of ["auto", "sse"] as const) {
      const { session } = await startHttpBench({ answers });
      const answer = JSON.stringify(await session.call(2, toolCall(2, "secrets")));
      expect(answer).not.toContain("4111 1111 1111 1111");
      expect(answer).toContain("[REDACTED:card]");
    }
  });

  test("streams progress, and the target's questions with their answers", async () => {
    const { session } = await startHttpBench();
    session.send(2, withMeta(toolCall(2, "slow", { ms: 200 }), { progressToken: "p" }));
    await session.response(2);
    expect(session.messages(2).some(({ method }) => method === "notifications/progress")).toBe(true);
    session.send(3, toolCall(3, "sample"));
    const asked = await waitFor(() =>
      session.messages(3).find(({ method }) => method === "sampling/createMessage"),
    );
    session.send(0, resultMessage(String(asked.id), { said: "yes" }));
    expect(await session.response(3)).toContain('"said":"yes"');
  });

  test("hears on the GET stream what belongs to no call", async () => {
    const { server, session } = await startHttpBench();
    await eventually(() => server.requests.some(({ method }) => method === "GET"));
    await session.call(2, toolCall(2, "notify"));
    const [change] = await waitFor(() => (session.messages(0).length > 0 ? session.messages(0) : undefined));
    expect(change?.method).toBe("notifications/tools/list_changed");
  });

  test("sends no call before the server has the GET stream, where a call may ask its client", async () => {
    const order: string[] = [];
    const url = await startRawServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        const { method = "GET", id } = JSON.parse(body || "{}") as { method?: string; id?: number };
        order.push(method);
        if (method === "GET") {
          const open = () => {
            order.push("listening");
            response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
          };
          setTimeout(open, 100);
        } else if (id === undefined) response.writeHead(202).end();
        else answerJson(response, 200, { jsonrpc: "2.0", id, result: {} });
      });
    });
    const bench = await startBench(testConfig([url], LIMITS));
    const session = await bench.openInitialized(httpTarget(url));
    await session.call(2, ping(2));
    expect(order).toEqual(["initialize", "notifications/initialized", "GET", "listening", "ping"]);
  });

  test("waits for no stream that never answers", async () => {
    const url = await startRawServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        const { id } = JSON.parse(body || '{"id":"the stream"}') as { id?: number | string };
        if (id === undefined) response.writeHead(202).end();
        else if (id !== "the stream") answerJson(response, 200, { jsonrpc: "2.0", id, result: {} });
      });
    });
    const bench = await startBench(testConfig([url], LIMITS));
    const session = await bench.openInitialized(httpTarget(url));
    expect((await session.call(2, ping(2))).result).toEqual({});
  });

  test("ends the target's session with the client's", async () => {
    const { server, session } = await startHttpBench();
    expect(server.sessionIds()).toHaveLength(1);
    session.close();
    await eventually(() => server.sessionIds().length === 0);
  });

  test("tells the target when nobody waits any more, and closes the request", async () => {
    const { session } = await startHttpBench();
    session.send(2, toolCall("abandoned", "slow", { ms: 60_000 }));
    await session.call(3, ping(3));
    session.cancel(2);
    expect((await session.failure(2)).failure).toBe(ExchangeFailure.OUTCOME_UNKNOWN);
    expect(JSON.stringify(await session.call(4, toolCall(4, "cancellations")))).toContain("abandoned");
  });

  test("is whole though it comes in pieces, after a hint that is no answer", async () => {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, result: { text: "x".repeat(90_000) } });
    const session = await callRaw((_request, response) => {
      response.writeEarlyHints({ link: "</style.css>; rel=preload" }, () => {
        response.writeHead(200, { "content-type": "application/json" });
        response.write(body.slice(0, 10));
        setTimeout(() => response.write(body.slice(10, 80_000)), 20);
        setTimeout(() => response.end(body.slice(80_000)), 60);
      });
    });
    expect(await session.response(1)).toBe(body);
  });

  test("leaves its answer with the server while the control plane does not read", async () => {
    let written = 0;
    const url = await startRawServer((_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      const event = `data: ${JSON.stringify({ jsonrpc: "2.0", method: "notifications/message", params: { text: "x".repeat(60_000) } })}\n\n`;
      const writeOn = () => {
        while (written < 1_000) {
          written += 1;
          if (!response.write(event)) return void response.once("drain", writeOn);
        }
        response.end('data: {"jsonrpc":"2.0","id":1,"result":{}}\n\n');
      };
      writeOn();
    });
    const { controlPlane } = await startBench(testConfig([url], { bufferedBytes: 100_000 }));
    const session = await controlPlane.openSession(httpTarget(url));
    session.stopReading();
    session.send(1, ping(1));
    await new Promise((resolve) => setTimeout(resolve, 700));
    const writtenBefore = written;
    expect(writtenBefore).toBeLessThan(600);
    session.read();
    expect(JSON.parse(await session.response(1, 20_000))).toEqual({ jsonrpc: "2.0", id: 1, result: {} });
    expect(session.messages(1)).toHaveLength(1_001);
  });

  test("is not overtaken: what was sent after a notification arrives after it", async () => {
    const order: string[] = [];
    const url = await startRawServer((request, response) => {
      void bodyOf(request).then(async (body) => {
        const { id, method } = JSON.parse(body) as { id?: unknown; method: string };
        if (id === undefined) await new Promise((resolve) => setTimeout(resolve, 200));
        order.push(method);
        if (id === undefined) response.writeHead(202).end();
        else answerJson(response, 200, { jsonrpc: "2.0", id, result: {} });
      });
    });
    const { controlPlane } = await startBench(testConfig([url]));
    const session = await controlPlane.openSession(httpTarget(url));
    session.send(0, { jsonrpc: "2.0", method: "notifications/roots/list_changed" });
    await session.call(1, ping(1));
    expect(order).toEqual(["notifications/roots/list_changed", "ping"]);
  });
});

describe("what an HTTP target does wrong", () => {
  test("a session it forgot is gone", async () => {
    const { server, session } = await startHttpBench();
    server.forgetSessions();
    session.send(2, ping(2));
    expect((await session.failure(2)).failure).toBe(ExchangeFailure.SESSION_GONE);
  });

  test("a result over the limit is withheld, as JSON and as an event", async () => {
    for (const answers of ["auto", "sse"] as const) {
      const { session } = await startHttpBench({ answers });
      session.send(2, toolCall(2, "big", { bytes: 300_000 }));
      expect((await session.failure(2)).failure).toBe(ExchangeFailure.RESULT_TOO_LARGE);
      await session.call(3, ping(3));
    }
  });

  test("a broken connection leaves the outcome unknown", async () => {
    const { session } = await startHttpBench();
    session.send(2, toolCall(2, "crash"));
    expect((await session.failure(2)).failure).toBe(ExchangeFailure.OUTCOME_UNKNOWN);
  });

  test("a port where nobody listens is unavailable", async () => {
    const url = `http://127.0.0.1:${await freePort()}/mcp`;
    const { controlPlane } = await startBench(testConfig([url]));
    const session = await controlPlane.openSession(httpTarget(url));
    session.send(1, initialize(1));
    expect(await session.failure(1)).toMatchObject({
      failure: ExchangeFailure.TARGET_UNAVAILABLE,
      message: expect.stringContaining("ECONNREFUSED") as string,
    });
  });

  test("a redirect is not followed", async () => {
    let elsewhere = 0;
    const other = await startRawServer((_request, response) => {
      elsewhere += 1;
      answerJson(response, 200, { jsonrpc: "2.0", id: 1, result: {} });
    });
    const session = await callRaw((_request, response) => response.writeHead(307, { location: other }).end());
    expect(await session.failure(1)).toMatchObject({
      failure: ExchangeFailure.TARGET_UNAVAILABLE,
      message: expect.stringContaining("redirects are not followed") as string,
    });
    expect(elsewhere).toBe(0);
  });

  test("an error in JSON-RPC is the answer, whatever the status, even without its id", async () => {
    const error = { code: -32000, message: "not now" };
    const session = await callRaw((_request, response) =>
      answerJson(response, 400, { jsonrpc: "2.0", id: null, error }),
    );
    expect(JSON.parse(await session.response(1))).toEqual({ jsonrpc: "2.0", id: 1, error });
  });

  test.each<[string, ExchangeFailure, (response: ServerResponse) => void]>([
    ["HTTP 500", ExchangeFailure.OUTCOME_UNKNOWN, (response) => response.writeHead(500).end("<html>")],
    ["HTTP 401", ExchangeFailure.TARGET_UNAVAILABLE, (response) => response.writeHead(401).end()],
    ["202 to a request", ExchangeFailure.BAD_TARGET, (response) => response.writeHead(202).end()],
    [
      "HTML",
      ExchangeFailure.BAD_TARGET,
      (response) => response.writeHead(200, { "content-type": "text/html" }).end("x"),
    ],
    [
      "half a JSON",
      ExchangeFailure.BAD_TARGET,
      (response) => response.writeHead(200, { "content-type": "application/json" }).end('{"jsonrpc"'),
    ],
    [
      "another id",
      ExchangeFailure.BAD_TARGET,
      (response) => answerJson(response, 200, { jsonrpc: "2.0", id: 9, result: {} }),
    ],
    [
      "an unknown encoding",
      ExchangeFailure.BAD_TARGET,
      (response) =>
        response.writeHead(200, { "content-type": "application/json", "content-encoding": "zz" }).end("x"),
    ],
    [
      "a stream without the answer",
      ExchangeFailure.OUTCOME_UNKNOWN,
      (response) => response.writeHead(200, { "content-type": "text/event-stream" }).end(": nothing\n\n"),
    ],
  ])("%s fails the call as what it is", async (_name, failure, answer) => {
    const session = await callRaw((_request, response) => answer(response));
    expect((await session.failure(1)).failure).toBe(failure);
  });

  test("a compressed answer is undone before it is masked", async () => {
    const secret = {
      jsonrpc: "2.0",
      id: 1,
      result: { content: [{ type: "text", text: "card 4111 1111 1111 1111" }] },
    };
    const session = await callRaw((_request, response) =>
      response
        .writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" })
        .end(gzipSync(JSON.stringify(secret))),
    );
    expect(await session.response(1)).toContain("card [REDACTED:card]");
  });

  test.each([
    ["is no gzip at all", Buffer.from("plain"), ExchangeFailure.OUTCOME_UNKNOWN],
    ["ends too early", gzipSync("{}".repeat(1_000)).subarray(0, 20), ExchangeFailure.OUTCOME_UNKNOWN],
  ])("a compressed answer that %s fails the call", async (_name, body, failure) => {
    const session = await callRaw((_request, response) =>
      response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" }).end(body),
    );
    expect((await session.failure(1)).failure).toBe(failure);
  });

  test("a body that is too large is not read on: its connection is closed", async () => {
    let closed = false;
    const session = await callRaw((_request, response) => {
      response.on("close", () => (closed = true));
      response.writeHead(200, { "content-type": "application/json" });
      response.write(`{"jsonrpc":"2.0","id":1,"result":{"text":"${"x".repeat(300_000)}`);
    });
    expect((await session.failure(1)).failure).toBe(ExchangeFailure.RESULT_TOO_LARGE);
    await eventually(() => closed);
  });

  test.each([
    ["large result", '{"jsonrpc":"2.0","id":1,"result":{"text":"', ExchangeFailure.RESULT_TOO_LARGE],
    ["lot of white space", "", ExchangeFailure.BAD_TARGET],
  ])("a small body that unpacks to a %s is stopped", async (_name, start, failure) => {
    const body = gzipSync(start + " ".repeat(5_000_000));
    const session = await callRaw((_request, response) =>
      response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" }).end(body),
    );
    expect((await session.failure(1)).failure).toBe(failure);
  });

  test("a result over what is kept whole comes in pieces, as JSON and as an event", async () => {
    for (const answers of ["auto", "sse"] as const) {
      const { session } = await startHttpBench({ answers });
      session.send(2, toolCall(2, "big", { bytes: 150_000 }));
      expect((await session.largeResponse(2)).bytes).toBeGreaterThan(150_000);
      await session.call(3, ping(3));
    }
  });

  test("an answer whose stream breaks off is taken up again, without repeating the call", async () => {
    const seen: string[] = [];
    const session = await callRaw((request, response) => {
      seen.push(`${request.method} ${String(request.headers["last-event-id"] ?? "")}`);
      response.writeHead(200, { "content-type": "text/event-stream" });
      if (request.method === "POST") response.end("id: one\nretry: 50\ndata: \n\n");
      else response.end('data: {"jsonrpc":"2.0","id":1,"result":{"resumed":true}}\n\n');
    });
    expect(await session.response(1)).toContain('"resumed":true');
    expect(seen).toEqual(["POST ", "GET one"]);
  });

  test("a server that wants no delay and ends every stream at once is not hammered", async () => {
    let streams = 0;
    const session = await callRaw((request, response) => {
      if (request.method !== "POST") streams += 1;
      response.writeHead(200, { "content-type": "text/event-stream" }).end("id: one\nretry: 0\ndata: \n\n");
    });
    await eventually(() => streams > 2);
    const before = streams;
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(streams - before).toBeLessThanOrEqual(6);
    session.close();
  });
});

describe("what this host does not allow", () => {
  test.each([
    ["another path", "/admin", {}],
    ["a header that steers", "/mcp", { Host: "internal" }],
    ["a header of the session", "/mcp", { "Mcp-Session-Id": "x" }],
  ])("%s is refused and nothing is sent", async (_name, pathname, headers: Record<string, string>) => {
    let requests = 0;
    const url = await startRawServer((_request, response) => {
      requests += 1;
      response.end();
    });
    const { controlPlane } = await startBench(testConfig([url]));
    const session = await controlPlane.openSession(httpTarget(new URL(pathname, url).href, headers));
    session.send(1, initialize(1));
    expect((await session.failure(1)).failure).toBe(ExchangeFailure.NOT_ALLOWED_HERE);
    session.send(0, initialized());
    expect(requests).toBe(0);
  });
});

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of request as AsyncIterable<Buffer>) body += chunk.toString();
  return body;
}
