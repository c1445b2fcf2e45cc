import { setTimeout as sleep } from "node:timers/promises";
import { Injectable } from "@nestjs/common";
import { parameterHeaders, RpcErrorCode } from "@drawbridge/mcp";
import { ClientTraffic } from "../traffic/client-traffic.js";
import { type CallWith, refused } from "./client-request.js";
import { GatewayError, sessionLost } from "../gateway-error.js";
import type { GatewaySession } from "../sessions/gateway-session.js";
import { RECORDING_HEADER } from "../replies/reply.js";
import { ModernSessions } from "../sessions/modern-sessions.js";
import { SessionsService } from "../sessions/sessions.service.js";
import { whenExpired } from "./token-expiry.js";

const CLOSE_PATIENCE_MS = 2_000;

/** Streamable HTTP of 2026-07-28: every request stands for itself, and whoever closes its answer cancels it. */
@Injectable()
export class ModernEndpoint {
  constructor(
    private readonly sessions: SessionsService,
    private readonly known: ModernSessions,
    private readonly clients: ClientTraffic,
  ) {}

  async post(call: CallWith): Promise<void> {
    const { request, response, principal, target, message } = call;
    if (message.kind === "response") throw refused(400, "responses cannot be posted at this revision");
    try {
      const session = await this.known.of({ principal, target, message });
      // It left while its session was opened.
      if (response.destroyed) return;
      response.setHeader(RECORDING_HEADER, session.id);
      response.once("close", () => this.left(session, call));
      await this.clients.accept({ ...call, session, parameterHeaders: parameterHeaders(request.headers) });
      this.endWithToken(session, call);
    } catch (error) {
      throw isSessionGone(error) ? sessionLost() : error;
    }
  }

  /** Before the target is stopped or this process ends: who listens is told that there is nothing more to come. */
  async close(): Promise<void> {
    const ends = [...this.sessions.all].map((session) =>
      this.sessions.trafficOf(session).endings.endSubscriptions("the control plane is being stopped"),
    );
    // Whoever does not read is not waited for: the others have to be told, too, before this process is stopped.
    await Promise.race([Promise.allSettled(ends), sleep(CLOSE_PATIENCE_MS, undefined, { ref: false })]);
    await this.known.leave();
  }

  private left(session: GatewaySession, { reply }: CallWith): void {
    const exchange = [...session.inFlight].find((candidate) => candidate.reply === reply);
    if (exchange) this.clients.left(session, exchange);
  }

  /** Every other request ends by itself; a subscription has to show a token that is still valid now and then. */
  private endWithToken(session: GatewaySession, { principal, response, reply }: CallWith): void {
    const subscription = session.listening.find((exchange) => exchange.reply === reply);
    if (!subscription) return;
    whenExpired(principal, response, () => {
      void this.sessions.trafficOf(session).endings.endSubscription(subscription, "the token has expired");
    });
  }
}

function isSessionGone(error: unknown): boolean {
  return error instanceof GatewayError && error.code === RpcErrorCode.SessionNotFound;
}
