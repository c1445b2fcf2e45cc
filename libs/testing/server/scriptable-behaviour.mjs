// What the scriptable MCP server does, whatever it is reached by. No dependencies: a child has to start fast.
// Plain JavaScript, so that any Node runs it without a build; what it is sent has no types.
/* oxlint-disable typescript/no-unsafe-assignment */
import { spawn } from "node:child_process";
import { appendFileSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const REVISIONS = ["2025-11-25", "2025-06-18", "2025-03-26"];
const MODERN_REVISION = "2026-07-28";
const PROGRESS_INTERVAL_MS = 50;
const META = "io.modelcontextprotocol/";

/** Every one of them made up, and each of a kind that masking has to find. */
const SECRETS = {
  card: "4111 1111 1111 1111",
  jwt: "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ0ZXN0LWZpeHR1cmUiLCJuYW1lIjoibm9ib2R5In0.c2lnbmF0dXJlLW9mLWEtdGVzdC1maXh0dXJl",
  privateKey: [
    "-----BEGIN PRIVATE KEY-----",
    "dGhpcyBpcyBhIHRlc3QgZml4dHVyZSBhbmQgbm90IGEga2V5IG9mIGFueWJvZHk=",
    "-----END PRIVATE KEY-----",
  ].join("\n"),
  githubToken: `ghp_${"0123456789abcdefghijABCDEFGHIJ".repeat(2).slice(0, 36)}`,
  passwordJson: '{"password":"correct-horse-battery-staple"}',
};

/**
 * One server for one client. `port.send(text, requestId)` sends a message that belongs to the request, or to none when
 * `requestId` is undefined; `port.crash(code, requestId)` ends the server as roughly as it can.
 */
export class ScriptableBehaviour {
  #port;
  #pageSize;
  #switches;
  /** Requests to the client, by id. */
  #asked = new Map();
  /** Requests of the client under way, by the JSON of their id. */
  #underWay = new Map();
  #cancelled = [];
  /** Ids of the subscriptions/listen requests under way. */
  #listening = new Set();
  #received = [];
  #nextId = 1;

  constructor(port, { switches = [], pageSize = 1000 } = {}) {
    this.#port = port;
    this.#switches = new Set(switches);
    this.#pageSize = pageSize;
  }

  /** Handles the text of one message. */
  async receive(text) {
    const message = parseExactly(text);
    this.#received.push(text);
    if (message.method === undefined) return this.#asked.get(message.id)?.(message);
    if (message.id === undefined) return this.#notified(message);
    const abort = new AbortController();
    this.#underWay.set(JSON.stringify(message.id), abort);
    try {
      const result = await this.#answer(message, abort.signal);
      if (result !== undefined && !abort.signal.aborted)
        this.#send({ id: message.id, result: finished(message, result) }, message.id);
    } catch (error) {
      if (abort.signal.aborted) return;
      const { code = -32603, message: reason, data } = error;
      this.#send(
        { id: message.id, error: { code: typeof code === "number" ? code : -32603, message: reason, data } },
        message.id,
      );
    } finally {
      this.#underWay.delete(JSON.stringify(message.id));
    }
  }

  #send(members, requestId) {
    this.#port.send(JSON.stringify({ jsonrpc: "2.0", ...members }), requestId);
  }

  #notified({ method, params }) {
    if (method !== "notifications/cancelled") return;
    this.#cancelled.push(params.requestId);
    this.#underWay.get(JSON.stringify(params.requestId))?.abort();
  }

  #answer(message, signal) {
    const handler = this.#speaks(message) ? METHODS.get(message.method) : undefined;
    if (handler === undefined && this.#switches.has("silent-when-unknown")) return undefined;
    if (handler === undefined && this.#switches.has("exit-when-unknown")) this.#port.crash(1, message.id);
    if (handler === undefined) throw rpcError(-32601, `unknown method ${message.method}`);
    return handler({ server: this, message, params: message.params ?? {}, signal });
  }

  /** `modern`: 2026-07-28 only. `dual`: that as well as the others. */
  #speaks({ method }) {
    const isModern = this.#switches.has("modern") || this.#switches.has("dual");
    return isModern || (method !== "server/discover" && method !== "subscriptions/listen");
  }

  initialize({ protocolVersion }) {
    if (this.#switches.has("never-initialize")) return undefined;
    if (this.#switches.has("modern")) {
      const data = { supported: [MODERN_REVISION], requested: protocolVersion };
      throw Object.assign(rpcError(-32022, "unsupported protocol version"), { data });
    }
    return {
      protocolVersion: REVISIONS.includes(protocolVersion) ? protocolVersion : REVISIONS[0],
      capabilities: {
        tools: { listChanged: true },
        prompts: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        completions: {},
        logging: {},
      },
      serverInfo: { name: "scriptable", version: "1.0.0" },
      instructions: "For tests only.",
    };
  }

  page(list, entries, { cursor = "0" }) {
    const start = Number(cursor);
    if (!Number.isInteger(start) || start < 0 || start > entries.length)
      throw rpcError(-32602, "unknown cursor");
    const end = start + this.#pageSize;
    return {
      [list]: entries.slice(start, end),
      ...(end < entries.length ? { nextCursor: String(end) } : {}),
    };
  }

  listTools(params) {
    if (this.#switches.has("no-list")) throw rpcError(-32603, "the list is not to be had");
    return this.page("tools", listedTools(), params);
  }

  callTool(call) {
    const tool = TOOLS[call.params.name];
    if (tool === undefined) throw rpcError(-32602, `unknown tool ${call.params.name}`);
    return tool.run(call, call.params.arguments ?? {});
  }

  /** Sends a request to the client, on the stream of the call that needs it, and waits for the answer. */
  ask({ message }, method, params) {
    const id = `server-${this.#nextId++}`;
    return new Promise((resolve) => {
      this.#asked.set(id, (answer) => {
        this.#asked.delete(id);
        resolve(answer);
      });
      this.#send({ id, method, params }, message.id);
    });
  }

  notify(method, params, requestId) {
    this.#send({ method, ...(params === undefined ? {} : { params }) }, requestId);
  }

  sendText(text, requestId) {
    this.#port.send(text, requestId);
  }

  crash(code, requestId) {
    this.#port.crash(code, requestId);
  }

  /** Stays open until it is cancelled; `listChanged` speaks on it. */
  async listen({ message, signal }) {
    this.#listening.add(message.id);
    const meta = { [`${META}subscriptionId`]: message.id };
    this.notify("notifications/subscriptions/acknowledged", { _meta: meta }, message.id);
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    this.#listening.delete(message.id);
  }

  listChanged() {
    for (const id of this.#listening)
      this.notify("notifications/tools/list_changed", { _meta: { [`${META}subscriptionId`]: id } }, id);
  }

  get switches() {
    return this.#switches;
  }

  /** The texts of all messages so far. */
  get received() {
    return this.#received;
  }

  get cancelled() {
    return this.#cancelled;
  }
}

/** Numbers keep their text, so that `echo` shows whether the way here was lossless. */
export function parseExactly(text) {
  return JSON.parse(text, (_key, value, { source }) =>
    typeof value === "number" && String(value) !== source ? JSON.rawJSON(source) : value,
  );
}

function rpcError(code, message) {
  return Object.assign(new Error(message), { code });
}

/** 2026-07-28 wants to be told that a result is complete. */
function finished({ params }, result) {
  return params?._meta?.[`${META}protocolVersion`] === undefined
    ? result
    : { resultType: "complete", ...result };
}

function textResult(text, structuredContent) {
  return {
    content: [{ type: "text", text }],
    ...(structuredContent === undefined ? {} : { structuredContent }),
  };
}

const METHODS = new Map([
  ["initialize", ({ server, params }) => server.initialize(params)],
  [
    "server/discover",
    () => ({ supportedVersions: [MODERN_REVISION], capabilities: {}, ttlMs: 0, cacheScope: "private" }),
  ],
  ["subscriptions/listen", (call) => call.server.listen(call)],
  ["ping", () => ({})],
  ["logging/setLevel", () => ({})],
  ["completion/complete", () => ({ completion: { values: ["one", "two"], total: 2, hasMore: false } })],
  ["tools/list", ({ server, params }) => server.listTools(params)],
  ["tools/call", (call) => call.server.callTool(call)],
  ["prompts/list", ({ server, params }) => server.page("prompts", PROMPTS, params)],
  ["prompts/get", ({ params }) => getPrompt(params)],
  ["resources/list", ({ server, params }) => server.page("resources", RESOURCES, params)],
  ["resources/templates/list", ({ server, params }) => server.page("resourceTemplates", TEMPLATES, params)],
  ["resources/read", ({ params }) => readResource(params)],
  ["resources/subscribe", () => ({})],
  ["resources/unsubscribe", () => ({})],
]);

const PROMPTS = [
  { name: "greeting", description: "Greets somebody.", arguments: [{ name: "name", required: true }] },
];
const RESOURCES = [{ uri: "memo://welcome", name: "welcome", mimeType: "text/plain" }];
const TEMPLATES = [{ uriTemplate: "memo://{name}", name: "memo", mimeType: "text/plain" }];

function getPrompt({ name, arguments: { name: whom = "nobody" } = {} }) {
  if (name !== "greeting") throw rpcError(-32602, `unknown prompt ${name}`);
  return { messages: [{ role: "user", content: { type: "text", text: `Greet ${whom}.` } }] };
}

function readResource({ uri }) {
  if (!String(uri).startsWith("memo://")) throw rpcError(-32002, `unknown resource ${uri}`);
  return { contents: [{ uri, mimeType: "text/plain", text: `The memo at ${uri}.` }] };
}

function listedTools() {
  return Object.entries(TOOLS).map(([name, { description, properties = {} }]) => ({
    name,
    description,
    inputSchema: { type: "object", properties },
  }));
}

const TOOLS = {
  echo: {
    description: "Answers with its arguments.",
    run: (_call, args) => textResult(JSON.stringify(args), args),
  },
  slow: {
    description: "Takes `ms`, and reports progress to whoever gave a token.",
    properties: { ms: { type: "number" } },
    run: runSlowly,
  },
  fail: {
    description: "Answers with isError.",
    run: () => ({ ...textResult("failed on purpose"), isError: true }),
  },
  crash: {
    description: "Ends the process with `code`.",
    properties: { code: { type: "integer" } },
    run: ({ server, message }, { code = 1 }) => server.crash(code, message.id),
  },
  rubbish: {
    description: "Says something that is not JSON and nothing else.",
    properties: { text: { type: "string" } },
    run: ({ server, message }, { text = "this is not JSON" }) => server.sendText(text, message.id),
  },
  secrets: {
    description: "Answers with strings that must be masked.",
    run: () =>
      textResult(Object.values(SECRETS).join("\n"), { ...SECRETS, password: "correct-horse-battery-staple" }),
  },
  big: {
    description: "Answers with a text of `bytes` letters.",
    properties: { bytes: { type: "integer" } },
    run: (_call, { bytes = 1024 }) => textResult("x".repeat(bytes)),
  },
  count: {
    description:
      "Adds one to the counter in `file` (or COUNTER_FILE), waits `ms` and answers with the count.",
    properties: { file: { type: "string" }, ms: { type: "number" } },
    run: runCount,
  },
  environment: {
    description: "Answers with the names of the variables in the environment.",
    run: () => {
      const names = Object.keys(process.env).sort();
      return textResult(names.join("\n"), { names });
    },
  },
  arguments: {
    description: "Answers with the command line after the interpreter.",
    run: () => textResult("", { arguments: process.argv.slice(1) }),
  },
  sample: {
    description: "Asks the client to sample and answers with what it said.",
    properties: { prompt: { type: "string" } },
    run: async (call, { prompt = "say something" }) => {
      const messages = [{ role: "user", content: { type: "text", text: prompt } }];
      const { result, error } = await call.server.ask(call, "sampling/createMessage", {
        messages,
        maxTokens: 10,
      });
      return textResult(JSON.stringify(result ?? error), { answer: result ?? null, error: error ?? null });
    },
  },
  stderr: {
    description: "Writes `text` to stderr.",
    properties: { text: { type: "string" } },
    run: (_call, { text = "something on stderr" }) => {
      process.stderr.write(`${text}\n`);
      return textResult("written");
    },
  },
  pid: {
    description: "Answers with the id of the process.",
    run: () => textResult(String(process.pid), { pid: process.pid }),
  },
  spawnChild: {
    description: "Starts a process that sleeps in the same process group and answers with its id.",
    run: async () => {
      const child = spawn("sleep", ["600"], { stdio: "ignore" });
      await new Promise((resolve, reject) => child.once("spawn", resolve).once("error", reject));
      child.unref();
      return textResult(String(child.pid), { pid: child.pid });
    },
  },
  duplicateKey: {
    description: "Answers with a result that has a key twice.",
    run: ({ server, message }) => {
      const id = JSON.stringify(message.id);
      const content = '[{"type":"text","text":"one","text":"two"}]';
      server.sendText(`{"jsonrpc":"2.0","id":${id},"result":{"content":${content}}}`, message.id);
    },
  },
  notify: {
    description: "Sends a notification that belongs to no request.",
    properties: { method: { type: "string" }, params: { type: "object" } },
    run: ({ server }, { method = "notifications/tools/list_changed", params }) => {
      server.notify(method, params);
      return textResult("sent");
    },
  },
  headed: {
    description: "Wants an argument in a header as well (2026-07-28).",
    properties: { region: { type: "string", "x-mcp-header": "Region" } },
    run: (_call, args) => textResult(JSON.stringify(args), args),
  },
  received: {
    description: "Answers with the texts of all messages it was sent.",
    run: ({ server }) => textResult("", { texts: [...server.received] }),
  },
  listChanged: {
    description: "Says to every listener that the list of tools has changed.",
    run: ({ server }) => {
      server.listChanged();
      return textResult("said");
    },
  },
  batch: {
    description: "Answers in an array, with a notification before it (2025-03-26).",
    run: ({ server, message }) => {
      const note = { jsonrpc: "2.0", method: "notifications/message", params: { level: "info", data: 1 } };
      const answer = { jsonrpc: "2.0", id: message.id, result: textResult("from a batch") };
      server.sendText(JSON.stringify([note, answer]), message.id);
    },
  },
  limits: {
    description: "Answers with the limits of the process, as a shell says them.",
    run: async () => {
      const child = spawn("/bin/sh", ["-c", "ulimit -d; ulimit -t; ulimit -n"], {
        stdio: ["ignore", "pipe", "ignore"],
      });
      const text = Buffer.concat(await Array.fromAsync(child.stdout)).toString();
      const [memoryKib, cpuSeconds, openFiles] = text.trim().split("\n");
      return textResult(text, { memoryKib, cpuSeconds, openFiles, directory: process.cwd() });
    },
  },
  cancellations: {
    description: "Answers with the ids of the requests that were cancelled.",
    run: ({ server }) => textResult(JSON.stringify(server.cancelled), { ids: server.cancelled }),
  },
};

async function runSlowly({ server, message, params, signal }, { ms = 100 }) {
  const token = params._meta?.progressToken;
  const started = performance.now();
  for (let left = ms; left > 0; left = ms - (performance.now() - started)) {
    await sleep(Math.min(left, PROGRESS_INTERVAL_MS), undefined, { signal });
    if (token === undefined) continue;
    const progress = Math.min(ms, performance.now() - started);
    server.notify("notifications/progress", { progressToken: token, progress, total: ms }, message.id);
  }
  return textResult(`slept ${ms} ms`);
}

/** The count is the size of the file: appending is atomic, so that concurrent calls all count. */
async function runCount({ signal }, { file = process.env.COUNTER_FILE, ms = 0 }) {
  if (file === undefined) throw rpcError(-32602, "name a file");
  appendFileSync(file, "x");
  const count = statSync(file).size;
  if (ms > 0) await sleep(ms, undefined, { signal });
  return textResult(String(count), { count });
}
