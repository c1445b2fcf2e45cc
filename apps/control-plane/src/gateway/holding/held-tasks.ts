import { Injectable } from "@nestjs/common";
import type { McpRequest } from "@drawbridge/mcp";
import type { HeldApproval } from "../../approvals/index.js";
import type { Exchange } from "../sessions/gateway-session.js";
import type { Incoming } from "../traffic/incoming.js";

/** A call of 2026-07-28 that is held as a task of ours, and what its client asks of that task. */
@Injectable()
export class HeldTasks {
  /** Whether the caller of what needs an approval waits by a task. Otherwise it waits in one of the other ways. */
  areWaitedBy(_incoming: Incoming<McpRequest>): boolean {
    throw new Error("not there yet");
  }

  /** The id of a task, for OperationToHold.taskId. Nobody has heard of it yet. */
  newId(): string {
    throw new Error("not there yet");
  }

  /**
   * After Approvals.hold: remembers whose the task is, records and delivers the CreateTaskResult, and finishes the exchange.
   * The approval may have ended already, or be one that is approved: the polls tell.
   */
  tell(
    _incoming: Incoming<McpRequest>,
    _exchange: Exchange,
    _held: { readonly taskId: string; readonly approval: HeldApproval },
  ): Promise<void> {
    throw new Error("not there yet");
  }

  /**
   * Before a request is decided about: the approval whose task it names with tasks/get, tasks/update or tasks/cancel.
   * Goes into Incoming.heldTask, by which it is decided about as part of using the target. Undefined of anything else.
   */
  of(_incoming: Incoming<McpRequest>): Promise<HeldApproval | undefined> {
    throw new Error("not there yet");
  }

  /** Instead of sending the allowed request of such a task: answers it and finishes the exchange. */
  answer(_incoming: Incoming<McpRequest>, _exchange: Exchange, _approval: HeldApproval): Promise<void> {
    throw new Error("not there yet");
  }
}
