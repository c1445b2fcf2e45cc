// The load generator, in a process of its own: one sequential loop of tool calls per session over plain node:http.
// An answer that is not a result ends the measurement: errors are fast, and would make any system look good.
import { once } from "node:events";
import http from "node:http";
import type { LoadOutcome, LoadWish } from "./load-generator.js";

const ANSWER_WITHIN_MS = 30_000;
const REVISION = "2025-11-25";
const MODERN_REVISION = "2026-07-28";
const CLIENT_INFO = { name: "drawbridge-bench", version: "1" };
/** What every request of the modern era carries. */
const ENVELOPE = {
  "io.modelcontextprotocol/protocolVersion": MODERN_REVISION,
  "io.modelcontextprotocol/clientCapabilities": {},
  "io.modelcontextprotocol/clientInfo": CLIENT_INFO,
};

interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: string;
}

interface Http {
  readonly agent: http.Agent;
  readonly headers: Record<string, string>;
}

function send({ agent, headers }: Http, method: string, url: string, body?: string): Promise<Answer> {
  const length = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers: { ...headers, ...length }, agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString("utf8"),
        }),
      );
    });
    request.setTimeout(ANSWER_WITHIN_MS, () =>
      request.destroy(new Error(`${url} gave no answer within ${ANSWER_WITHIN_MS} ms`)),
    );
    request.on("error", reject);
    request.end(body);
  });
}

/** How a session's messages travel. */
interface Channel {
  /** Resolves with the JSON of the response. */
  request(id: number, body: string): Promise<string>;
  notify(body: string): Promise<void>;
  close(): Promise<void>;
}

class StreamableHttp implements Channel {
  readonly #http: Http;
  readonly #url: string;

  constructor(connection: Http, url: string) {
    this.#http = connection;
    this.#url = url;
  }

  async request(id: number, body: string): Promise<string> {
    const { status, headers, body: text } = await send(this.#http, "POST", this.#url, body);
    if (status !== 200) throw new Error(`a request was answered with HTTP ${status}: ${text.slice(0, 500)}`);
    const sessionId = headers["mcp-session-id"];
    if (typeof sessionId === "string") {
      this.#http.headers["mcp-session-id"] = sessionId;
      this.#http.headers["mcp-protocol-version"] = REVISION;
    }
    const isStream = headers["content-type"]?.startsWith("text/event-stream") === true;
    return isStream ? (dataOf(text).find((data) => data.includes(`"id":${id}`)) ?? "") : text;
  }

  async notify(body: string): Promise<void> {
    const { status } = await send(this.#http, "POST", this.#url, body);
    if (status !== 202) throw new Error(`a notification was answered with HTTP ${status}`);
  }

  async close(): Promise<void> {
    await send(this.#http, "DELETE", this.#url);
  }
}

/** The transport of 2024, which some peers still offer alone: answers come on a stream that stays open. */
class HttpWithSse implements Channel {
  readonly #http: Http;
  readonly #stream: http.ClientRequest;
  readonly #waiting = new Map<number, PromiseWithResolvers<string>>();
  readonly #endpoint = Promise.withResolvers<string>();
  #partial = "";

  constructor(connection: Http, url: string) {
    this.#http = connection;
    this.#stream = http.get(url, { headers: connection.headers, agent: connection.agent }, (response) => {
      response.setEncoding("utf8");
      response.on("data", (text: string) => this.#read(text, url));
      response.on("error", (error) => this.#fail(error));
      response.on("end", () => this.#fail(new Error("the stream of answers ended")));
    });
    this.#stream.on("error", (error) => this.#fail(error));
  }

  async request(id: number, body: string): Promise<string> {
    const answer = Promise.withResolvers<string>();
    this.#waiting.set(id, answer);
    await this.notify(body);
    return answer.promise;
  }

  async notify(body: string): Promise<void> {
    const { status } = await send(this.#http, "POST", await this.#endpoint.promise, body);
    if (status !== 202) throw new Error(`a message was answered with HTTP ${status}`);
  }

  async close(): Promise<void> {
    this.#stream.destroy();
  }

  #read(text: string, url: string): void {
    const events = (this.#partial + text).split(/\r?\n\r?\n/);
    this.#partial = events.pop() ?? "";
    for (const event of events) {
      const [data = ""] = dataOf(event);
      if (/^event: ?endpoint$/m.test(event)) {
        this.#endpoint.resolve(new URL(data, url).href);
        continue;
      }
      const id = Number(/"id":(\d+)/.exec(data)?.[1]);
      this.#waiting.get(id)?.resolve(data);
      this.#waiting.delete(id);
    }
  }

  #fail(error: Error): void {
    this.#endpoint.reject(error);
    for (const { reject } of this.#waiting.values()) reject(error);
  }
}

function dataOf(stream: string): string[] {
  const lines = stream.split(/\r?\n/).filter((line) => line.startsWith("data:"));
  return lines.map((line) => line.slice("data:".length).trimStart());
}

interface Message {
  id?: unknown;
  result?: unknown;
}

class Session {
  readonly #channel: Channel;
  readonly #isModern: boolean;
  #nextId = 1;

  constructor({ url, headers, transport, era, call }: LoadWish, agent: http.Agent) {
    const accept = "application/json, text/event-stream";
    this.#isModern = era === "modern";
    // All a modern client sends are calls of one tool.
    const modern = {
      "mcp-protocol-version": MODERN_REVISION,
      "mcp-method": "tools/call",
      "mcp-name": call.name,
    };
    const connection = {
      agent,
      headers: {
        ...headers,
        ...(this.#isModern && modern),
        "content-type": "application/json",
        accept,
      },
    };
    this.#channel =
      transport === "sse" ? new HttpWithSse(connection, url) : new StreamableHttp(connection, url);
  }

  async open(): Promise<this> {
    if (this.#isModern) return this;
    const hello = { protocolVersion: REVISION, capabilities: {}, clientInfo: CLIENT_INFO };
    await this.request("initialize", hello);
    await this.#channel.notify(JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" }));
    return this;
  }

  /** @throws when the answer is anything but the result of this request */
  async request(method: string, params: object): Promise<unknown> {
    const id = this.#nextId++;
    const sent = this.#isModern ? { ...params, _meta: ENVELOPE } : params;
    const body = JSON.stringify({ jsonrpc: "2.0", id, method, params: sent });
    const text = await this.#channel.request(id, body);
    const message = JSON.parse(text || "{}") as Message;
    const { result } = message;
    if (message.id !== id || result === undefined || (result as { isError?: boolean }).isError === true) {
      throw new Error(`${method} was answered with an error: ${text.slice(0, 500)}`);
    }
    return result;
  }

  async close(): Promise<void> {
    if (!this.#isModern) await this.#channel.close();
  }
}

/** Calls until the deadline; only calls that begin after `countFrom` are timed. */
async function callUntil(session: Session, call: object, time: { countFrom: number; deadline: number }) {
  const latencies: number[] = [];
  let answered = 0;
  for (let begun = performance.now(); begun < time.deadline; begun = performance.now()) {
    await session.request("tools/call", call);
    answered += 1;
    if (begun >= time.countFrom) latencies.push(performance.now() - begun);
  }
  return { answered, latencies };
}

async function measure(wish: LoadWish): Promise<LoadOutcome> {
  const agent = new http.Agent({ keepAlive: true, maxFreeSockets: wish.sessions });
  try {
    const opening = Array.from({ length: wish.sessions }, () => new Session(wish, agent).open());
    const sessions = await Promise.all(opening);
    const sample = JSON.stringify(await sessions[0]?.request("tools/call", wish.call));

    const countFrom = performance.now() + wish.warmUpMs;
    const time = { countFrom, deadline: countFrom + wish.measureMs };
    process.send?.({ kind: "begins", inMs: wish.warmUpMs });
    const parts = await Promise.all(sessions.map((session) => callUntil(session, wish.call, time)));
    const elapsedMs = performance.now() - countFrom;

    const mayClose = once(process, "message");
    process.send?.({ kind: "ends" });
    await mayClose;
    await Promise.all(sessions.map((session) => session.close()));
    return {
      sample,
      elapsedMs,
      answered: parts.reduce((sum, { answered }) => sum + answered, 1),
      latenciesMs: Float64Array.from(parts.flatMap(({ latencies }) => latencies)),
    };
  } finally {
    agent.destroy();
  }
}

process.on("message", (message: LoadWish | "close") => {
  if (message === "close") return;
  measure(message).then(
    (outcome) => process.send?.({ kind: "done", outcome }),
    (error: Error) => process.send?.({ kind: "failed", message: error.message }),
  );
});
process.on("disconnect", () => process.exit(0));
