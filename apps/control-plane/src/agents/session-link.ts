import type { ExchangeFailure, TargetDefinition } from "@drawbridge/protocol";

/** What the gateway asks for when it needs a session at an agent. */
export interface OpenSessionLink {
  readonly sessionId: string;
  /** Any connected agent of this group will do, unless `agentId` names one. */
  readonly group: string;
  /** The agent that holds the session's target already: only it can serve it. */
  readonly agentId?: string;
  readonly definition: TargetDefinition;
  /** Of the whole session; what runs for it speaks one. */
  readonly era: "legacy" | "modern";
  readonly listener: SessionLinkListener;
}

/** One message for the target. */
export interface MessageToTarget {
  /** Not 0 for a request, unique within the session; 0 for notifications and responses. */
  readonly exchange: number;
  readonly payload: Uint8Array;
  readonly protocolVersion: string;
  /** Mcp-Param-* of the client's request, names in lower case. */
  readonly parameterHeaders?: Readonly<Record<string, string>>;
  /** Of a tools/call: of the definition that was accepted. Without it the target must not show a tool of that name. */
  readonly toolDigest?: Uint8Array;
}

/**
 * A session at its agent. It outlives a broken stream: while the agent may still hold the target, sending waits for it
 * to come back.
 */
export interface SessionLink {
  readonly agentId: string;
  /** False for an older agent, which does not compare the tools of a target with those that were accepted. */
  readonly checksTools: boolean;
  /**
   * Resolves when the message was handed to the agent's stream, within its window.
   * @throws AgentUnavailableError when it certainly was not sent.
   */
  send(message: MessageToTarget): Promise<void>;
  /** Tells the agent that nobody waits for the exchange any more. */
  cancel(exchange: number, reason: string): void;
  /** Asks for the tools of the target: `onTools` is told them, unless the session ends before or the agent is older. */
  listTools(): void;
  /** Ends the session at the agent: its target is stopped. The listener hears nothing more. */
  close(reason: string): void;
}

/** A masked message from the target. */
export interface MessageFromTarget {
  readonly exchange: number;
  readonly payload: Buffer;
  readonly masked: Readonly<Record<string, number>>;
  /** Nothing more of the exchange follows. */
  readonly final: boolean;
}

/**
 * A piece of a large response, masked: at most MAX_CHUNK_BYTES. The pieces of one transfer come in order; between them
 * may be anything else of the session. Until `end` has come nothing of the response may reach the client.
 */
export interface ChunkFromTarget {
  /** Names the response among those under way in the session. */
  readonly transfer: number;
  readonly payload: Buffer;
  /** The rest will not come and what came is worth nothing. */
  readonly aborted: boolean;
  /** With the last piece, which ends the exchange as a final message does. */
  readonly end?: { readonly exchange: number; readonly masked: Readonly<Record<string, number>> };
}

export interface FailedExchange {
  readonly exchange: number;
  readonly failure: ExchangeFailure;
  readonly message: string;
  /** With ERA_NOT_SPOKEN: the revisions that the target speaks instead. */
  readonly supportedVersions: readonly string[];
}

/** Definition of a tool as a target shows it. */
export interface ToolFromTarget {
  readonly name: string;
  /** SHA-256 of what the target gave, before anything was masked. */
  readonly digest: Uint8Array;
  /** Masked JSON; empty when it is too large. */
  readonly definition: Uint8Array;
}

export interface ToolsFromTarget {
  /** In the target's order. A name that it shows twice is in it twice. */
  readonly tools: readonly ToolFromTarget[];
  /** All that it has, as of one listing. */
  readonly complete: boolean;
  /** Why they could not be listed. */
  readonly failure: string | undefined;
}

export interface SessionLinkListener {
  /** The stream is not read further until the promise resolves: that is the back-pressure. */
  onMessage(message: MessageFromTarget): Promise<void>;
  /** As with onMessage: the next piece is read when the promise resolves. */
  onChunk(chunk: ChunkFromTarget): Promise<void>;
  onExchangeFailed(failed: FailedExchange): Promise<void>;
  /** The agent has just learned which revisions the target speaks. */
  onVersions(versions: readonly string[]): Promise<void>;
  /** Comes before the message or the failure that it was learned from, which waits until the promise resolves. */
  onTools(listed: ToolsFromTarget): Promise<void>;
  onStderr(text: Buffer): Promise<void>;
  /**
   * The session is over: its target ended, the agent is gone for good, or it came back without the target. Nothing
   * follows. What was sent and not answered has an unknown outcome.
   */
  onEnded(reason: string): Promise<void>;
}

/** No agent can serve the session now; nothing was sent. */
export class AgentUnavailableError extends Error {
  override readonly name = "AgentUnavailableError";
}
