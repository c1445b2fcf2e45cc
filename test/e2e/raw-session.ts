import { initialize, initialized, type JsonRpcObject, toolCall, withMeta } from "@drawbridge/testing";

export interface RawAnswer {
  readonly status: number;
  readonly sessionId: string | undefined;
  /** The body as it came. */
  readonly text: string;
  /** Every message of the body, in order. A refusal of the control plane is one, too. */
  readonly messages: readonly JsonRpcObject[];
}

export interface Door {
  readonly url: string;
  readonly token: string;
}

const PATIENCE_MS = 60_000;

export interface PostOptions {
  readonly headers?: Record<string, string>;
  readonly onMessage?: (text: string) => void;
  readonly onHeaders?: () => void;
  readonly patienceMs?: number;
}

/** One POST of an MCP client without an SDK, so that nothing is repeated, hidden or tidied up. */
export async function postRaw(
  { url, token }: Door,
  body: string | JsonRpcObject,
  { headers = {}, onMessage, onHeaders, patienceMs = PATIENCE_MS }: PostOptions = {},
): Promise<RawAnswer> {
  const response = await fetch(url, {
    method: "POST",
    headers: {
      authorization: `Bearer ${token}`,
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      ...headers,
    },
    body: typeof body === "string" ? body : JSON.stringify(body),
    signal: AbortSignal.timeout(patienceMs),
  });
  onHeaders?.();
  const texts: string[] = [];
  for await (const text of messagesOf(response)) {
    texts.push(text);
    onMessage?.(text);
  }
  return {
    status: response.status,
    sessionId: response.headers.get("mcp-session-id") ?? undefined,
    text: texts.join("\n"),
    messages: texts.map((text) => JSON.parse(text) as JsonRpcObject),
  };
}

/** Every message of a response, each as soon as it is there: what breaks off later has been heard all the same. */
async function* messagesOf(response: Response): AsyncGenerator<string> {
  if (!response.headers.get("content-type")?.startsWith("text/event-stream")) {
    const text = await response.text();
    if (text !== "") yield text;
    return;
  }
  const decoder = new TextDecoder();
  let pending = "";
  for await (const chunk of response.body ?? []) {
    pending += decoder.decode(chunk as Uint8Array, { stream: true });
    const events = pending.split(/\r?\n\r?\n/);
    pending = events.pop() ?? "";
    yield* events.map(dataOf).filter(Boolean);
  }
}

/** What an event of a stream says; nothing when it is a comment. */
function dataOf(event: string): string {
  return event
    .split(/\r?\n/)
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice("data:".length).trimStart())
    .join("\n");
}

/** An MCP session of somebody who keeps every byte they were given. */
export class RawSession {
  readonly id: string;
  /** Every message that came, exactly as it came. */
  readonly heard: string[] = [];
  readonly #door: Door;
  #nextId = 2;

  private constructor(door: Door, id: string) {
    this.#door = door;
    this.id = id;
  }

  /** @throws when initialize is refused */
  static async open(door: Door, clientName = "e2e"): Promise<RawSession> {
    const answer = await postRaw(door, initialize(1, { clientName }));
    if (answer.sessionId === undefined)
      throw new Error(`initialize was answered with ${answer.status} ${answer.text}`);
    const session = new RawSession(door, answer.sessionId);
    await session.post(initialized());
    return session;
  }

  async post(message: string | JsonRpcObject): Promise<RawAnswer> {
    return postRaw(this.#door, message, {
      headers: { "mcp-session-id": this.id },
      onMessage: (text) => this.heard.push(text),
    });
  }

  /** The JSON-RPC response to one tool call. */
  async call(tool: string, args: Record<string, unknown> = {}, meta?: object): Promise<JsonRpcObject> {
    const id = this.#nextId++;
    const message = toolCall(id, tool, args);
    const { messages, status, text } = await this.post(meta ? withMeta(message, { ...meta }) : message);
    const response = messages.find((message) => message.id === id);
    if (response === undefined) throw new Error(`no response to ${tool}: ${status} ${text}`);
    return response;
  }

  /** The structured result of a tool call that must succeed. */
  async demand<T>(tool: string, args: Record<string, unknown> = {}): Promise<T> {
    const { result, error } = await this.call(tool, args);
    if (error !== undefined) throw new Error(`${tool} failed: ${error.message}`);
    return (result as { structuredContent: T }).structuredContent;
  }

  /** The process that serves this session, by the scriptable server's own word. */
  async pid(): Promise<number> {
    return (await this.demand<{ pid: number }>("pid")).pid;
  }

  /** Opens the stream for what belongs to no request. Returns what breaks it off. */
  async listen(): Promise<() => void> {
    const leaving = new AbortController();
    const response = await fetch(this.#door.url, {
      headers: {
        authorization: `Bearer ${this.#door.token}`,
        accept: "text/event-stream",
        "mcp-session-id": this.id,
      },
      signal: leaving.signal,
    });
    if (response.status !== 200) throw new Error(`the stream was refused with ${response.status}`);
    void this.#hear(response);
    return () => leaving.abort();
  }

  /** Until the stream ends, in whatever way. */
  async #hear(response: Response): Promise<void> {
    try {
      for await (const text of messagesOf(response)) this.heard.push(text);
    } catch {
      // We left, or the other side did.
    }
  }

  async close(): Promise<void> {
    const response = await fetch(this.#door.url, {
      method: "DELETE",
      headers: { authorization: `Bearer ${this.#door.token}`, "mcp-session-id": this.id },
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    await response.body?.cancel();
  }
}
