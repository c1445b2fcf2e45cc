import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, test } from "vitest";
import { eventually } from "./eventually.js";
import {
  cancelled,
  initialize,
  initialized,
  type JsonRpcObject,
  notification,
  promptGet,
  resourceRead,
  resultMessage,
  toolCall,
  toolsList,
  withMeta,
} from "./json-rpc-messages.js";
import { startScriptableHttpServer, type ScriptableHttpServer } from "./scriptable-http-server.js";
import { SCRIPTABLE_SERVER_PATH } from "./scriptable-server-path.js";

const closers: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

describe("over stdio", () => {
  test("initializes with the revision asked for, if it knows it", async () => {
    const server = start();
    server.send(initialize(1, { protocolVersion: "2025-03-26" }));
    expect(await server.next()).toMatchObject({ id: 1, result: { protocolVersion: "2025-03-26" } });
    server.send(initialize(2, { protocolVersion: "1999-01-01" }));
    expect(await server.next()).toMatchObject({ id: 2, result: { protocolVersion: "2025-11-25" } });
  });

  test("echoes numbers that a double cannot hold, and ids", async () => {
    const server = start();
    server.sendText(
      '{"jsonrpc":"2.0","id":12345678901234567890,"method":"tools/call","params":{"name":"echo","arguments":{"n":1.0}}}',
    );
    const line = await server.nextLine();
    expect(line).toContain('"id":12345678901234567890');
    expect(line).toContain('"structuredContent":{"n":1.0}');
  });

  test("reports progress of a slow call to whoever gave a token", async () => {
    const server = start();
    server.send(withMeta(toolCall("a", "slow", { ms: 60 }), { progressToken: "t" }));
    expect(await server.next()).toMatchObject({
      method: "notifications/progress",
      params: { progressToken: "t", total: 60 },
    });
    const answer = await eventually(async () => {
      const message = await server.next();
      return message.id === "a" && message;
    });
    expect(answer).toMatchObject({ result: { content: [{ text: "slept 60 ms" }] } });
  });

  test("does not answer a cancelled call", async () => {
    const server = start();
    server.send(toolCall(1, "slow", { ms: 60_000 }));
    server.send(cancelled(1));
    server.send(toolCall(2, "cancellations"));
    expect(await server.next()).toMatchObject({ id: 2, result: { structuredContent: { ids: [1] } } });
  });

  test("counts each call once", async () => {
    const folder = mkdtempSync(join(tmpdir(), "scriptable-"));
    closers.push(() => rmSync(folder, { recursive: true }));
    const server = start({ COUNTER_FILE: join(folder, "count") });
    server.send(toolCall(1, "count"));
    expect(await server.next()).toMatchObject({ id: 1, result: { structuredContent: { count: 1 } } });
    server.send(toolCall(2, "count"));
    expect(await server.next()).toMatchObject({ id: 2, result: { structuredContent: { count: 2 } } });
  });

  test("asks the client and answers with what it said", async () => {
    const server = start();
    server.send(toolCall(1, "sample", { prompt: "hello" }));
    const asked = await server.next();
    expect(asked).toMatchObject({ method: "sampling/createMessage" });
    server.send(resultMessage(asked.id as string, { role: "assistant" }));
    expect(await server.next()).toMatchObject({
      id: 1,
      result: { structuredContent: { answer: { role: "assistant" } } },
    });
  });

  test.each([
    ["fail", { result: { isError: true } }],
    ["secrets", { result: { structuredContent: { card: "4111 1111 1111 1111" } } }],
    ["nothing such", { error: { code: -32602 } }],
  ])("answers %s", async (name, answer) => {
    const server = start();
    server.send(toolCall(1, name));
    expect(await server.next()).toMatchObject({ id: 1, ...answer });
  });

  test("answers prompts, resources and an unknown method", async () => {
    const server = start();
    server.send(promptGet(1, "greeting", { name: "Ada" }));
    expect(await server.next()).toMatchObject({ id: 1, result: { messages: [{ role: "user" }] } });
    server.send(resourceRead(2, "memo://welcome"));
    expect(await server.next()).toMatchObject({ id: 2, result: { contents: [{ uri: "memo://welcome" }] } });
    server.send({ jsonrpc: "2.0", id: 3, method: "no/such" });
    expect(await server.next()).toMatchObject({ id: 3, error: { code: -32601 } });
  });

  test("says its environment's names, and text of the size asked for", async () => {
    const server = start({ SOME_NAME: "value" });
    server.send(toolCall(1, "environment"));
    const { result } = await server.next();
    expect(JSON.stringify(result)).toContain("SOME_NAME");
    expect(JSON.stringify(result)).not.toContain("value");
    server.send(toolCall(2, "big", { bytes: 100_000 }));
    expect((await server.nextLine()).length).toBeGreaterThan(100_000);
  });

  test("says things that are no MCP when told to", async () => {
    const server = start();
    server.send(toolCall(1, "rubbish"));
    expect(await server.nextLine()).toBe("this is not JSON");
    server.send(toolCall(2, "duplicateKey"));
    expect(await server.nextLine()).toContain('"text":"one","text":"two"');
  });

  test("starts a grandchild in its own process group", async () => {
    const server = start();
    server.send(toolCall(1, "spawnChild"));
    const { result } = await server.next();
    const { pid } = (result as { structuredContent: { pid: number } }).structuredContent;
    closers.push(() => void process.kill(pid));
    expect(process.kill(pid, 0)).toBe(true);
  });

  test("pages its lists by the size told", async () => {
    const server = start({}, ["--page-size=2"]);
    server.send(toolsList(1));
    expect(await server.next()).toMatchObject({ result: { tools: [{}, {}], nextCursor: "2" } });
    server.send(toolsList(2, "nonsense"));
    expect(await server.next()).toMatchObject({ error: { code: -32602 } });
  });

  test("exits with the code told, at once or by a call, and when stdin ends", async () => {
    expect(await start({}, ["--exit-at-once=7"]).exitCode()).toBe(7);
    const crashing = start();
    crashing.send(toolCall(1, "crash", { code: 3 }));
    expect(await crashing.exitCode()).toBe(3);
    const ended = start();
    ended.child.stdin?.end();
    expect(await ended.exitCode()).toBe(0);
  });

  test("ignores SIGTERM and the end of stdin when told to", async () => {
    const server = start({ SCRIPTABLE_SERVER: "ignore-sigterm never-initialize" });
    server.send(initialize(1));
    server.send(toolCall(2, "pid"));
    expect(await server.next()).toMatchObject({
      id: 2,
      result: { structuredContent: { pid: server.child.pid } },
    });
    server.child.kill("SIGTERM");
    server.child.stdin?.end();
    await expect(Promise.race([server.exitCode(), delay(150)])).resolves.toBe("still there");
  });
});

describe("over Streamable HTTP", () => {
  test("answers within a session with JSON, or with events when there is more to say", async () => {
    const { server, headers } = await open();
    const plain = await post(server, headers, toolCall(2, "echo", { a: 1 }));
    expect(plain.headers.get("content-type")).toBe("application/json");
    expect(await plain.json()).toMatchObject({ id: 2, result: { structuredContent: { a: 1 } } });

    const streamed = await post(
      server,
      headers,
      withMeta(toolCall(3, "slow", { ms: 60 }), { progressToken: 9 }),
    );
    expect(streamed.headers.get("content-type")).toBe("text/event-stream");
    const text = await streamed.text();
    expect(text).toContain('"progressToken":9');
    expect(text).toContain('"id":3');
  });

  test("answers 202 to notifications, and records what it was sent", async () => {
    const { server, headers } = await open();
    expect((await post(server, headers, notification("notifications/initialized"))).status).toBe(202);
    expect(server.requests.at(-1)).toMatchObject({
      method: "POST",
      headers: { "mcp-session-id": headers["mcp-session-id"] },
      body: JSON.stringify(initialized()),
    });
  });

  test("refuses a request without a session, of an unknown one, and after its end", async () => {
    const { server, headers } = await open();
    expect((await post(server, {}, toolsList(2))).status).toBe(400);
    expect((await post(server, { "mcp-session-id": "foreign" }, toolsList(2))).status).toBe(404);
    expect((await fetch(server.url, { method: "DELETE", headers })).status).toBe(200);
    expect((await post(server, headers, toolsList(2))).status).toBe(404);
    expect(server.sessionIds()).toEqual([]);
  });

  test("sends what belongs to no request on the one GET stream", async () => {
    const { server, headers } = await open();
    await (await post(server, headers, toolCall(2, "notify"))).text();
    const abort = new AbortController();
    closers.push(() => abort.abort());
    const stream = await fetch(server.url, { headers, signal: abort.signal });
    expect(await nextText(stream.body!.getReader())).toContain("notifications/tools/list_changed");
    expect((await fetch(server.url, { headers })).status).toBe(409);
  });

  test("asks on the stream of the call and takes the answer by another POST", async () => {
    const { server, headers } = await open();
    const response = await post(server, headers, toolCall(2, "sample"));
    const reader = response.body!.getReader();
    const asked = await nextText(reader);
    const id = /"id":"(server-[0-9]+)"/.exec(asked)?.[1];
    expect((await post(server, headers, resultMessage(id!, { said: "yes" }))).status).toBe(202);
    expect(await nextText(reader)).toContain('"said":"yes"');
  });

  test("breaks the connection when it crashes", async () => {
    const { server, headers } = await open();
    await expect(post(server, headers, toolCall(2, "crash"))).rejects.toThrow("fetch failed");
  });
});

describe("eventually", () => {
  test("waits until nothing is thrown, and says what was thrown last when it takes too long", async () => {
    let calls = 0;
    const value = await eventually(() => (++calls < 3 ? false : "there"), { intervalMs: 1 });
    expect(value).toBe("there");
    await expect(
      eventually(
        () => {
          throw new Error("never");
        },
        { timeoutMs: 10, intervalMs: 1 },
      ),
    ).rejects.toThrow("never");
  });
});

interface Running {
  readonly child: ChildProcess;
  send(message: JsonRpcObject): void;
  sendText(text: string): void;
  next(): Promise<JsonRpcObject>;
  nextLine(): Promise<string>;
  exitCode(): Promise<number | null>;
}

function start(env: Readonly<Record<string, string>> = {}, args: readonly string[] = []): Running {
  const child = spawn(process.execPath, [SCRIPTABLE_SERVER_PATH, ...args], {
    env: { ...env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  closers.push(() => void child.kill("SIGKILL"));
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextLine = async (): Promise<string> => (await lines.next()).value as string;
  return {
    child,
    send: (message) => void child.stdin.write(`${JSON.stringify(message)}\n`),
    sendText: (text) => void child.stdin.write(`${text}\n`),
    nextLine,
    next: async () => JSON.parse(await nextLine()) as JsonRpcObject,
    exitCode: async () => (await exited)[0] as number | null,
  };
}

function delay(ms: number): Promise<string> {
  return new Promise((resolve) => setTimeout(() => resolve("still there"), ms));
}

async function open(): Promise<{ server: ScriptableHttpServer; headers: Readonly<Record<string, string>> }> {
  const server = await startScriptableHttpServer();
  closers.push(server.close);
  const response = await post(server, {}, initialize(1));
  expect(await response.json()).toMatchObject({ id: 1, result: { protocolVersion: "2025-11-25" } });
  return { server, headers: { "mcp-session-id": response.headers.get("mcp-session-id") ?? "" } };
}

async function nextText(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string> {
  const { value } = await reader.read();
  return Buffer.from(value ?? []).toString();
}

function post(
  server: ScriptableHttpServer,
  headers: Readonly<Record<string, string>>,
  message: JsonRpcObject,
): Promise<Response> {
  return fetch(server.url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...headers,
    },
    body: JSON.stringify(message),
  });
}
