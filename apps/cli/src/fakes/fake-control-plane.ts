import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { FakeEvents } from "./fake-events.js";
import { ERROR_STATUS, type ErrorCode, type Problem } from "@drawbridge/contracts";

export interface ReceivedRequest {
  readonly method: string;
  /** Without `/api/v1`, with the query. */
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: unknown;
}

/** What a route answers: a status with a body, or nothing for a closed connection. */
export interface FakeAnswer {
  readonly status?: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export type FakeRoute = (request: ReceivedRequest) => FakeAnswer;

/** A control plane whose REST routes a test sets, and whose MCP endpoint is a small tool server. */
export class FakeControlPlane {
  readonly requests: ReceivedRequest[] = [];
  readonly routes = new Map<string, FakeRoute>();
  /** Answers `tools/call`: a result or a JSON-RPC error. */
  callTool: (parameters: unknown) => Record<string, unknown> = () => ({ result: { content: [] } });
  tools: unknown[] = [];
  mcpRefusal: FakeAnswer | undefined;
  /** What a client hears that comes back for the answer of a call whose connection broke; a call breaks when it is set. */
  resume: (() => FakeAnswer) | undefined;
  readonly url: string;
  readonly events = new FakeEvents();
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("upgrade", (request, socket, head) => this.events.handle(request, socket, head));
    server.on(
      "request",
      (request: IncomingMessage, response: ServerResponse) => void this.#handle(request, response),
    );
  }

  static async start(): Promise<FakeControlPlane> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new FakeControlPlane(server);
  }

  /** `route("GET /agents", …)`; the query is not part of it. */
  route(name: string, answer: FakeRoute): void {
    this.routes.set(name, answer);
  }

  /** The requests to one route, as `GET /agents?limit=200`. */
  seen(start: string): ReceivedRequest[] {
    return this.requests.filter(({ method, path }) => `${method} ${path}`.startsWith(start));
  }

  async stop(): Promise<void> {
    this.events.cut();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = await received(incoming);
    this.requests.push(request);
    const [path = ""] = request.path.split("?");
    if (path.startsWith("/mcp/")) return this.#handleMcp(request, response);
    const route = this.routes.get(`${request.method} ${path}`);
    send(response, route?.(request) ?? problem("not_found", "there is nothing at this address"));
  }

  #handleMcp(request: ReceivedRequest, response: ServerResponse): void {
    if (this.mcpRefusal !== undefined) return send(response, this.mcpRefusal);
    if (request.method === "GET") {
      const comesBack = request.headers["last-event-id"] !== undefined;
      return send(response, (comesBack ? this.resume?.() : undefined) ?? { status: 405 });
    }
    if (request.method === "DELETE") return send(response, { status: 200 });
    const { id, method, params } = request.body as { id?: number; method: string; params?: unknown };
    if (id === undefined) return send(response, { status: 202 });
    if (method === "tools/call") return this.#streamCall(response, id, params);
    const headers = {
      "mcp-session-id": "a-session",
      "drawbridge-session": "0198c1f0-0000-7000-8000-000000000001",
    };
    const result =
      method === "initialize"
        ? {
            protocolVersion: "2025-11-25",
            capabilities: { tools: {} },
            serverInfo: { name: "fake", version: "1" },
          }
        : { tools: this.tools };
    send(response, { body: { jsonrpc: "2.0", id, result }, headers });
  }

  #streamCall(response: ServerResponse, id: number, parameters: unknown): void {
    if (this.resume !== undefined) {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write("id: e1\nretry: 5\ndata: \n\n", () => setTimeout(() => response.destroy(), 50));
      return;
    }
    const token = (parameters as { _meta?: { progressToken?: unknown } })._meta?.progressToken;
    const messages = [
      {
        method: "notifications/progress",
        params: { progressToken: token, progress: 1, total: 2, message: "half way" },
      },
      { id, ...this.callTool(parameters) },
    ];
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const message of messages)
      response.write(`data: ${JSON.stringify({ jsonrpc: "2.0", ...message })}\n\n`);
    response.end();
  }
}

/** An answer as the control plane's only error filter would give it. */
export function problem(code: ErrorCode, detail: string, problems: Problem["problems"] = []): FakeAnswer {
  const status = ERROR_STATUS[code];
  const body = { type: `urn:drawbridge:error:${code}`, title: code, status, code, detail, problems };
  return { status, body, headers: { "content-type": "application/problem+json" } };
}

async function received(incoming: IncomingMessage): Promise<ReceivedRequest> {
  let text = "";
  for await (const chunk of incoming) text += String(chunk);
  return {
    method: incoming.method ?? "",
    path: (incoming.url ?? "").replace(/^\/api\/v1/, ""),
    headers: incoming.headers,
    body: text === "" ? undefined : (JSON.parse(text) as unknown),
  };
}

function send(response: ServerResponse, { status = 200, body, headers = {} }: FakeAnswer): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(typeof body === "string" || body === undefined ? body : JSON.stringify(body));
}
