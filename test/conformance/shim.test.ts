import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { eventually } from "@drawbridge/testing";
import { afterEach, expect, test } from "vitest";
import { Shim } from "./shim.js";

const stops: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

async function upstream(handle: http.RequestListener): Promise<string> {
  const server = http.createServer(handle).listen(0, "127.0.0.1");
  await once(server, "listening");
  stops.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function shimTo(origin: string): Promise<Shim> {
  const shim = await Shim.start({
    upstream: (path) => new URL(path, origin),
    headers: (headers) => [...headers, ["Authorization", "Bearer token"]],
  });
  stops.push(() => shim.stop());
  return shim;
}

test("passes names, order and values of headers on as they came, Host among them, and adds its own", async () => {
  let came: string[] = [];
  const origin = await upstream((request, response) => {
    came = request.rawHeaders;
    response.writeHead(418, ["X-Odd-Case", "kept"]).end("short and stout");
  });
  const shim = await shimTo(origin);
  shim.label = "headers";
  const sent = [
    "HOST",
    "evil.example.com",
    "oRiGiN",
    "http://evil.example.com",
    "X-Twice",
    "1",
    "X-Twice",
    "2",
  ];
  const request = http.request(`${shim.origin}/mcp/x`, { setHost: false, headers: sent as never }).end();
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  expect(response.statusCode).toBe(418);
  expect(response.rawHeaders.slice(0, 2)).toEqual(["X-Odd-Case", "kept"]);
  response.resume();
  await once(response, "end");
  expect(came.slice(0, 10)).toEqual([...sent, "Authorization", "Bearer token"]);
  expect(shim.take()).toMatchObject([
    { label: "headers", path: "/mcp/x", status: 418, responseBody: "short and stout", isAborted: false },
  ]);
});

test("passes each piece of a stream on at once, and the leaving of a client", async () => {
  let left = false;
  const origin = await upstream((_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("data: first\n\n");
    response.once("close", () => (left = true));
  });
  const shim = await shimTo(origin);
  const leaving = new AbortController();
  const response = await fetch(`${shim.origin}/mcp/x`, { signal: leaving.signal });
  const reader = response.body?.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  expect(new TextDecoder().decode((await reader.read()).value)).toBe("data: first\n\n");
  expect(left).toBe(false);
  leaving.abort();
  await eventually(() => {
    expect(left).toBe(true);
    return Promise.resolve();
  });
  expect(shim.take()).toMatchObject([{ isAborted: true, responseBody: "data: first\n\n" }]);
});
