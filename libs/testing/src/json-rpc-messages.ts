/** Messages as plain objects; `encodeMessage` makes bytes of one. Ids may be numbers or strings, as in JSON-RPC. */
type Id = string | number;
type Params = Readonly<Record<string, unknown>>;

export interface JsonRpcObject {
  readonly jsonrpc: "2.0";
  readonly id?: Id | null;
  readonly method?: string;
  readonly params?: Params;
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
}

export function request(id: Id, method: string, params?: Params): JsonRpcObject {
  return params === undefined ? { jsonrpc: "2.0", id, method } : { jsonrpc: "2.0", id, method, params };
}

export function notification(method: string, params?: Params): JsonRpcObject {
  return params === undefined ? { jsonrpc: "2.0", method } : { jsonrpc: "2.0", method, params };
}

export function resultMessage(id: Id, result: unknown): JsonRpcObject {
  return { jsonrpc: "2.0", id, result };
}

export function errorMessage(id: Id | null, code: number, message: string): JsonRpcObject {
  return { jsonrpc: "2.0", id, error: { code, message } };
}

export interface InitializeOptions {
  readonly protocolVersion?: string;
  readonly capabilities?: Params;
  readonly clientName?: string;
}

export function initialize(id: Id, options: InitializeOptions = {}): JsonRpcObject {
  const { protocolVersion = "2025-11-25", capabilities = {}, clientName = "test-client" } = options;
  return request(id, "initialize", {
    protocolVersion,
    capabilities,
    clientInfo: { name: clientName, version: "1.0.0" },
  });
}

export function initialized(): JsonRpcObject {
  return notification("notifications/initialized");
}

export function toolCall(id: Id, name: string, args: Params = {}): JsonRpcObject {
  return request(id, "tools/call", { name, arguments: args });
}

/** The message with `params._meta`, such as `{ progressToken: 1 }`. */
export function withMeta(message: JsonRpcObject, meta: Params): JsonRpcObject {
  return { ...message, params: { ...message.params, _meta: meta } };
}

/** The message as 2026-07-28 wants it: with what every request says about its sender. */
export function modern(message: JsonRpcObject): JsonRpcObject {
  const own = (message.params?.["_meta"] ?? {}) as Params;
  return withMeta(message, {
    ...own,
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": { name: "test-client", version: "1.0.0" },
  });
}

export function toolsList(id: Id, cursor?: string): JsonRpcObject {
  return request(id, "tools/list", cursor === undefined ? {} : { cursor });
}

export function promptGet(id: Id, name: string, args: Readonly<Record<string, string>> = {}): JsonRpcObject {
  return request(id, "prompts/get", { name, arguments: args });
}

export function resourceRead(id: Id, uri: string): JsonRpcObject {
  return request(id, "resources/read", { uri });
}

export function ping(id: Id): JsonRpcObject {
  return request(id, "ping");
}

export function cancelled(requestId: Id, reason = "no longer needed"): JsonRpcObject {
  return notification("notifications/cancelled", { requestId, reason });
}

export function encodeMessage(message: JsonRpcObject): Uint8Array {
  return Buffer.from(JSON.stringify(message));
}
