import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import {
  parseExactly,
  ScriptableBehaviour,
  type ScriptableOptions,
} from "../server/scriptable-behaviour.mjs";

export interface RecordedRequest {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface ScriptableHttpServer {
  /** Of the MCP endpoint. */
  readonly url: string;
  /** All it was sent so far, oldest first. */
  readonly requests: readonly RecordedRequest[];
  /** Ids of the sessions that are open. */
  readonly sessionIds: () => readonly string[];
  /** Forgets all sessions, as after a restart: their next request is answered with 404. */
  readonly forgetSessions: () => void;
  readonly close: () => Promise<void>;
}

export interface ScriptableHttpOptions extends ScriptableOptions {
  /** How a request is answered; `auto`: with JSON, unless something else has to be said first. */
  readonly answers?: "auto" | "sse";
}

/** The scriptable server over Streamable HTTP, with sessions, on a port of 127.0.0.1 of its own. */
export async function startScriptableHttpServer(
  options: ScriptableHttpOptions = {},
): Promise<ScriptableHttpServer> {
  const sessions = new Map<string, Session>();
  const requests: RecordedRequest[] = [];
  const server = createServer((request, response) => {
    readBody(request)
      .then(async (body) => {
        requests.push({ method: request.method ?? "", headers: request.headers, body });
        await handle({ request, response, body, sessions, options });
      })
      .catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    requests,
    sessionIds: () => [...sessions.keys()],
    forgetSessions: () => sessions.clear(),
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: string;
  readonly sessions: Map<string, Session>;
  readonly options: ScriptableHttpOptions;
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

async function handle(exchange: Exchange): Promise<void> {
  const { request, response, sessions } = exchange;
  if (request.url !== "/mcp") return refuse(response, 404);
  if (request.method === "POST") return post(exchange);
  const session = sessions.get(sessionIdOf(request) ?? "");
  if (session === undefined) return refuse(response, sessionIdOf(request) === undefined ? 400 : 404);
  if (request.method === "GET") return session.listen(response);
  if (request.method !== "DELETE") return refuse(response, 405);
  sessions.delete(session.id);
  session.end();
  response.writeHead(200).end();
}

async function post({ request, response, body, sessions, options }: Exchange): Promise<void> {
  if (!acceptsBoth(request)) return refuse(response, 406);
  const message = parse(body);
  if (message === undefined) return refuse(response, 400);
  if (request.headers["mcp-method"] !== undefined) return postModern(message, { body, response, options });
  const session =
    message.method === "initialize" ? new Session(options) : sessions.get(sessionIdOf(request) ?? "");
  if (session === undefined) return refuse(response, sessionIdOf(request) === undefined ? 400 : 404);
  if (message.method === "initialize") sessions.set(session.id, session);
  response.setHeader("mcp-session-id", session.id);
  await session.post(message, { body, response });
}

function acceptsBoth({ headers: { accept = "" } }: IncomingMessage): boolean {
  return accept.includes("application/json") && accept.includes("text/event-stream");
}

/** Nothing is kept from one request to the next, and to close the answer is to cancel (2026-07-28). */
async function postModern(
  message: ParsedMessage,
  { body, response, options }: Pick<Exchange, "body" | "response" | "options">,
): Promise<void> {
  if (!isModern(options)) return refuse(response, 400);
  const session = new Session(options);
  response.once("close", () => response.writableEnded || session.cancel(message.id));
  await session.post(message, { body, response });
}

function isModern({ switches = [] }: ScriptableHttpOptions): boolean {
  return switches.includes("modern") || switches.includes("dual");
}

interface ParsedMessage {
  readonly id?: unknown;
  readonly method?: string;
}

function parse(body: string): ParsedMessage | undefined {
  try {
    return parseExactly(body) as ParsedMessage;
  } catch {
    return undefined;
  }
}

function sessionIdOf(request: IncomingMessage): string | undefined {
  const id = request.headers["mcp-session-id"];
  return typeof id === "string" ? id : undefined;
}

function refuse(response: ServerResponse, status: number): void {
  const error = { code: -32000, message: `refused with status ${status}` };
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify({ jsonrpc: "2.0", id: null, error }));
}

class Session {
  readonly id = randomUUID();
  readonly #behaviour: ScriptableBehaviour;
  readonly #answers: "auto" | "sse";
  /** POSTs that wait for their answer, by the JSON of the request's id. */
  readonly #posts = new Map<string, ServerResponse>();
  readonly #queue: string[] = [];
  #stream: ServerResponse | undefined;

  constructor(options: ScriptableHttpOptions) {
    this.#answers = options.answers ?? "auto";
    this.#behaviour = new ScriptableBehaviour(
      {
        send: (text, requestId) => this.#send(text, requestId),
        crash: (_code, requestId) => this.#posts.get(JSON.stringify(requestId))?.destroy(),
      },
      options,
    );
  }

  async post(
    message: ParsedMessage,
    { body, response }: { body: string; response: ServerResponse },
  ): Promise<void> {
    if (message.method === undefined || message.id === undefined) {
      response.writeHead(202).end();
      return this.#behaviour.receive(body);
    }
    const key = JSON.stringify(message.id);
    this.#posts.set(key, response);
    response.once("close", () => this.#posts.delete(key));
    await this.#behaviour.receive(body);
  }

  cancel(requestId: unknown): void {
    const params = { requestId };
    void this.#behaviour.receive(JSON.stringify({ method: "notifications/cancelled", params }));
  }

  /** The stream for what belongs to no request; there is one at most. */
  listen(response: ServerResponse): void {
    if (this.#stream !== undefined) return refuse(response, 409);
    this.#stream = response;
    response.once("close", () => (this.#stream = undefined));
    openStream(response);
    for (const text of this.#queue.splice(0)) writeEvent(response, text);
  }

  end(): void {
    this.#stream?.end();
    for (const response of this.#posts.values()) response.destroy();
  }

  #send(text: string, requestId: unknown): void {
    if (requestId === undefined) {
      if (this.#stream === undefined) this.#queue.push(text);
      else writeEvent(this.#stream, text);
      return;
    }
    const response = this.#posts.get(JSON.stringify(requestId));
    if (response === undefined) return;
    if (isFinal(text)) this.#answer(response, text);
    else writeEvent(response, text);
  }

  #answer(response: ServerResponse, text: string): void {
    if (this.#answers === "sse" || response.headersSent) {
      writeEvent(response, text);
      response.end();
      return;
    }
    response.writeHead(statusOf(text), { "content-type": "application/json" }).end(text);
  }
}

/** As 2026-07-28 wants it. */
function statusOf(text: string): number {
  const { error } = (parse(text) ?? {}) as { error?: { code?: number } };
  if (error?.code === -32022) return 400;
  return 200;
}

/** Rubbish ends the exchange, too. */
function isFinal(text: string): boolean {
  return parse(text)?.method === undefined;
}

function openStream(response: ServerResponse): void {
  if (response.headersSent) return;
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  response.flushHeaders();
}

function writeEvent(response: ServerResponse, text: string): void {
  openStream(response);
  response.write(`event: message\ndata: ${text}\n\n`);
}
