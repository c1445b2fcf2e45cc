import { Injectable } from "@nestjs/common";
import { type McpRequest, parseMessage } from "@drawbridge/mcp";
import type { HeldApproval } from "../../approvals/index.js";
import { SessionsService } from "../sessions/sessions.service.js";
import { Authorization } from "../traffic/authorization.js";
import type { Incoming } from "../traffic/incoming.js";
import { newExchange } from "../traffic/new-exchange.js";
import { ApprovedRuns } from "./approved-runs.js";
import { DetachedReply } from "./detached-reply.js";

/** Runs what was approved for those who wait by a task: a poll of theirs is the leg. */
@Injectable()
export class TaskRuns {
  constructor(
    private readonly authorization: Authorization,
    private readonly runs: ApprovedRuns,
    private readonly sessions: SessionsService,
  ) {}

  /**
   * Decides the approved operation again, consumes the approval and sends it in an exchange of its own in the session of
   * `poll`; the reply of that exchange delivers to nobody. Resolves when it is sent, or when it is certain that it is not:
   * then the approval has ended, or another poll was first. @throws GatewayError when the next poll may try again
   */
  async start(poll: Incoming<McpRequest>, approval: HeldApproval): Promise<void> {
    const { session, target, principal, body } = poll;
    const operation = await this.runs.operationOf(approval);
    if (!operation) return;
    const message = parseMessage(operation.message) as McpRequest;
    const incoming = { session, target, principal, body, message, reply: new DetachedReply() };
    const question = this.authorization.questionOf(incoming);
    const exchange = newExchange(incoming, session.nextExchangeNumber(), question);
    session.begin(exchange);
    try {
      const isWanted = () => !session.ended && poll.reply.open && principal.expiresAt.getTime() > Date.now();
      const run = { incoming, exchange, approval, isWanted, isOwnExchange: true };
      const { became } = await this.runs.attempt(run);
      if (became === "sent") return;
      const { endings } = this.sessions.trafficOf(session);
      await endings.unheard(exchange, `it was not sent: ${became}`, { approval: approval.id });
    } catch (error) {
      session.finish(exchange);
      throw error;
    }
  }
}
