// The MCP server that every case calls: Streamable HTTP with JSON answers, in a process of its own. Prints its URL.
// With the argument `stdio` it speaks over its standard streams instead, for peers that know nothing else.
import { randomUUID } from "node:crypto";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";

const TOOLS = [
  {
    name: "lookup_customer",
    description: "One customer by id",
    inputSchema: { type: "object", properties: { id: { type: "string" } }, required: ["id"] },
  },
];

// About 300 bytes, with a made-up card number: what masks has something to mask.
const CUSTOMER = {
  content: [
    {
      type: "text",
      text: JSON.stringify({
        id: "c-1042",
        name: "Ada Example",
        city: "Utrecht",
        card: "4111 1111 1111 1111",
        orders: 17,
        since: "2021-03-04",
        note: "prefers delivery in the morning, second door on the left, no signature needed",
      }),
    },
  ],
  isError: false,
};

const RESULTS: Record<string, unknown> = {
  "tools/list": { tools: TOOLS },
  "tools/call": CUSTOMER,
  "resources/list": { resources: [] },
  "prompts/list": { prompts: [] },
  ping: {},
};

const DISCOVERED = {
  resultType: "complete",
  supportedVersions: ["2026-07-28", "2025-11-25"],
  capabilities: { tools: {} },
  ttlMs: 60_000,
  cacheScope: "public",
};

/** As above, with what results of the modern era must say of themselves. */
const MODERN_RESULTS: Record<string, unknown> = {
  "tools/list": { resultType: "complete", tools: TOOLS, ttlMs: 60_000, cacheScope: "public" },
  "tools/call": { resultType: "complete", ...CUSTOMER },
};

interface Message {
  id?: string | number;
  method: string;
  params?: { protocolVersion?: string; _meta?: object };
}

/** Speaks whatever revision it is asked for: none of them differs in what is measured. */
function resultOf({ method, params }: Message): unknown {
  if (method === "server/discover") return DISCOVERED;
  if (method !== "initialize") return params?._meta ? MODERN_RESULTS[method] : RESULTS[method];
  return {
    protocolVersion: params?.protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: "stub", version: "1" },
  };
}

/** The response to a request, undefined for what wants none. */
function responseTo(message: Message): string | undefined {
  const { id, method } = message;
  if (id === undefined) return undefined;
  const result = resultOf(message);
  const error = { code: -32601, message: `Method not found: ${method}` };
  return JSON.stringify({ jsonrpc: "2.0", id, ...(result === undefined ? { error } : { result }) });
}

function answer(message: Message, response: ServerResponse): void {
  const body = responseTo(message);
  if (body === undefined) {
    response.writeHead(202, { "content-length": 0 }).end();
    return;
  }
  response.writeHead(200, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    ...(message.method === "initialize" && { "mcp-session-id": randomUUID() }),
  });
  response.end(body);
}

function handle(request: IncomingMessage, response: ServerResponse): void {
  if (request.method !== "POST") {
    response.writeHead(request.method === "DELETE" ? 200 : 405, { "content-length": 0 }).end();
    return;
  }
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => answer(JSON.parse(Buffer.concat(chunks).toString("utf8")) as Message, response));
}

function serveHttp(): void {
  const server = createServer(handle).listen(0, "127.0.0.1", () => {
    process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp\n`);
  });
  server.keepAliveTimeout = 60_000;
}

function serveStdio(): void {
  createInterface({ input: process.stdin }).on("line", (line) => {
    const response = responseTo(JSON.parse(line) as Message);
    if (response !== undefined) process.stdout.write(`${response}\n`);
  });
}

if (process.argv[2] === "stdio") serveStdio();
else serveHttp();
