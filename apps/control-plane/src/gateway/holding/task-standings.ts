import { Injectable } from "@nestjs/common";
import type { McpRequest } from "@drawbridge/mcp";
import { Approvals, type HeldApproval } from "../../approvals/index.js";
import { GatewayError } from "../gateway-error.js";
import type { Exchange } from "../sessions/gateway-session.js";
import { SessionsRepository } from "../sessions/sessions.repository.js";
import type { Incoming } from "../traffic/incoming.js";
import { inWords } from "./approval-words.js";
import { type RunOutcome, RunOutcomes } from "./run-outcomes.js";
import { failedResult, type TaskState } from "./task-answers.js";
import { TaskRuns } from "./task-runs.js";

/** By this a task that its caller cancelled is told from a call that was cancelled for it. */
export const CANCELLED_BY_CALLER = "cancelled by its caller";

/** A request about a task of ours, while it is answered. */
export interface Poll {
  readonly incoming: Incoming<McpRequest>;
  readonly exchange: Exchange;
  readonly taskId: string;
}

/** What a poll is told: how the approval stands, and what there is to say of its run. */
export interface Standing {
  readonly approval: HeldApproval;
  readonly state: TaskState;
  readonly statusMessage: string;
  readonly updatedAt: Date;
  /** Of a run that has ended: its answer is told as long as it may be heard. */
  readonly outcome?: RunOutcome;
}

/** How tasks of ours stand. Asking is what has an approved one run: the poll is the leg (ADR 0009). */
@Injectable()
export class TaskStandings {
  constructor(
    private readonly approvals: Approvals,
    private readonly runs: TaskRuns,
    private readonly outcomes: RunOutcomes,
    private readonly sessions: SessionsRepository,
  ) {}

  /** Has it run, if it is time. */
  async of(poll: Poll, approval: HeldApproval): Promise<Standing> {
    if (isOpen(approval) && !(await this.isSessionOpen(poll, approval))) {
      await this.approvals.cancel(approval.id, "the session in which it was asked for has ended");
      const now = await this.again(poll, approval);
      return isOpen(now) ? working(now) : this.ofEnded(now);
    }
    if (approval.state === "approved") return this.run(poll, approval);
    return isOpen(approval) ? working(approval) : this.ofEnded(approval);
  }

  /** Of what will not run, or has been sent. */
  async ofEnded(approval: HeldApproval): Promise<Standing> {
    if (approval.state !== "consumed") return withoutRun(approval);
    const outcome = await this.outcomes.of(approval);
    if (!outcome) return working(approval);
    const { kind, at: updatedAt } = outcome;
    return { approval, outcome, state: stateOf(outcome), statusMessage: WORDS[kind], updatedAt };
  }

  /** As it stands now. */
  async again({ incoming: { session }, taskId }: Poll, known: HeldApproval): Promise<HeldApproval> {
    const { targetId, principal, oauthClient } = session;
    return (await this.approvals.ofTask(taskId, targetId, { principal, oauthClient })) ?? known;
  }

  /** Each replica has a session of its own: the poll may be in another one than the call. */
  private async isSessionOpen(
    { incoming: { session } }: Poll,
    { sessionId }: HeldApproval,
  ): Promise<boolean> {
    return sessionId === session.id || this.sessions.isOpen(sessionId);
  }

  private async run(poll: Poll, approval: HeldApproval): Promise<Standing> {
    try {
      await this.runs.start(poll.incoming, approval);
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      const now = await this.again(poll, approval);
      if (!isOpen(now)) return this.ofEnded(now);
      // No room in a limit, say, or no agent: the next poll tries again, for as long as it is approved.
      return { ...working(now), statusMessage: `Approved, but it could not be sent yet: ${error.message}` };
    }
    const now = await this.again(poll, approval);
    // Where it is not taken another poll may be about to.
    return isOpen(now) ? working(now) : this.ofEnded(now);
  }
}

const WORDS = {
  answered: "Approved; it ran",
  failed: "Approved, but it failed",
  cancelled: "Cancelled while it ran; whether it had an effect is not known",
} as const satisfies Record<RunOutcome["kind"], string>;

export function isOpen({ state }: HeldApproval): boolean {
  return state === "pending" || state === "approved";
}

function working(approval: HeldApproval): Standing {
  const { stateSince: updatedAt } = approval;
  return { approval, state: { status: "working" }, statusMessage: inWords(approval), updatedAt };
}

function withoutRun(approval: HeldApproval): Standing {
  const said = inWords(approval);
  const isWish = approval.state === "cancelled" && approval.endReason === CANCELLED_BY_CALLER;
  const state: TaskState = isWish
    ? { status: "cancelled" }
    : { status: "completed", result: failedResult(said, approval) };
  return { approval, state, statusMessage: said, updatedAt: approval.stateSince };
}

function stateOf({ kind, text }: RunOutcome): TaskState {
  if (kind === "answered") return { status: "completed", result: text };
  return kind === "failed" ? { status: "failed", error: text } : { status: "cancelled" };
}
