import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { ExchangeFailure } from "@drawbridge/protocol";
import {
  eventually,
  modern,
  notification,
  request,
  resultMessage,
  startScriptableHttpServer,
  toolCall,
  withMeta,
} from "@drawbridge/testing";
import { describe, expect, test } from "vitest";
import { waitFor } from "../fakes/wait-for.js";
import {
  cleanUpAfterEach,
  http,
  onTestEnd,
  open,
  type OpenedTarget,
  testHost,
} from "./fakes/target-bench.js";

cleanUpAfterEach();

async function start() {
  const server = await startScriptableHttpServer({ switches: ["modern"] });
  onTestEnd(() => server.close());
  const definition = http(server.url, { "x-api-key": "for the target" });
  return { server, session: open(testHost({ urls: [server.url] }), definition, "modern") };
}

type Answer = (response: ServerResponse, request: IncomingMessage) => unknown;

async function startRaw(answer: Answer, messageBytes = 16 * 1024 * 1024): Promise<OpenedTarget> {
  const server = createServer((incoming, response) => void answer(response, incoming));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestEnd(() => {
    server.close();
    server.closeAllConnections();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
  return open(testHost({ urls: [url], messageBytes }), http(url), "modern");
}

const discover = modern(request(1, "server/discover"));

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

describe("a target of 2026-07-28 over HTTP", () => {
  test("gets each request by itself, with the headers its body asks for and those of its arguments", async () => {
    const { server, session } = await start();
    await session.call(2, discover);
    await session.call(3, modern(toolCall(3, "naïve", {})), {});
    await session.call(4, modern(toolCall(4, "headed", { region: "eu" })), {
      "mcp-param-region": "eu",
      "mcp-method": "never this",
      authorization: "Bearer never this",
    });
    expect(
      server.requests.map(({ method, headers }) => [method, headers["mcp-method"], headers["mcp-name"]]),
    ).toEqual([
      ["POST", "server/discover", undefined],
      ["POST", "tools/call", `=?base64?${Buffer.from("naïve").toString("base64")}?=`],
      ["POST", "tools/call", "headed"],
    ]);
    expect(server.requests.at(-1)?.headers).toMatchObject({
      "mcp-protocol-version": "2026-07-28",
      "mcp-param-region": "eu",
      "x-api-key": "for the target",
      accept: "application/json, text/event-stream",
    });
    for (const { headers } of server.requests) {
      expect(headers["mcp-session-id"]).toBeUndefined();
      expect(headers.authorization).toBeUndefined();
    }
    expect(server.sessionIds()).toEqual([]);
  });

  test("answers several calls with the same id, each to who asked", async () => {
    const { session } = await start();
    for (const exchange of [2, 3]) session.send(exchange, modern(toolCall("same", "echo", { exchange })));
    for (const exchange of [2, 3])
      expect(await session.response(exchange, "same")).toContain(`"exchange":${exchange}`);
  });

  test("streams what it says on the way, and a subscription for as long as it is wanted", async () => {
    const { session } = await start();
    const slow = modern(withMeta(toolCall(2, "slow", { ms: 150 }), { progressToken: 5 }));
    await session.call(2, slow);
    expect(session.messages(2).some(({ params }) => params?.["progressToken"] === 5)).toBe(true);
    session.send(3, modern(request("listen", "subscriptions/listen")));
    await waitFor(() => session.messages(3)[0]);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(session.listener.isWaiting(3)).toBe(true);
  });

  test("is cancelled by closing its answer, and told nothing else", async () => {
    let closed = 0;
    let requests = 0;
    const session = await startRaw((response) => {
      requests += 1;
      response.writeHead(200, { "content-type": "text/event-stream" }).write(": hello\n\n");
      response.once("close", () => (closed += 1));
    });
    session.send(2, modern(toolCall(2, "slow")));
    await eventually(() => requests === 1);
    session.send(0, notification("notifications/cancelled", { requestId: 2 }));
    session.target.cancel(2, { id: { text: "2" }, method: "tools/call" }, "nobody waits");
    await eventually(() => closed === 1);
    expect((await session.failure(2)).failure).toBe(ExchangeFailure.OUTCOME_UNKNOWN);
    expect(requests).toBe(1);
  });

  test("does not get a stream taken up again that broke off, nor one to listen on", async () => {
    const seen: (string | undefined)[] = [];
    const session = await startRaw((response, incoming) => {
      seen.push(incoming.method);
      response.writeHead(200, { "content-type": "text/event-stream" }).end("id: one\nretry: 50\ndata: \n\n");
    });
    session.send(1, discover);
    expect((await session.failure(1)).failure).toBe(ExchangeFailure.OUTCOME_UNKNOWN);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(seen).toEqual(["POST"]);
  });

  test.each([400, 404, 500])("answers with its JSON-RPC error, whatever the status: %d", async (status) => {
    const error = { code: -32022, message: "no", data: { supported: ["2026-07-28"] } };
    const session = await startRaw((response) => json(response, status, { jsonrpc: "2.0", error }));
    session.send(1, discover);
    const { text } = await waitFor(() => session.listener.messages[0]);
    expect(JSON.parse(text)).toEqual({ jsonrpc: "2.0", id: 1, error });
  });

  test.each<[string, ExchangeFailure, Answer]>([
    [
      "HTTP 404 in HTML",
      ExchangeFailure.TARGET_UNAVAILABLE,
      (response) => response.writeHead(404).end("<html>"),
    ],
    ["HTTP 401", ExchangeFailure.TARGET_UNAVAILABLE, (response) => response.writeHead(401).end()],
    ["HTTP 503", ExchangeFailure.OUTCOME_UNKNOWN, (response) => response.writeHead(503).end()],
    ["202 to a request", ExchangeFailure.BAD_TARGET, (response) => response.writeHead(202).end()],
    [
      "another id",
      ExchangeFailure.BAD_TARGET,
      (response) => json(response, 200, { jsonrpc: "2.0", id: 9, result: {} }),
    ],
    ["a broken connection", ExchangeFailure.OUTCOME_UNKNOWN, (response) => response.destroy()],
    [
      "a redirect",
      ExchangeFailure.TARGET_UNAVAILABLE,
      (response) => response.writeHead(308, { location: "/elsewhere" }).end(),
    ],
  ])("fails the call as what it is: %s", async (_name, failure, answer) => {
    const session = await startRaw(answer);
    session.send(1, discover);
    expect((await session.failure(1)).failure).toBe(failure);
  });
});

test("a header that no request can have is never sent, and the call fails as not having run", async () => {
  const { server, session } = await start();
  session.send(2, discover, { "mcp-param-x": "a\r\nx-evil: 1" });
  expect((await session.failure(2)).failure).toBe(ExchangeFailure.TARGET_UNAVAILABLE);
  expect(server.requests).toEqual([]);
});

describe("a large answer over HTTP", () => {
  const text = "x".repeat(30_000_000);
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, result: { resultType: "complete", text } });
  const encodings = {
    identity: (plain: string) => Buffer.from(plain),
    gzip: (plain: string) => gzipSync(plain),
    br: (plain: string) => brotliCompressSync(plain),
  };

  test.each(Object.keys(encodings) as (keyof typeof encodings)[])(
    "comes in pieces, in %s, and no more of it while it is paused",
    async (encoding) => {
      const encoded = encodings[encoding](body);
      const session = await startRaw(
        (response) =>
          response
            .writeHead(200, { "content-type": "application/json", "content-encoding": encoding })
            .end(encoded),
        100_000,
      );
      session.listener.onPiece = ({ bytes }) => {
        if (bytes > 1_000_000) session.target.pause();
      };
      session.send(1, discover);
      await waitFor(() => session.listener.larges.find(({ bytes }) => bytes > 1_000_000));
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(session.listener.larges[0]?.bytes).toBeLessThan(2_000_000);
      session.listener.onPiece = () => undefined;
      session.target.resume();
      const large = await waitFor(() => session.listener.larges.find(({ outcome }) => outcome !== undefined));
      expect(large).toMatchObject({ exchange: 1, bytes: body.length, outcome: { ended: undefined } });
      expect(large.largestPiece).toBeLessThan(300_000);
      expect(session.listener.isWaiting(1)).toBe(false);
    },
  );

  test("is not read on when its call is over: the connection is closed", async () => {
    let closed = false;
    const session = await startRaw((response) => {
      response.once("close", () => (closed = true));
      response
        .writeHead(200, { "content-type": "application/json" })
        .write('{"jsonrpc":"2.0","id":1,"result":"');
      const more = setInterval(() => response.write("x".repeat(100_000)), 5);
      response.once("close", () => clearInterval(more));
    }, 100_000);
    session.listener.onPiece = ({ bytes }) => {
      if (bytes > 1_000_000)
        session.listener.exchangeFailed(1, ExchangeFailure.RESULT_TOO_LARGE, "too large");
    };
    session.send(1, discover);
    await eventually(() => closed);
    expect(session.listener.larges[0]?.bytes).toBeLessThan(3_000_000);
  });

  test("that breaks off is told to whoever took it", async () => {
    const session = await startRaw((response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": body.length });
      response.write(body.slice(0, 1_000_000), () => response.destroy());
    }, 100_000);
    session.send(1, discover);
    const large = await waitFor(() => session.listener.larges.find(({ outcome }) => outcome !== undefined));
    expect(large.outcome).toEqual({ aborted: "the target's answer broke off" });
    expect((await session.failure(1)).failure).toBe(ExchangeFailure.OUTCOME_UNKNOWN);
  });

  test("of white space, or of many messages, is none", async () => {
    for (const filler of [" ", "["]) {
      const session = await startRaw(
        (response) =>
          response.writeHead(200, { "content-type": "application/json" }).end(filler.repeat(300_000)),
        100_000,
      );
      session.send(1, discover);
      await waitFor(() => session.listener.rubbishReasons[0]);
      expect(session.listener.larges).toEqual([]);
    }
  });
});

describe("what a client of 2026-07-28 sends besides requests", () => {
  test("is posted when it is a notification, and goes nowhere when it is a response", async () => {
    const { server, session } = await start();
    session.send(0, notification("notifications/vendor"));
    session.send(0, resultMessage(1, {}));
    await session.call(2, discover);
    await eventually(() => server.requests.length === 2);
    expect(new Set(server.requests.map(({ headers }) => headers["mcp-method"]))).toEqual(
      new Set(["notifications/vendor", "server/discover"]),
    );
  });
});
