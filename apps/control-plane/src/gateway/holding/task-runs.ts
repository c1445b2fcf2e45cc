import type { McpRequest } from "@drawbridge/mcp";
import type { HeldApproval } from "../../approvals/index.js";
import type { Incoming } from "../traffic/incoming.js";

/** Runs what was approved for those who wait by a task: a poll of theirs is the leg. */
export abstract class TaskRuns {
  /**
   * Decides the approved operation again, consumes the approval and sends it in an exchange of its own in the session of
   * `poll`; the reply of that exchange delivers to nobody. Resolves when it is sent, or when it is certain that it is not:
   * then the approval has ended, or another poll was first.
   */
  abstract start(poll: Incoming<McpRequest>, approval: HeldApproval): Promise<void>;
}
