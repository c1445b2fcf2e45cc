import { Injectable } from "@nestjs/common";
import { type McpMessage, type McpNotification, RpcErrorCode } from "@drawbridge/mcp";
import { ExchangeFailure } from "@drawbridge/protocol";
import { AgentUnavailableError, type SessionLink } from "../../agents/index.js";
import { GatewayError, unknownSession } from "../gateway-error.js";
import type { Exchange, GatewaySession } from "../sessions/gateway-session.js";
import { SessionsService } from "../sessions/sessions.service.js";
import { FAILURES } from "./exchange-failures.js";
import type { Incoming } from "./incoming.js";
import { Recorder } from "./recorder.js";

/** What goes to the agent: messages that were decided and recorded, and word that nobody waits for one any more. */
@Injectable()
export class ToTarget {
  constructor(
    private readonly sessions: SessionsService,
    private readonly recorder: Recorder,
  ) {}

  /**
   * `exchange`: of a request, else 0. `toolDigest`: of a tool that was accepted.
   * @throws GatewayError when it was certainly not sent
   */
  async dispatch(
    { session, message, parameterHeaders = {} }: Incoming,
    exchange: number,
    toolDigest?: Uint8Array,
  ): Promise<void> {
    try {
      const link = await this.sessions.linkOf(session);
      checkAgent(link, message);
      // The last moment: from here on the agent is told to take it back.
      checkStillWanted(session, exchange);
      session.markSent(exchange);
      const protocolVersion = session.protocolVersion ?? "";
      const tool = toolDigest && { toolDigest };
      await link.send({ exchange, payload: message.bytes, protocolVersion, parameterHeaders, ...tool });
    } catch (error) {
      const refusal = notSent(error);
      if (!refusal) throw error;
      // The end of the session has told the recording already what it finished.
      if (session.isInFlight(exchange)) {
        const attributes = { reason: refusal.message };
        this.recorder.owe(session, { kind: "not_sent", exchange, attributes });
      }
      throw refusal;
    }
  }

  /**
   * Nobody waits for the exchange any more. It is the agent that tells the target and that says when the exchange is
   * over: with a late answer, which is recorded, or without one.
   */
  async cancel(session: GatewaySession, { requestId }: McpNotification): Promise<void> {
    const exchange = requestId && session.exchangeOf(requestId);
    // The specification forbids to cancel initialize.
    if (!exchange || exchange.method === "initialize") return;
    exchange.cancelled = true;
    exchange.held?.end({ why: "unwanted" });
    exchange.reply.abandon();
    if (exchange.sent)
      (await this.sessions.linkOf(session)).cancel(exchange.number, "cancelled by the client");
  }

  /** The modern era: closing the connection is how a client cancels. Before it was sent, the request is not sent. */
  left(session: GatewaySession, exchange: Exchange, why = "the client left"): void {
    exchange.cancelled = true;
    exchange.held?.end({ why: "unwanted" });
    if (!exchange.sent) return;
    const { number, method, name } = exchange;
    const about = { direction: "client_to_target", exchange: number, method, name } as const;
    this.recorder.owe(session, {
      kind: "notification",
      ...about,
      attributes: { cancelled: why },
    });
    session.link?.then(
      (link) => link.cancel(number, why),
      () => undefined,
    );
  }
}

function checkAgent({ checksTools }: SessionLink, message: McpMessage): void {
  const isToolCall = message.kind === "request" && message.method === "tools/call";
  if (isToolCall && !checksTools)
    throw new AgentUnavailableError("the agent is too old to check tool definitions; update it");
}

/** Much may have happened while the request was decided, recorded and counted. */
function checkStillWanted(session: GatewaySession, exchange: number): void {
  if (session.ended) throw unknownSession();
  const waiting = session.exchange(exchange);
  if (waiting?.cancelled) throw cancelledBeforeSent();
  if (waiting?.revoked) throw revokedBeforeSent();
}

/** Nobody hears it, the reply is abandoned; it is what the recording says of the request. */
function cancelledBeforeSent(): GatewayError {
  const message = "the client cancelled the request before it was sent";
  return new GatewayError({ status: 200, code: RpcErrorCode.TargetUnavailable, message });
}

/** It was allowed when it was recorded, and waited since then. */
function revokedBeforeSent(): GatewayError {
  const message = "access ended before the request was sent, so nothing ran";
  return new GatewayError({ status: 200, code: RpcErrorCode.AccessRevoked, message });
}

function notSent(error: unknown): GatewayError | undefined {
  if (error instanceof GatewayError) return error;
  if (!(error instanceof AgentUnavailableError)) return undefined;
  const { code, says } = FAILURES[ExchangeFailure.NOT_SENT];
  return new GatewayError({ status: 200, code, message: `${says}: ${error.message}` });
}
