import { Injectable } from "@nestjs/common";
import { RpcErrorCode } from "@drawbridge/mcp";
import { Approvals, type HeldApproval, type OperationToHold } from "../../approvals/index.js";
import type { GatewayDecision } from "../decisions/decide.js";
import { GatewayError } from "../gateway-error.js";
import { ApprovalLegs, ownerOf } from "./approval-legs.js";
import { ApprovedRuns } from "./approved-runs.js";
import { HeldTasks } from "./held-tasks.js";
import { type CallToHold, OperationsToHold } from "./operations-to-hold.js";
import type { ComesBack } from "./request-states.js";

/** Calls that wait for an approval: from the decision that they need one until they are sent, or never will be. */
@Injectable()
export class HeldCalls {
  constructor(
    private readonly approvals: Approvals,
    private readonly operations: OperationsToHold,
    private readonly legs: ApprovalLegs,
    private readonly runs: ApprovedRuns,
    private readonly tasks: HeldTasks,
  ) {}

  /**
   * Resolves when the call is on its way to the target, or its end is told.
   * @throws GatewayError, once it is in the recording, for what its caller is told instead
   */
  async hold(call: CallToHold): Promise<void> {
    const { incoming, exchange, decision, comesBack } = call;
    if (comesBack) {
      await this.comeBack(call, comesBack);
      return;
    }
    const operation = await this.runAgain(call);
    if (!operation) return;
    if (this.tasks.areWaitedBy(incoming)) {
      const taskId = this.tasks.newId();
      const approval = await this.operations.hold(incoming, { ...operation, taskId });
      await this.record(call, approval);
      await this.tasks.tell(incoming, exchange, { taskId, approval });
      return;
    }
    const approval = await this.operations.hold(incoming, operation);
    await this.record(call, approval);
    const { toolDigest } = decision;
    await this.legs.wait({ incoming, exchange, approval, number: 1, toolDigest });
  }

  /** Of what cannot be written down, since its session has ended say, nobody is asked: unless others wait for the same. */
  private async record({ exchange, incoming, decision }: CallToHold, approval: HeldApproval): Promise<void> {
    try {
      await this.operations.record(exchange, incoming, { approval, decision });
    } catch (error) {
      if (!this.legs.waitFor(approval.id)) await this.approvals.cancel(approval.id, "it could not be held");
      throw error;
    }
  }

  /** A request that comes back by requestState is denied: what it waits for must not run either. */
  async deny({ id }: ComesBack, { reason }: GatewayDecision): Promise<void> {
    await this.approvals.revoke(id, reason);
  }

  /** With the approval it was told of, whatever its rule says now: what ran must not run again. */
  private async comeBack(call: CallToHold, { id, leg, toolDigest }: ComesBack): Promise<void> {
    const { incoming, exchange, decision } = call;
    const approval = await this.approvals.find(id, ownerOf(incoming));
    if (!approval) throw await this.operations.refused(call, gone());
    // It runs with its approval or not at all, and is counted when it does.
    if (decision.effect === "allow" && decision.rule !== undefined)
      incoming.session.usage.takeBack(incoming.message);
    await this.operations.record(exchange, incoming, { approval, decision });
    await this.legs.wait({ incoming, exchange, approval, number: leg + 1, toolDigest });
  }

  /** What an approver has allowed for the whole session runs. Otherwise, as it is to be held by now. */
  private async runAgain(call: CallToHold): Promise<OperationToHold | undefined> {
    const { incoming, exchange, decision } = call;
    const { toolDigest } = decision;
    const operation = await this.operations.operationOf(call);
    for (;;) {
      const repeat = await this.approvals.repeatOf(operation);
      if (!repeat) return operation;
      const repeated = await this.runs.again({ incoming, exchange, repeat, toolDigest });
      if (repeated.became === "sent") return undefined;
      if (repeated.became === "refused") throw await this.operations.refusedBy(call, repeated.decision);
      if (repeated.became === "asks")
        return this.operations.operationOf({ ...call, decision: repeated.decision });
    }
  }
}

function gone(): GatewayError {
  const message = "what this requestState waits for is not there any more; send the request anew without it";
  return new GatewayError({ status: 200, code: RpcErrorCode.InvalidParams, message });
}
