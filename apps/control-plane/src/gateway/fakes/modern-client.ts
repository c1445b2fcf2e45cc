import type { Answer, GatewayUnderTest } from "./gateway-under-test.js";

const META = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": { name: "modern-test", version: "1" },
};

export interface ModernMessage {
  readonly jsonrpc: "2.0";
  readonly id?: string | number;
  readonly method: string;
  readonly params?: Record<string, unknown>;
}

export function modernRequest(
  id: string | number,
  method: string,
  params: object = {},
  clientCapabilities: object = {},
): ModernMessage {
  const meta = { ...META, "io.modelcontextprotocol/clientCapabilities": clientCapabilities };
  return { jsonrpc: "2.0", id, method, params: { ...params, _meta: meta } };
}

export function modernCall(id: string | number, name: string, args: object = {}): ModernMessage {
  return modernRequest(id, "tools/call", { name, arguments: args });
}

/** The headers that a client sends with the message. */
export function modernHeaders({ method, params }: ModernMessage): Record<string, string> {
  const named = params?.["name"] ?? params?.["uri"] ?? params?.["taskId"];
  return {
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": method,
    ...(typeof named === "string" ? { "mcp-name": named } : {}),
  };
}

/** A client of 2026-07-28. It shows who it is with each request and knows of no session. */
export class ModernClient {
  constructor(
    private readonly gateway: GatewayUnderTest,
    private readonly target: string,
    private readonly as = "alice",
  ) {}

  post(message: ModernMessage, headers: Record<string, string> = {}): Promise<Answer> {
    return this.gateway.post(this.target, message, {
      as: this.as,
      headers: { ...modernHeaders(message), ...headers },
    });
  }

  /** The response as soon as its headers are there. `signal` is how the client leaves; `token`: instead of its own. */
  async open(
    message: ModernMessage,
    options: { signal?: AbortSignal; token?: string } = {},
  ): Promise<Response> {
    const token = options.token ?? (await this.gateway.mcpToken(this.as));
    return fetch(`${this.gateway.config.publicUrl}/mcp/${this.target}`, {
      method: "POST",
      headers: {
        accept: "application/json, text/event-stream",
        "content-type": "application/json",
        authorization: `Bearer ${token}`,
        ...modernHeaders(message),
      },
      body: JSON.stringify(message),
      ...(options.signal ? { signal: options.signal } : {}),
    });
  }
}
