import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TargetDefinition } from "@drawbridge/protocol";
import { http, onTestEnd, ownServer, sse } from "../targets/fakes/target-bench.js";

interface Message {
  readonly id?: unknown;
  readonly method: string;
  readonly params?: {
    readonly cursor?: string;
    readonly name?: string;
    readonly arguments?: { says?: boolean };
  };
}

/**
 * What a server of any transport and era answers, message by message. Its tool "work" has another definition after each
 * call of "change", which says so if it is told to. Lists have pages of one tool; every call tells how many lists were
 * asked for and how often "work" ran. Its source is all there is of it: it runs in a process of its own, too.
 */
function changingBehaviour(): (message: Message) => readonly object[] {
  let version = 1;
  let lists = 0;
  let works = 0;
  const tool = (name: string, description: string) => ({
    name,
    description,
    inputSchema: { type: "object" },
  });
  const tools = () => [
    tool("change", "changes"),
    tool("work", `version ${version}`),
    tool("count", "counts"),
  ];
  const members = { resultType: "complete", ttlMs: 0, cacheScope: "private" };
  const info = {
    capabilities: { tools: { listChanged: true } },
    serverInfo: { name: "changing", version: "1" },
  };
  const page = ({ cursor = "0" }: NonNullable<Message["params"]>) => {
    const at = Number(cursor);
    if (at === 0) lists += 1;
    return { tools: [tools()[at]], ...(at + 1 < tools().length && { nextCursor: String(at + 1) }) };
  };
  const call = ({ name, arguments: given }: NonNullable<Message["params"]>) => {
    if (name === "change") version += 1;
    if (name === "work") works += 1;
    const says = name === "change" && given?.says === true;
    return { said: says ? [{ method: "notifications/tools/list_changed" }] : [], counts: { lists, works } };
  };
  return ({ id, method, params = {} }) => {
    if (id === undefined) return [];
    const answer = (result: object) => ({ id, result: { ...members, ...result } });
    if (method === "initialize") return [answer({ protocolVersion: "2025-11-25", ...info })];
    if (method === "tools/list") return [answer(page(params))];
    if (method !== "tools/call") return [{ id, error: { code: -32601, message: "method not found" } }];
    const { said, counts } = call(params);
    return [...said, answer({ content: [], structuredContent: counts })];
  };
}

/** As a process. */
export function changingProcess(): TargetDefinition {
  return ownServer(`
    import { createInterface } from "node:readline";
    const answer = (${changingBehaviour.toString()})();
    createInterface({ input: process.stdin }).on("line", (line) => {
      for (const message of answer(JSON.parse(line)))
        process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\\n");
    });
  `);
}

/** Over Streamable HTTP of either era, at /mcp; over HTTP+SSE, at /sse. */
export async function changingWebServer(): Promise<{ readonly origin: string }> {
  const answer = changingBehaviour();
  let stream: ServerResponse | undefined;
  const receive = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const events = { "content-type": "text/event-stream" };
    if (request.method === "GET" && request.url === "/sse") {
      stream = response.writeHead(200, events);
      stream.write("event: endpoint\ndata: /post\n\n");
      return;
    }
    if (request.method !== "POST") {
      response.writeHead(405).end();
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const messages = answer(JSON.parse(Buffer.concat(chunks).toString()) as Message);
    const text = messages
      .map((message) => `event: message\ndata: ${JSON.stringify({ jsonrpc: "2.0", ...message })}\n\n`)
      .join("");
    if (request.url === "/post") {
      response.writeHead(202).end();
      stream?.write(text);
    } else if (messages.length === 0) {
      response.writeHead(202).end();
    } else {
      response.writeHead(200, events).end(text);
    }
  };
  const server = createServer((request, response) => void receive(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestEnd(() => {
    server.closeAllConnections();
    server.close();
  });
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

export function overHttp({ origin }: { readonly origin: string }): TargetDefinition {
  return http(`${origin}/mcp`);
}

export function overSse({ origin }: { readonly origin: string }): TargetDefinition {
  return sse(`${origin}/sse`);
}
