import { eventsIn, type GatewayUnderTest, type TestEvent } from "./gateway-under-test.js";

export interface StreamRequest {
  readonly session: string;
  /** POST with it, GET without. */
  readonly body?: object;
  readonly lastEventId?: string | undefined;
  readonly target?: string;
  readonly as?: string;
  /** Instead of one of `as`. */
  readonly token?: string;
}

/** One answer that is read as it comes, and may be left in the middle. */
export class StreamClient {
  text = "";
  isOver = false;
  private readonly leaving: AbortController;

  private constructor(
    readonly response: Response,
    leaving: AbortController,
  ) {
    this.leaving = leaving;
    void this.read();
  }

  /** Resolves with the head of the answer. */
  static async open(gateway: GatewayUnderTest, request: StreamRequest): Promise<StreamClient> {
    const { session, body, lastEventId, target = "shop", as = "alice" } = request;
    const leaving = new AbortController();
    const response = await fetch(`${gateway.config.publicUrl}/mcp/${target}`, {
      method: body ? "POST" : "GET",
      headers: {
        accept: "application/json, text/event-stream",
        "content-type": "application/json",
        authorization: `Bearer ${request.token ?? (await gateway.mcpToken(as))}`,
        "mcp-session-id": session,
        ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId }),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
      signal: leaving.signal,
    });
    return new StreamClient(response, leaving);
  }

  get events(): TestEvent[] {
    return eventsIn(this.text);
  }

  /** Those that say something. */
  get messages(): string[] {
    return this.events.map(({ data }) => data).filter(Boolean);
  }

  get lastEventId(): string | undefined {
    return this.events.findLast(({ id }) => id !== undefined)?.id;
  }

  leave(): void {
    this.leaving.abort();
  }

  private async read(): Promise<void> {
    const decoder = new TextDecoder();
    try {
      for await (const chunk of this.response.body ?? [])
        this.text += decoder.decode(chunk, { stream: true });
    } catch {
      // Left, or cut off: what came counts.
    }
    this.isOver = true;
  }
}

/** The streams that a test opens, so that all are left at its end. */
export class StreamClients {
  private readonly clients: StreamClient[] = [];

  constructor(private readonly gateway: GatewayUnderTest) {}

  async open(request: StreamRequest): Promise<StreamClient> {
    const client = await StreamClient.open(this.gateway, request);
    this.clients.push(client);
    return client;
  }

  leave(): void {
    for (const client of this.clients.splice(0)) client.leave();
  }
}
