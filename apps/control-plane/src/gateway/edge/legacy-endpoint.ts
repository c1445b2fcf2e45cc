import { Injectable } from "@nestjs/common";
import { acceptsEventStream, HttpHeader, type McpRequest } from "@drawbridge/mcp";
import type { Context } from "@drawbridge/policy";
import { Batches, type IncomingBatch } from "./batches.js";
import { ClientTraffic } from "../traffic/client-traffic.js";
import { type Call, type CallWith, headerOf, refused } from "./client-request.js";
import { contextOf } from "../decisions/decide.js";
import { EventStream } from "../replies/event-stream.js";
import { lockedRefusal, lockOnSession, visibleTarget } from "../decisions/locked.js";
import { unknownSession } from "../gateway-error.js";
import type { GatewaySession } from "../sessions/gateway-session.js";
import { LegacySessions } from "../sessions/legacy-sessions.js";
import { LiveState } from "../decisions/live-state.js";
import { positionOf, Resumption } from "../replies/resumption.js";
import { whenExpired } from "./token-expiry.js";

/** Streamable HTTP of the 2025 revisions: initialize, sessions, the stream of GET. */
@Injectable()
export class LegacyEndpoint {
  constructor(
    private readonly live: LiveState,
    private readonly known: LegacySessions,
    private readonly clients: ClientTraffic,
    private readonly batches: Batches,
    private readonly resumption: Resumption,
  ) {}

  /** One message of a client: session, then decide, record and dispatch; the answer comes back by itself. */
  async post(call: CallWith): Promise<void> {
    const { message } = call;
    if (message.kind === "request" && message.method === "initialize") {
      await this.initialize({ ...call, message });
      return;
    }
    const session = await this.sessionOf(call);
    await this.clients.accept({ ...call, session });
  }

  async batch(call: Call & Pick<IncomingBatch, "messages" | "refusalOf" | "body">): Promise<void> {
    await this.batches.accept({ ...call, session: await this.sessionOf(call) });
  }

  /** The stream for what the target says without being asked, or what is left of another one. One a session; it ends with the token. */
  async get(call: Call): Promise<void> {
    const { request, response, reply, principal, target } = call;
    if (!acceptsEventStream(request.headers.accept)) throw refused(406, "accept text/event-stream");
    const session = await this.sessionOf(call);
    const context = contextOf(principal, session.clientName);
    const epoch = await this.stillVisibleAt(session, context);
    if (!(await this.known.isStillOpen(session))) throw unknownSession();
    const lastEventId = headerOf(request, "last-event-id");
    const position = lastEventId === undefined ? undefined : positionOf(lastEventId);
    if (position && position.exchange > 0) {
      await this.resumption.resume({ session, context, response, position, reply, principal, target });
      return;
    }
    // Whoever comes back has found the stream broken, whatever it looks like from here.
    if (session.eventStream?.open && !position)
      throw refused(409, "this session has an event stream already");
    reply.release();
    const stream = new EventStream(response);
    whenExpired(principal, response, () => stream.end());
    const missed = position && this.resumption.missed({ session, context, response, position });
    await session.attachEventStream(stream, context, epoch, missed);
  }

  /** Nothing is recorded that would tell of a revocation, and what waits for the client is given out at once. */
  private async stillVisibleAt(session: GatewaySession, context: Context): Promise<bigint> {
    const live = await this.live.now();
    visibleTarget(live, { name: session.target, context });
    const lock = lockOnSession(live, session);
    if (lock) throw lockedRefusal(lock, 403);
    return live.epoch;
  }

  async delete(call: Call): Promise<void> {
    const session = await this.sessionOf(call);
    await this.known.end(session, "closed by the client");
    call.reply.finishEmpty(200);
  }

  private async initialize(call: CallWith<McpRequest>): Promise<void> {
    const { request, target, principal, message, reply } = call;
    if (headerOf(request, HttpHeader.sessionId))
      throw refused(400, "this session is initialized already; leave out Mcp-Session-Id to open another");
    const { session, sessionId } = await this.known.create(principal, target, message);
    reply.announceSession(sessionId, session.id);
    try {
      await this.clients.accept({ ...call, session });
    } catch (error) {
      reply.forgetSession();
      await this.known.end(session, "it could not be opened");
      throw error;
    }
  }

  private async sessionOf({ request, target, principal }: Call): Promise<GatewaySession> {
    const sessionId = headerOf(request, HttpHeader.sessionId);
    if (!sessionId) throw refused(400, "Mcp-Session-Id is missing; send initialize first");
    const session = await this.known.find({ principal, target, sessionId });
    const version = headerOf(request, HttpHeader.protocolVersion);
    if (
      version !== undefined &&
      session.protocolVersion !== undefined &&
      version !== session.protocolVersion
    ) {
      throw refused(
        400,
        `MCP-Protocol-Version must be ${session.protocolVersion}, which this session negotiated`,
      );
    }
    return session;
  }
}
