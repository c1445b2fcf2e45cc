import { Injectable } from "@nestjs/common";
import { type McpRequest, parseMessage } from "@drawbridge/mcp";
import { Approvals, type HeldApproval } from "../../approvals/index.js";
import { DomainError } from "../../platform/errors.js";
import type { Exchange } from "../sessions/gateway-session.js";
import { SessionsService } from "../sessions/sessions.service.js";
import { Authorization } from "../traffic/authorization.js";
import type { Incoming } from "../traffic/incoming.js";
import { ApprovedRuns } from "./approved-runs.js";
import { DetachedReply } from "./detached-reply.js";
import { TaskRuns } from "./task-runs.js";

/** Runs of those who wait by a task: the poll is the leg, and the run has an exchange of its own. */
@Injectable()
export class LegTaskRuns extends TaskRuns {
  constructor(
    private readonly approvals: Approvals,
    private readonly authorization: Authorization,
    private readonly runs: ApprovedRuns,
    private readonly sessions: SessionsService,
  ) {
    super();
  }

  async start(poll: Incoming<McpRequest>, approval: HeldApproval): Promise<void> {
    const { session, target, principal, body } = poll;
    const message = await this.messageOf(approval);
    if (!message) return;
    const reply = new DetachedReply();
    const incoming = { session, target, principal, body, message, reply };
    const exchange: Exchange = {
      number: session.nextExchangeNumber(),
      id: message.id,
      method: message.method,
      name: message.name,
      reply,
      question: this.authorization.questionOf(incoming),
      epoch: 0n,
      decided: false,
      sent: false,
      cancelled: false,
      body,
    };
    session.begin(exchange);
    try {
      const isWanted = () => !session.ended && poll.reply.open;
      const attempt = await this.runs.attempt({
        incoming,
        exchange,
        approval,
        isWanted,
        isOwnExchange: true,
      });
      if (attempt.became === "sent") return;
      const { endings } = this.sessions.trafficOf(session);
      await endings.unheard(exchange, `it was not sent: ${attempt.became}`, { approval: approval.id });
    } catch (error) {
      session.finish(exchange);
      throw error;
    }
  }

  private async messageOf({ id }: HeldApproval): Promise<McpRequest | undefined> {
    try {
      const { message } = await this.approvals.operation(id);
      return parseMessage(message) as McpRequest;
    } catch (error) {
      // It has ended meanwhile.
      if (error instanceof DomainError) return undefined;
      throw error;
    }
  }
}
