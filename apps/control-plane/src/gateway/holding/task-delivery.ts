import { Injectable } from "@nestjs/common";
import type { McpRequest } from "@drawbridge/mcp";
import type { HeldApproval } from "../../approvals/index.js";
import { decideNow } from "../decisions/decide.js";
import { LiveState } from "../decisions/live-state.js";
import { SessionsService } from "../sessions/sessions.service.js";
import { Authorization } from "../traffic/authorization.js";
import type { Incoming } from "../traffic/incoming.js";
import type { RunOutcome } from "./run-outcomes.js";
import type { Poll } from "./task-standings.js";

/** What is told of an approval; of a run that has ended, what there is of its outcome. */
export interface Told {
  readonly message: Uint8Array;
  readonly approval: HeldApproval;
  readonly outcome?: RunOutcome | undefined;
  /** Of an error. */
  readonly code?: number;
}

/** Answers about tasks of ours: recorded, and told to whom may hear them. */
@Injectable()
export class TaskDelivery {
  constructor(
    private readonly sessions: SessionsService,
    private readonly authorization: Authorization,
    private readonly live: LiveState,
  ) {}

  /** Finishes the exchange. @throws GatewayError when it cannot be recorded */
  async give(poll: Poll, { message, approval, outcome, code }: Told): Promise<void> {
    await this.sessions.trafficOf(poll.incoming.session).own.give(poll.exchange, {
      message,
      ...(code === undefined ? {} : { code }),
      attributes: { approval: approval.id },
      mayHear: (epoch) => this.mayHear(poll, outcome, epoch),
    });
  }

  /** What is held needs an approval still, so that it is enough that neither the request nor what ran would be denied now. */
  private async mayHear(
    { incoming, exchange }: Poll,
    outcome: RunOutcome | undefined,
    epoch: bigint,
  ): Promise<boolean> {
    if (!outcome && epoch <= exchange.epoch) return true;
    const ran = outcome?.request;
    if (outcome?.kind === "answered" && !ran) return false;
    const live = await this.live.atLeast(epoch);
    const questions = ran
      ? [exchange.question, this.authorization.questionOf({ ...bare(incoming), message: ran })]
      : [exchange.question];
    const isDenied = questions.some((question) => decideNow(live, question).effect === "deny");
    return !isDenied && (await this.sessions.isStillOpen(incoming.session));
  }
}

/** For the question about what ran, which named no task. */
function bare({ ownsTasks: _owns, heldTask: _held, ...incoming }: Incoming<McpRequest>) {
  return incoming;
}
