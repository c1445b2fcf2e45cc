import type { ExchangeFailure } from "@drawbridge/protocol";
import type { McpMessage, McpRequest } from "@drawbridge/mcp";

/** One MCP server in use by one session, whatever the transport. */
export interface Target {
  /** Sends one message of the client; what comes of it is told to the listener. Never sends anything twice. */
  send(message: OutgoingMessage): void;
  /** Nobody waits for this exchange any more: tells the server, in the way of the transport. */
  cancel(exchange: number, request: Pick<McpRequest, "id" | "method">, reason: string): void;
  /** Stops reading from the server until `resume`; what it writes meanwhile waits on its side. */
  pause(): void;
  resume(): void;
  /** Ends the server's session; resolves when nothing of it is left running here. */
  close(): Promise<void>;
}

export interface OutgoingMessage {
  /** 0 for what is not a request. */
  readonly exchange: number;
  readonly parsed: McpMessage;
  /** Negotiated MCP revision; empty before. */
  readonly protocolVersion: string;
  /** The Mcp-Param-* headers the client sent with it (2026-07-28), names in lower case. */
  readonly parameterHeaders: Readonly<Record<string, string>>;
  /** Of a tools/call: the digest of the definition that was accepted, empty when none was. The session has checked it. */
  readonly toolDigest?: Uint8Array;
}

/** What a target tells its session. Payloads are as the server sent them: nothing here is masked yet. */
export interface TargetListener {
  /** One message; `exchange` when the transport knows which exchange it belongs to (0: none in particular). */
  message(payload: Uint8Array, exchange?: number): void;
  /** The exchange ends without a response. `reason` is for the caller and quotes nothing the server said. */
  exchangeFailed(exchange: number, failure: ExchangeFailure, reason: string): void;
  /** The server sent something that cannot be understood; `exchange` when it is known whose answer it was. */
  rubbish(reason: string, exchange?: number): void;
  /** A message too large to keep whole begins; what follows of it comes through the sink. `exchange` as in `message`. */
  large(exchange?: number): LargeMessageSink;
  /** False when the exchange has its response or has failed. */
  isWaiting(exchange: number): boolean;
  /** Whole lines the server's process wrote for humans. */
  stderr(text: string): void;
  /** The server is gone, and with it every exchange that is still open. */
  ended(end: TargetEnd): void;
}

/** Takes one message piece by piece, as the server sent it. Whoever pushes honours `pause` and `resume` of the Target. */
export interface LargeMessageSink {
  push(chunk: Uint8Array): void;
  /** It came whole. `exchange`: which it answers, where that became known only on the way (a shared stdio child). */
  end(exchange?: number): void;
  /** The rest will not come. `reason` quotes nothing the server said. */
  abort(reason: string): void;
}

export interface TargetEnd {
  /** What the recording says. */
  readonly reason: string;
  /** True when it never took part in MCP: nothing that was sent can have had an effect. */
  readonly neverWorked: boolean;
}
