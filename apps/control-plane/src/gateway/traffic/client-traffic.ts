import { Injectable } from "@nestjs/common";
import { type McpNotification, METHODS, RpcErrorCode } from "@drawbridge/mcp";
import { GatewayError, tooMuchUnderWay } from "../gateway-error.js";
import type { Exchange, GatewaySession } from "../sessions/gateway-session.js";
import { Authorization } from "./authorization.js";
import { CallLimits } from "./call-limits.js";
import { ClientRequests } from "./client-requests.js";
import { ClientResponses } from "./client-responses.js";
import { giveBack } from "./given-up.js";
import type { Incoming } from "./incoming.js";
import { ToTarget } from "./to-target.js";

/** The way in of what clients say. */
@Injectable()
export class ClientTraffic {
  constructor(
    private readonly requests: ClientRequests,
    private readonly responses: ClientResponses,
    private readonly authorization: Authorization,
    private readonly limits: CallLimits,
    private readonly target: ToTarget,
  ) {}

  /** @throws GatewayError when the message is not passed on */
  async accept(incoming: Incoming): Promise<void> {
    const { session, message } = incoming;
    if (message.kind === "request") {
      await this.requests.take({ ...incoming, message });
      return;
    }
    if (!session.hasRoomFor(message)) throw tooMuchUnderWay();
    const passing =
      message.kind === "notification"
        ? this.notification({ ...incoming, message })
        : this.responses.take({ ...incoming, message });
    await session.whilePassing(message, passing);
  }

  private async notification(incoming: Incoming<McpNotification>): Promise<void> {
    const { session, message, reply } = incoming;
    const question = this.authorization.questionOf(incoming);
    const { decision } = await this.authorization.decideAndRecord(incoming, question, 0);
    if (decision.effect === "require_approval") {
      const said = `${message.method} needs an approval, and a notification cannot wait for one`;
      throw new GatewayError({ status: 400, code: RpcErrorCode.DeniedByPolicy, message: said });
    }
    if (decision.effect !== "allow") {
      throw new GatewayError({
        status: 400,
        code: RpcErrorCode.MethodNotFound,
        message: `not accepted: ${message.method}`,
      });
    }
    const hold = await this.limits.holdOf(incoming, decision, 0);
    try {
      if (message.method === "notifications/cancelled") await this.target.cancel(session, message);
      // What the modern era has in common for other transports means nothing here: a cancel is the end of a connection.
      else if (session.era === "legacy" || !METHODS.has(message.method))
        await this.target.dispatch(incoming, 0);
    } catch (error) {
      await giveBack(hold, error);
      throw error;
    }
    await hold?.release();
    reply.finishEmpty(202);
  }

  /** The modern era: the client has closed the connection on which it waited. */
  left(session: GatewaySession, exchange: Exchange): void {
    this.target.left(session, exchange);
  }
}
