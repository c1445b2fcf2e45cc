import type { RestApi } from "./rest-api.js";

export interface GovernedCall {
  publicUrl: string;
  target: string;
  /** An MCP token of the person who calls. */
  token: string;
  tool: string;
  arguments: Record<string, unknown>;
}

const PROTOCOL_VERSION = "2025-11-25";

/** One tool call as any MCP client would make it: initialize, call, close. Returns the text of the answer. */
export async function callTool(call: GovernedCall): Promise<string> {
  const url = `${call.publicUrl}/mcp/${call.target}`;
  const headers: Record<string, string> = {
    authorization: `Bearer ${call.token}`,
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
  };
  const opened = await post(url, headers, {
    id: 1,
    method: "initialize",
    params: {
      protocolVersion: PROTOCOL_VERSION,
      capabilities: {},
      clientInfo: { name: "drawbridge-start", version: "0.1.0" },
    },
  });
  const sessionId = opened.headers.get("mcp-session-id");
  if (sessionId !== null) headers["mcp-session-id"] = sessionId;
  headers["mcp-protocol-version"] = resultOf<{ protocolVersion: string }>(opened.message).protocolVersion;
  try {
    await post(url, headers, { method: "notifications/initialized" });
    const { message } = await post(url, headers, {
      id: 2,
      method: "tools/call",
      params: { name: call.tool, arguments: call.arguments },
    });
    const { content } = resultOf<{ content: { type: string; text?: string }[] }>(message);
    return content.map(({ type, text }) => text ?? `[${type}]`).join("\n");
  } finally {
    const response = await fetch(url, { method: "DELETE", headers, signal: AbortSignal.timeout(10_000) });
    await response.body?.cancel();
  }
}

/** The id of the newest recording of this target that the person may see. */
export async function newestRecording(api: RestApi, target: string): Promise<string | undefined> {
  const page = await api.get<{ items: { id: string; openedAt: string }[] }>(
    `/recordings?target=${target}&limit=50`,
  );
  const newestFirst = page?.items.toSorted((a, b) => Date.parse(b.openedAt) - Date.parse(a.openedAt));
  return newestFirst?.[0]?.id;
}

interface Message {
  id?: number;
  method: string;
  params?: unknown;
}

interface Answer {
  headers: Headers;
  message: unknown;
}

async function post(url: string, headers: Record<string, string>, message: Message): Promise<Answer> {
  const response = await fetch(url, {
    method: "POST",
    headers,
    body: JSON.stringify({ jsonrpc: "2.0", ...message }),
    signal: AbortSignal.timeout(60_000),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`the control plane answered ${response.status}: ${text.slice(0, 500)}`);
  const isStream = response.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
  return { headers: response.headers, message: isStream ? responseIn(text, message.id) : parseIfAny(text) };
}

/** The answer to our request among the events of a stream. */
function responseIn(stream: string, id: number | undefined): unknown {
  const messages = stream
    .split(/\r?\n\r?\n/)
    .map((event) =>
      event
        .split(/\r?\n/)
        .filter((line) => line.startsWith("data:"))
        .map((line) => line.slice("data:".length).trimStart())
        .join("\n"),
    )
    .map(parseIfAny);
  return messages.find((message) => (message as { id?: unknown } | undefined)?.id === id);
}

const parseIfAny = (text: string): unknown => (text.trim() === "" ? undefined : JSON.parse(text));

function resultOf<T>(message: unknown): T {
  const { result, error } = (message ?? {}) as { result?: T; error?: { message: string } };
  if (error !== undefined) throw new Error(`the call was refused: ${error.message}`);
  if (result === undefined) throw new Error("the control plane sent no answer to the request");
  return result;
}
