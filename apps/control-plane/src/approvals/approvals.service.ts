import { Injectable } from "@nestjs/common";
import type { ReviewTerms } from "@drawbridge/policy";
import type {
  ApprovalOwner,
  ApprovedOperation,
  Consumed,
  HeldApproval,
  JudgeEdit,
  OperationToHold,
} from "./approvals.js";

/** One leg of one approval: a request of its caller that waits for it. */
export type EndLeg = () => Promise<void>;

/** What the digest of an operation is made from. */
export type DigestedOperation = Pick<OperationToHold, "target" | "message" | "toolDigest" | "principal">;

/** Whose task it is: tasks are asked about in whatever session the same principal and client have then. */
export type TaskOwner = Omit<ApprovalOwner, "sessionId">;

/** Held operations, as the gateway has to do with them. Every transition is one conditional statement (20-pam.md §3). */
@Injectable()
export class Approvals {
  /** Keyed; equal exactly when two operations say the same of the same target and tool for the same principal and client. */
  digestOf(_operation: DigestedOperation): Uint8Array<ArrayBuffer> {
    throw new Error("not there yet");
  }

  /**
   * The open approval of this owner and operation, which gets one leg more; or one that ended in the last hour and whose
   * caller was not told; or a new one. @throws DomainError too_many_requests_pending
   */
  hold(_operation: OperationToHold): Promise<HeldApproval> {
    throw new Error("not there yet");
  }

  find(_id: string, _owner: ApprovalOwner): Promise<HeldApproval | undefined> {
    throw new Error("not there yet");
  }

  ofTask(_taskId: string, _targetId: string, _owner: TaskOwner): Promise<HeldApproval | undefined> {
    throw new Error("not there yet");
  }

  /** Only while it is open. */
  ofExchange(_sessionId: string, _exchange: number): Promise<HeldApproval | undefined> {
    throw new Error("not there yet");
  }

  /** Of every approval that is open, the exchange of its last leg. */
  openExchanges(): Promise<readonly { readonly sessionId: string; readonly exchange: number }[]> {
    throw new Error("not there yet");
  }

  /** A leg is open; to be called again when it has ended. While one is, the caller counts as present, and for 60 s more. */
  attend(_id: string, _exchange: number): EndLeg {
    throw new Error("not there yet");
  }

  /** Resolves when the state or who must approve differs from what is known; rejects when the signal aborts. */
  changed(_known: HeldApproval, _signal: AbortSignal): Promise<HeldApproval> {
    throw new Error("not there yet");
  }

  /** Of an approval that is open. */
  operation(_id: string): Promise<ApprovedOperation> {
    throw new Error("not there yet");
  }

  /** Takes the approval for its one run. Whoever gets "consumed" sends it, or says that it was not sent. */
  consume(
    _id: string,
    _owner: ApprovalOwner,
    _run: { readonly epoch: bigint; readonly exchange: number },
  ): Promise<Consumed> {
    throw new Error("not there yet");
  }

  /** It must not run after all. Nothing happens to one that has ended. */
  revoke(_id: string, _reason: string): Promise<void> {
    throw new Error("not there yet");
  }

  /** Its caller does not want it any more. Nothing happens to one that has ended. */
  cancel(_id: string, _reason: string): Promise<void> {
    throw new Error("not there yet");
  }

  /** Its caller has heard how it ended. */
  told(_id: string): Promise<void> {
    throw new Error("not there yet");
  }

  /** Whether those who approved it are whom this review asks for, as far as is known now. */
  satisfies(_id: string, _review: ReviewTerms): Promise<boolean> {
    throw new Error("not there yet");
  }

  /** The id of the grant by which the very same operation runs again in its session; one use of it is taken. */
  useAgain(_operation: OperationToHold, _epoch: bigint): Promise<string | undefined> {
    throw new Error("not there yet");
  }

  /** Said once, by the gateway, at start. */
  setJudge(_judge: JudgeEdit): void {
    throw new Error("not there yet");
  }
}
