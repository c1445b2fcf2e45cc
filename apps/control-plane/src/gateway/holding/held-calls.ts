import { Injectable } from "@nestjs/common";
import { type McpRequest, parseMessage, RpcErrorCode } from "@drawbridge/mcp";
import { Approvals, type HeldApproval, type OperationToHold } from "../../approvals/index.js";
import { DomainError } from "../../platform/errors.js";
import { decideNow, type GatewayDecision } from "../decisions/decide.js";
import { GatewayError } from "../gateway-error.js";
import type { Exchange } from "../sessions/gateway-session.js";
import { Authorization } from "../traffic/authorization.js";
import type { Incoming } from "../traffic/incoming.js";
import { Recorder } from "../traffic/recorder.js";
import { ApprovedRuns } from "./approved-runs.js";
import { AwaitedApproval } from "./awaited-approval.js";
import { deniedMeanwhile, notApproved, ranElsewhere } from "./held-answers.js";
import { HeldTasks } from "./held-tasks.js";
import type { Leg } from "./leg.js";
import { LegEndings } from "./leg-endings.js";
import type { ComesBack } from "./request-states.js";
import { Waiting } from "./waiting.js";

/** A call whose rule asks for an approval, as it was decided and recorded. */
export interface CallToHold {
  readonly incoming: Incoming<McpRequest>;
  readonly exchange: Exchange;
  readonly decision: GatewayDecision;
  /** It comes back for an approval by requestState. */
  readonly comesBack?: ComesBack | undefined;
}

/** Calls that wait for an approval: from the decision that they need one until they are sent, or never will be. */
@Injectable()
export class HeldCalls {
  constructor(
    private readonly approvals: Approvals,
    private readonly authorization: Authorization,
    private readonly recorder: Recorder,
    private readonly runs: ApprovedRuns,
    private readonly tasks: HeldTasks,
    private readonly waiting: Waiting,
    private readonly endings: LegEndings,
  ) {}

  /**
   * Resolves when the call is on its way to the target, or its end is told.
   * @throws GatewayError, once it is in the recording, for what its caller is told instead
   */
  async hold(call: CallToHold): Promise<void> {
    try {
      await this.holdOrComeBack(call);
    } catch (error) {
      // What has a reason that callers are told is in the recording. Of anything else it is certain that it was not sent.
      const { exchange, incoming } = call;
      if (!(error instanceof GatewayError) && !exchange.sent)
        await this.endings.failed(incoming.session, exchange);
      throw error;
    }
  }

  private async holdOrComeBack(call: CallToHold): Promise<void> {
    const { incoming, exchange, decision, comesBack } = call;
    if (comesBack) {
      await this.comeBack(call, comesBack);
      return;
    }
    const operation = await this.operationOf(call);
    if (await this.runAgain(call, operation)) return;
    if (this.tasks.areWaitedBy(incoming)) {
      const taskId = this.tasks.newId();
      const approval = await this.heldOf(incoming, { ...operation, taskId });
      await this.recordHeld(exchange, incoming, { approval, decision });
      await this.tasks.tell(incoming, exchange, { taskId, approval });
      return;
    }
    const approval = await this.heldOf(incoming, operation);
    await this.recordHeld(exchange, incoming, { approval, decision });
    const { toolDigest } = decision;
    await this.wait({ incoming, exchange, approval, number: 1, toolDigest });
  }

  /** A call that another process held, and whose client has come back to its event stream: it goes on waiting. */
  async goOn(incoming: Incoming<McpRequest>, exchange: Exchange, approval: HeldApproval): Promise<void> {
    const { decision } = await this.authorization.decideAgain(incoming, exchange.question, {
      exchange: exchange.number,
      attributes: { approval: approval.id, resumed: true },
      // Allowed or not, it runs with its approval or not at all.
      judge: (live, question) => notYet(decideNow(live, question)),
    });
    if (decision.effect === "deny") {
      await this.approvals.revoke(approval.id, decision.reason);
      throw await this.authorization.refusalOf(incoming, decision, exchange.number);
    }
    await this.wait({ incoming, exchange, approval, number: 1, toolDigest: undefined });
  }

  /** A request that comes back by requestState is denied: what it waits for must not run either. */
  async deny({ id }: ComesBack, { reason }: GatewayDecision): Promise<void> {
    await this.approvals.revoke(id, reason);
  }

  /** With the approval it was told of, whatever its rule says now: what ran must not run again. */
  private async comeBack(call: CallToHold, { id, leg, toolDigest }: ComesBack): Promise<void> {
    const { incoming, exchange, decision } = call;
    const approval = await this.approvals.find(id, ownerOf(incoming));
    if (!approval) throw await this.refused(call, gone());
    // It runs with its approval or not at all, and is counted when it does.
    if (decision.effect === "allow" && decision.rule !== undefined)
      incoming.session.usage.takeBack(incoming.message);
    await this.recordHeld(exchange, incoming, { approval, decision });
    await this.wait({ incoming, exchange, approval, number: leg + 1, toolDigest });
  }

  /** What an approver has allowed for the whole session runs. */
  private async runAgain(call: CallToHold, operation: OperationToHold): Promise<boolean> {
    const { incoming, exchange } = call;
    const grant = await this.approvals.useAgain(operation, exchange.epoch);
    if (grant === undefined) return false;
    const attempt = await this.runs.again(incoming, exchange, grant);
    if (attempt.became === "refused")
      throw await this.authorization.refusalOf(incoming, attempt.decision, exchange.number);
    return true;
  }

  private async wait(held: {
    readonly incoming: Incoming<McpRequest>;
    readonly exchange: Exchange;
    readonly approval: HeldApproval;
    readonly number: number;
    readonly toolDigest: Uint8Array | undefined;
  }): Promise<void> {
    const { exchange, approval } = held;
    const { id, createdAt: since } = approval;
    exchange.approval = id;
    const watch = new AwaitedApproval(this.approvals, approval);
    // Nobody is there for what has ended.
    const attend = () => (watch.isOpen ? this.approvals.attend(id, exchange.number) : async () => {});
    const begin = { ...held, awaits: "approval", id, since, attend } as const;
    await this.waiting.during(begin, async (leg) => {
      const stop = watch.isOpen ? this.waiting.progress(leg, since, () => watch.awaited) : () => undefined;
      try {
        while (!(await this.hasEnded(leg, watch))) await this.waiting.next(leg, watch.awaited, watch);
      } finally {
        stop();
      }
    });
  }

  /** Does what is to be done now. True when that was the end of the leg. */
  private async hasEnded(leg: Leg, watch: AwaitedApproval): Promise<boolean> {
    if (leg.over) {
      await this.endings.over(leg, leg.over, watch.awaited);
      return true;
    }
    if (!watch.isOpen) {
      await this.tellEnd(leg, watch.approval);
      return true;
    }
    const isTime = watch.approval.state === "approved" && this.waiting.legs.isTurnOf(leg.id, leg);
    return isTime && (await this.run(leg, watch));
  }

  private async run(leg: Leg, watch: AwaitedApproval): Promise<boolean> {
    const { incoming, exchange } = leg;
    const isWanted = () => leg.isThere;
    const attempt = await this.runs.attempt({ incoming, exchange, approval: watch.approval, isWanted });
    switch (attempt.became) {
      case "sent":
        return true;
      case "refused":
        await this.endings.inVain(leg, deniedMeanwhile(leg, attempt.decision), attempt.decision);
        await this.approvals.told(leg.id);
        return true;
      case "gone":
        watch.approval = (await this.approvals.find(leg.id, ownerOf(incoming))) ?? watch.approval;
        if (watch.isOpen) await this.waiting.pause(leg);
        return this.hasEnded(leg, watch);
      case "unreachable":
        await this.waiting.pause(leg);
        return this.hasEnded(leg, watch);
      case "unwanted":
        return false;
      default:
        return attempt satisfies never;
    }
  }

  /** What was decided while it waited, or how it ended without anybody. */
  private async tellEnd(leg: Leg, approval: HeldApproval): Promise<void> {
    if (approval.state !== "consumed") {
      await this.endings.inVain(leg, notApproved(leg, approval));
      await this.approvals.told(approval.id);
      return;
    }
    const { session } = leg.incoming;
    // It was taken up at another control plane, which tells the rest.
    if (approval.exchange === leg.exchange.number) {
      session.finish(leg.exchange);
      leg.exchange.reply.abandon();
      return;
    }
    const isUnderWay = session.isInFlight(approval.exchange);
    await this.endings.inVain(leg, ranElsewhere(leg, approval, isUnderWay));
    if (!isUnderWay) await this.approvals.told(approval.id);
  }

  private async operationOf({ incoming, exchange, decision }: CallToHold): Promise<OperationToHold> {
    const { session, principal, message, parameterHeaders = {} } = incoming;
    const { policy = "", version = 0, rule = "", reason, review } = decision;
    if (!review) throw new Error("a rule asks for an approval and does not say of whom");
    return {
      sessionId: session.id,
      exchange: exchange.number,
      principal,
      clientName: exchange.question.context.client.name ?? undefined,
      target: { id: session.targetId, name: session.target },
      message,
      parameterHeaders,
      toolDigest: decision.toolDigest,
      preview: await this.previewOf(message),
      decision: { policy, version, rule, reason: this.recorder.maskedText(reason), review },
    };
  }

  private async previewOf(message: McpRequest): Promise<Uint8Array> {
    const { payload } = await this.recorder.maskedCopy(message);
    const { params } = parseMessage(payload).ranges;
    return params ? payload.subarray(...params) : Buffer.from("{}");
  }

  private async heldOf(incoming: Incoming<McpRequest>, operation: OperationToHold): Promise<HeldApproval> {
    try {
      return await this.approvals.hold(operation);
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      const refusal = new GatewayError({
        status: 429,
        code: RpcErrorCode.TooManyRequests,
        message: error.message,
      });
      throw await this.refused({ incoming, exchange: { number: operation.exchange } }, refusal);
    }
  }

  /** Before anybody hears of it. */
  private async recordHeld(
    { number, method, name }: Exchange,
    { session }: Incoming<McpRequest>,
    { approval, decision }: { readonly approval: HeldApproval; readonly decision: GatewayDecision },
  ): Promise<void> {
    await this.authorization.recordOrRefuse(session, {
      kind: "decision",
      direction: "client_to_target",
      exchange: number,
      method,
      name,
      attributes: { approval: approval.id },
      decision: { ...decision, effect: "require_approval" },
    });
  }

  private refused(
    {
      incoming,
      exchange,
    }: { readonly incoming: Incoming<McpRequest>; readonly exchange: { number: number } },
    refusal: GatewayError,
  ): Promise<GatewayError> {
    const decision = { effect: "deny", reason: refusal.message, refusal } as const;
    return this.authorization.refusalOf(incoming, decision, exchange.number);
  }
}

function notYet(decision: GatewayDecision): GatewayDecision {
  return decision.effect === "allow" ? { ...decision, effect: "require_approval" } : decision;
}

function ownerOf({ session }: Incoming<McpRequest>) {
  return { sessionId: session.id, principal: session.principal, oauthClient: session.oauthClient };
}

function gone(): GatewayError {
  const message = "what this requestState waits for is not there any more; send the request anew without it";
  return new GatewayError({ status: 200, code: RpcErrorCode.InvalidParams, message });
}
