import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { ScriptableBehaviour, type ScriptableOptions } from "../server/scriptable-behaviour.mjs";

export interface ScriptableSseServer {
  /** Of the event stream. */
  readonly url: string;
  /** Ids of the sessions whose stream is open. */
  readonly sessionIds: () => readonly string[];
  /** Bodies posted so far, oldest first. */
  readonly posted: readonly string[];
  /** Ends every event stream, as a restart does. */
  readonly dropStreams: () => void;
  readonly close: () => Promise<void>;
}

export interface ScriptableSseOptions extends ScriptableOptions {
  /** What the `endpoint` event says, with `{session}` for the session's id; undefined: a path with a query. */
  readonly endpoint?: string;
  /** `\n` unless told. */
  readonly lineEnd?: string;
}

/** The scriptable server over the HTTP+SSE transport of 2024-11-05, on a port of 127.0.0.1 of its own. */
export async function startScriptableSseServer(
  options: ScriptableSseOptions = {},
): Promise<ScriptableSseServer> {
  const sessions = new Map<string, Session>();
  const posted: string[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://127.0.0.1");
    if (request.method === "GET" && url.pathname === "/sse") {
      const session = new Session(response, options);
      sessions.set(session.id, session);
      response.once("close", () => sessions.delete(session.id));
      return;
    }
    const session = sessions.get(url.searchParams.get("session") ?? "");
    if (request.method !== "POST" || session === undefined) return void response.writeHead(404).end();
    void readBody(request).then((body) => {
      posted.push(body);
      response.writeHead(202).end("Accepted");
      return session.receive(body);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/sse`,
    sessionIds: () => [...sessions.keys()],
    posted,
    dropStreams: () => {
      for (const session of sessions.values()) session.end();
    },
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

class Session {
  readonly id = randomUUID();
  readonly #stream: ServerResponse;
  readonly #lineEnd: string;
  readonly #behaviour: ScriptableBehaviour;

  constructor(stream: ServerResponse, options: ScriptableSseOptions) {
    this.#stream = stream;
    this.#lineEnd = options.lineEnd ?? "\n";
    this.#behaviour = new ScriptableBehaviour(
      { send: (text) => this.#write("message", text), crash: () => stream.destroy() },
      options,
    );
    stream.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
    this.#write(
      "endpoint",
      (options.endpoint ?? "/messages?session={session}").replace("{session}", this.id),
    );
  }

  receive(body: string): Promise<void> {
    return this.#behaviour.receive(body);
  }

  end(): void {
    this.#stream.end();
  }

  #write(event: string, data: string): void {
    const end = this.#lineEnd;
    this.#stream.write(`event: ${event}${end}data: ${data}${end}${end}`);
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}
