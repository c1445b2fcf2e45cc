import { Injectable } from "@nestjs/common";
import type { ReviewTerms } from "@drawbridge/policy";
import { ApprovalEndings } from "./approval-endings.js";
import { ApprovalWaits } from "./approval-waits.js";
import type {
  ApprovalOwner,
  ApprovedOperation,
  Consumed,
  HeldApproval,
  JudgeEdit,
  OperationToHold,
} from "./approvals.js";
import { ApprovalUses } from "./approval-uses.js";
import { ArgumentEdits } from "./argument-edits.js";
import { OperationHolding } from "./operation-holding.js";
import type { DigestedOperation } from "./operation-seal.js";
import type { RepeatGrant } from "./repeat-grants.repository.js";

/** One leg of one approval: a request of its caller that waits for it. */
export type EndLeg = () => Promise<void>;

/** Whose task it is: tasks are asked about in whatever session the same principal and client have then. */
export type TaskOwner = Omit<ApprovalOwner, "sessionId">;

/** Held operations, as the gateway has to do with them. Every transition is one conditional statement. */
@Injectable()
export class Approvals {
  /** What is being written down as told. */
  private readonly telling = new Set<Promise<void>>();

  constructor(
    private readonly holding: OperationHolding,
    private readonly waits: ApprovalWaits,
    private readonly uses: ApprovalUses,
    private readonly endings: ApprovalEndings,
    private readonly edits: ArgumentEdits,
  ) {}

  /** Keyed; equal exactly when two operations say the same of the same target and tool for the same principal and client. */
  digestOf(operation: DigestedOperation): Uint8Array<ArrayBuffer> {
    return this.holding.digestOf(operation);
  }

  /**
   * The open approval of this owner and operation, which gets one leg more; or one that ended in the last hour, unless it
   * was cancelled, and whose caller was not told (see told); or a new one. @throws DomainError too_many_requests_pending
   */
  async hold(operation: OperationToHold): Promise<HeldApproval> {
    // Whoever has just heard that it ran, and asks for the same, asks anew.
    await Promise.allSettled(this.telling);
    return this.holding.hold(operation);
  }

  find(id: string, owner: ApprovalOwner): Promise<HeldApproval | undefined> {
    return this.holding.find(id, owner);
  }

  ofTask(taskId: string, targetId: string, owner: TaskOwner): Promise<HeldApproval | undefined> {
    return this.holding.ofTask(taskId, targetId, owner);
  }

  /** Only while it is open. */
  ofExchange(sessionId: string, exchange: number): Promise<HeldApproval | undefined> {
    return this.holding.ofExchange(sessionId, exchange);
  }

  /** Of every approval that is open, the exchange of its last leg. */
  openExchanges(): Promise<readonly { readonly sessionId: string; readonly exchange: number }[]> {
    return this.holding.openExchanges();
  }

  /**
   * A leg is open; what is returned is to be called when it has ended. While one is, the caller counts as present, and for
   * 60 s more. `exchange`: of a leg in the session of the approval; a poll of a task may be in another one.
   */
  attend(id: string, exchange?: number): EndLeg {
    return this.waits.attend(id, exchange);
  }

  /** Resolves when the state or who must approve differs from what is known; rejects when the signal aborts. */
  changed(known: HeldApproval, signal: AbortSignal): Promise<HeldApproval> {
    return this.waits.changed(known, signal);
  }

  /** Of an approval that is open. @throws DomainError approval_not_found when it has ended */
  operation(id: string): Promise<ApprovedOperation> {
    return this.uses.operation(id);
  }

  /** Whether it was taken for the run in this exchange, which it never will be once it is open no more. */
  standingOf(
    id: string,
    run: { readonly sessionId: string; readonly exchange: number },
  ): Promise<"open" | "taken" | "not taken" | "not there"> {
    return this.uses.standingOf(id, run);
  }

  /** Takes the approval for its one run. Whoever gets "consumed" sends it, or says that it was not sent. */
  consume(
    id: string,
    owner: ApprovalOwner,
    run: { readonly epoch: bigint; readonly exchange: number },
  ): Promise<Consumed> {
    return this.uses.consume({ id, owner, ...run });
  }

  /** It must not run after all. Nothing happens to one that has ended. */
  revoke(id: string, reason: string): Promise<void> {
    return this.endings.revoke(id, reason);
  }

  /** Its caller does not want it any more. Nothing happens to one that has ended. */
  cancel(id: string, reason: string): Promise<void> {
    return this.endings.cancel(id, reason);
  }

  /**
   * Its caller has heard how it ended; of one that ran, its answer. Until then, for an hour, hold answers the same operation
   * with this approval instead of asking anybody again.
   */
  async told(id: string): Promise<void> {
    const telling = this.endings.told(id);
    this.telling.add(telling);
    try {
      await telling;
    } finally {
      this.telling.delete(telling);
    }
  }

  /** Whether those who approved it are whom this review asks for, as far as is known now. */
  satisfies(id: string, review: ReviewTerms): Promise<boolean> {
    return this.uses.satisfies(id, review);
  }

  /**
   * The grant by which the very same operation may run again in its session; those who approved it are whom
   * `operation.decision.review` asks for. Whoever runs it decides about it, and takes one use of it then (useAgain).
   */
  repeatOf(operation: OperationToHold): Promise<RepeatGrant | undefined> {
    return this.uses.repeatOf(operation);
  }

  /** Takes one use, at the epoch of the decision that the operation may run. Whoever gets "consumed" sends it. */
  useAgain(repeat: RepeatGrant, epoch: bigint): Promise<Consumed> {
    return this.uses.useAgain(repeat, epoch);
  }

  /** Said once, by the gateway, at start. */
  setJudge(judge: JudgeEdit): void {
    this.edits.setJudge(judge);
  }
}
