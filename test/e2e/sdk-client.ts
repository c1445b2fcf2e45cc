import {
  Client as ClientV2,
  StreamableHTTPClientTransport as TransportV2,
} from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  ToolListChangedNotificationSchema,
} from "@modelcontextprotocol/sdk/types.js";
import type { Door } from "./raw-session.js";

export interface ToolResult {
  readonly isError: boolean;
  readonly text: string;
}

/** What the tests need of an SDK, whichever generation it is. */
export interface SdkClient {
  readonly server: () => string | undefined;
  readonly listTools: () => Promise<string[]>;
  readonly callTool: (
    name: string,
    args?: Record<string, unknown>,
    onProgress?: (progress: number) => void,
  ) => Promise<ToolResult>;
  /** Called from then on for each notification that the list of tools has changed. */
  readonly onToolsChanged: (listener: () => void) => void;
  readonly close: () => Promise<void>;
}

/** What a client does when the server asks it for something. */
export interface ServerRequestHandlers {
  readonly sample: (prompt: string) => string;
  /** The content of the form, or whether the URL was accepted. */
  readonly elicit: (request: { message: string; url?: string }) => Record<string, string | boolean>;
  readonly roots: readonly { uri: string; name: string }[];
}

const INFO = { name: "e2e", version: "1.0.0" };
const ANSWERING = { sampling: {}, elicitation: { form: {}, url: {} }, roots: { listChanged: true } };

type Connect = (door: Door, handlers?: ServerRequestHandlers) => Promise<SdkClient>;

export const SDK_GENERATIONS: readonly { name: string; connect: Connect }[] = [
  { name: "@modelcontextprotocol/sdk 1.x", connect: connectV1 },
  { name: "@modelcontextprotocol/client 2.x", connect: (door, handlers) => connectV2(door, { handlers }) },
  {
    name: "@modelcontextprotocol/client 2.x, mode auto",
    connect: (door, handlers) => connectV2(door, { handlers, mode: "auto" }),
  },
];

async function connectV1({ url, token }: Door, handlers?: ServerRequestHandlers): Promise<SdkClient> {
  const transport = new TransportV1(new URL(url), { requestInit: authorized(token) });
  const client = new ClientV1(INFO, handlers ? { capabilities: ANSWERING } : {});
  if (handlers) {
    client.setRequestHandler(CreateMessageRequestSchema, ({ params }) =>
      sampled(handlers, JSON.stringify(params.messages)),
    );
    client.setRequestHandler(ElicitRequestSchema, ({ params }) => elicited(handlers, params));
    client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [...handlers.roots] }));
  }
  // The SDK's transport types predate exactOptionalPropertyTypes.
  await client.connect(transport as Parameters<ClientV1["connect"]>[0]);
  return {
    server: () => client.getServerVersion()?.name,
    listTools: async () => (await client.listTools()).tools.map(({ name }) => name),
    callTool: async (name, args = {}, onProgress) =>
      toolResult(await client.callTool({ name, arguments: args }, undefined, progressOption(onProgress))),
    onToolsChanged: (listener) => client.setNotificationHandler(ToolListChangedNotificationSchema, listener),
    close: () => end(transport, client),
  };
}

async function connectV2(
  { url, token }: Door,
  { handlers, mode }: { handlers?: ServerRequestHandlers | undefined; mode?: "auto" },
): Promise<SdkClient> {
  const transport = new TransportV2(new URL(url), { requestInit: authorized(token) });
  const client = new ClientV2(INFO, {
    ...(handlers ? { capabilities: ANSWERING } : {}),
    ...(mode === undefined ? {} : { versionNegotiation: { mode } }),
  });
  if (handlers) {
    client.setRequestHandler("sampling/createMessage", ({ params }) =>
      sampled(handlers, JSON.stringify(params.messages)),
    );
    client.setRequestHandler("elicitation/create", ({ params }) => elicited(handlers, params));
    client.setRequestHandler("roots/list", () => ({ roots: [...handlers.roots] }));
  }
  await client.connect(transport as Parameters<ClientV2["connect"]>[0]);
  return {
    server: () => client.getServerVersion()?.name,
    listTools: async () => (await client.listTools()).tools.map(({ name }) => name),
    callTool: async (name, args = {}, onProgress) =>
      toolResult(await client.callTool({ name, arguments: args }, progressOption(onProgress))),
    onToolsChanged: (listener) => client.setNotificationHandler("notifications/tools/list_changed", listener),
    close: () => end(transport, client),
  };
}

function sampled({ sample }: ServerRequestHandlers, prompt: string) {
  return {
    model: "e2e-model",
    role: "assistant" as const,
    content: { type: "text" as const, text: sample(prompt) },
  };
}

function elicited({ elicit }: ServerRequestHandlers, params: { message: string; url?: unknown }) {
  const { message, url } = params;
  const content = elicit(typeof url === "string" ? { message, url } : { message });
  return { action: "accept" as const, ...(typeof url === "string" ? {} : { content }) };
}

async function end(
  transport: { terminateSession: () => Promise<void> },
  client: { close: () => Promise<void> },
): Promise<void> {
  await transport.terminateSession();
  await client.close();
}

function authorized(token: string): RequestInit {
  // What a browser or a proxy might add must not travel further than the token does.
  return {
    headers: { authorization: `Bearer ${token}`, cookie: "flavour=planted-cookie", "x-planted": "header" },
  };
}

function progressOption(onProgress: ((progress: number) => void) | undefined) {
  return onProgress === undefined
    ? {}
    : { onprogress: ({ progress }: { progress: number }) => onProgress(progress) };
}

function toolResult(result: Record<string, unknown>): ToolResult {
  const content = (result["content"] ?? []) as { text?: string }[];
  return { isError: result["isError"] === true, text: content.map(({ text }) => text ?? "").join("\n") };
}
