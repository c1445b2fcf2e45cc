import { Injectable } from "@nestjs/common";
import { type McpRequest, parseMessage, removeMember, rewriteIds, RpcErrorCode } from "@drawbridge/mcp";
import {
  Approvals,
  type ApprovedOperation,
  type Consumed,
  type HeldApproval,
  type RepeatGrant,
} from "../../approvals/index.js";
import type { Hold } from "../../limits/index.js";
import { DomainError } from "../../platform/errors.js";
import { decideNow, type GatewayDecision } from "../decisions/decide.js";
import { TASKS } from "../decisions/task-capability.js";
import { GatewayError } from "../gateway-error.js";
import type { Exchange, GatewaySession } from "../sessions/gateway-session.js";
import { SessionsService } from "../sessions/sessions.service.js";
import { Authorization, type Authorized } from "../traffic/authorization.js";
import { CallLimits } from "../traffic/call-limits.js";
import type { Incoming } from "../traffic/incoming.js";
import { ToTarget } from "../traffic/to-target.js";

/** A leg that finds its operation approved. */
export interface Run {
  /** The request of the leg: it lends its id, its progress token and the token that its caller shows. */
  readonly incoming: Incoming<McpRequest>;
  readonly exchange: Exchange;
  readonly approval: HeldApproval;
  /** Whether its caller is still there: asked at the last moment. */
  readonly isWanted: () => boolean;
  /** The exchange is one of its own, which no client has asked for in these words. */
  readonly isOwnExchange?: boolean;
}

/** What became of it. */
export type Attempt =
  | { readonly became: "sent" }
  /** The approval has ended meanwhile, or another leg has it. */
  | { readonly became: "gone" }
  | { readonly became: "unwanted" }
  /** Nobody could take it to the target now. It stays approved. */
  | { readonly became: "unreachable" }
  /** It may not run any more; the approval is revoked. */
  | { readonly became: "refused"; readonly decision: GatewayDecision };

/** A call that may run again by what an approver said of the very same one before. */
export interface Repetition {
  readonly incoming: Incoming<McpRequest>;
  readonly exchange: Exchange;
  readonly repeat: RepeatGrant;
  /** Of the tool as it was when the grant was looked for. */
  readonly toolDigest: Uint8Array | undefined;
}

export type Repeated =
  | { readonly became: "sent" }
  /** That grant is not to be had any more. */
  | { readonly became: "gone" }
  /** By now others have to approve it. */
  | { readonly became: "asks"; readonly decision: GatewayDecision }
  | { readonly became: "refused"; readonly decision: GatewayDecision };

/** What is known when it is about to be sent. */
interface Ready {
  readonly run: Run;
  readonly operation: ApprovedOperation;
  /** As it is sent. */
  readonly incoming: Incoming<McpRequest>;
}

/**
 * Runs what was approved, once (ADR 0009): decides again as of now and writes that down, takes its limits, makes sure of the
 * agent, takes the approval at the very epoch of the decision, and sends what was sealed. After that it was sent, or its
 * caller is told that it was not.
 */
@Injectable()
export class ApprovedRuns {
  constructor(
    private readonly approvals: Approvals,
    private readonly authorization: Authorization,
    private readonly limits: CallLimits,
    private readonly sessions: SessionsService,
    private readonly target: ToTarget,
  ) {}

  /** @throws GatewayError when this leg ends without it, and the next one may try again: a limit has no room, say */
  async attempt(run: Run): Promise<Attempt> {
    const operation = await this.operationOf(run.approval);
    if (!operation) return { became: "gone" };
    if (!(await this.isReachable(run))) return { became: "unreachable" };
    const incoming = { ...run.incoming, ...asSent(operation, run) };
    for (;;) {
      const attempt = await this.once({ run, operation, incoming });
      if (attempt.became !== "moved") return attempt;
    }
  }

  /**
   * The very same operation, for which an approver has said that it may run again in this session. The use is taken last, at
   * the very epoch of the decision, as an approval is.
   * @throws GatewayError as `attempt` does
   */
  async again(repetition: Repetition): Promise<Repeated> {
    for (;;) {
      const repeated = await this.onceAgain(repetition);
      if (repeated.became !== "moved") return repeated;
    }
  }

  private async onceAgain(repetition: Repetition): Promise<Repeated | { readonly became: "moved" }> {
    const { incoming, exchange, repeat } = repetition;
    const decided = await this.authorization.decideAgain(incoming, this.authorization.questionOf(incoming), {
      exchange: exchange.number,
      attributes: { grant: repeat.id },
      judge: (live, question) => this.judgeAgain(decideNow(live, question), repetition),
    });
    const { decision, epoch } = decided;
    if (decision.effect === "deny") return { became: "refused", decision };
    if (decision.effect === "require_approval") return { became: "asks", decision };
    const hold = await this.limits.holdOf(incoming, decision, exchange.number);
    let became: Consumed | "failed" = "failed";
    try {
      became = await this.approvals.useAgain(repeat, epoch);
    } finally {
      if (became !== "consumed") await this.takeBack(incoming, hold);
    }
    if (became !== "consumed") return { became };
    await this.begin(exchange, decided, { session: incoming.session, approval: repeat.id, hold });
    await this.target.dispatch(incoming, exchange.number, decision.toolDigest);
    return { became: "sent" };
  }

  /** What it asks for now may be more than those have approved who did, or be asked for another definition of the tool. */
  private async judgeAgain(
    decision: GatewayDecision,
    { repeat, toolDigest }: Repetition,
  ): Promise<GatewayDecision> {
    if (decision.effect !== "require_approval" || !decision.review) return decision;
    if (!isSame(decision.toolDigest, toolDigest)) return decision;
    if (!(await this.approvals.satisfies(repeat.approvalId, decision.review))) return decision;
    return { ...decision, effect: "allow", reason: `approved for this session; ${decision.reason}` };
  }

  private async once(ready: Ready): Promise<Attempt | { readonly became: "moved" }> {
    const { run, operation, incoming } = ready;
    const { exchange, approval } = run;
    const decided = await this.decide(ready);
    const { decision, epoch } = decided;
    if (decision.effect !== "allow") {
      await this.approvals.revoke(approval.id, decision.reason);
      return { became: "refused", decision };
    }
    const hold = await this.limits.holdOf(incoming, decision, exchange.number);
    let became: "consumed" | "moved" | "gone" | "unwanted" | "unreachable" | "failed" = "failed";
    try {
      became = await this.take(run, epoch);
    } finally {
      if (became !== "consumed") await this.takeBack(incoming, hold);
    }
    if (became !== "consumed") return { became };
    await this.begin(exchange, decided, { session: incoming.session, approval: approval.id, hold });
    exchange.edited = editedBy(approval, operation);
    // Who could not be marked as told is told once more that it ran.
    exchange.heard = () => void this.approvals.told(approval.id).catch(() => undefined);
    await this.target.dispatch(incoming, exchange.number, operation.toolDigest);
    return { became: "sent" };
  }

  private decide({ run, operation, incoming }: Ready): Promise<Authorized> {
    const { approval, exchange, isOwnExchange = false } = run;
    const { id, decidedBy = "nobody" } = approval;
    return this.authorization.decideAgain(incoming, this.authorization.questionOf(incoming), {
      exchange: exchange.number,
      attributes: { approval: id, decidedBy },
      judge: (live, question) => this.judge(decideNow(live, question), approval, operation),
      asRequest: isOwnExchange,
      // The request of a leg may say other things in its _meta than the first one did, or say the same in another way.
      isNew: !isSame(incoming.message.bytes, run.incoming.message.bytes),
    });
  }

  /** Also what needs no approval any more has one. What asks for another review than it had must ask anew. */
  private async judge(
    decision: GatewayDecision,
    { id, decidedBy = "nobody" }: HeldApproval,
    { toolDigest }: ApprovedOperation,
  ): Promise<GatewayDecision> {
    if (decision.effect === "deny") return decision;
    if (!isSame(decision.toolDigest, toolDigest)) return TOOL_CHANGED;
    if (decision.effect === "allow") return decision;
    const isSatisfied = decision.review && (await this.approvals.satisfies(id, decision.review));
    if (!isSatisfied) return STRICTER;
    return { ...decision, effect: "allow", reason: `approved by ${decidedBy}; ${decision.reason}` };
  }

  private async take({ incoming, exchange, approval, isWanted }: Run, epoch: bigint) {
    const { session } = incoming;
    if (!(await this.isReachable({ incoming }))) return "unreachable";
    if (!isWanted()) return "unwanted";
    const owner = { sessionId: session.id, principal: session.principal, oauthClient: session.oauthClient };
    return this.approvals.consume(approval.id, owner, { epoch, exchange: exchange.number });
  }

  /** @throws GatewayError when the session is over */
  private async isReachable({ incoming: { session } }: Pick<Run, "incoming">): Promise<boolean> {
    try {
      await this.sessions.linkOf(session);
      return true;
    } catch (error) {
      if (error instanceof GatewayError && error.code === RpcErrorCode.TargetUnavailable) return false;
      throw error;
    }
  }

  /** From here on it is an exchange like any other, with the token of the leg. */
  private async begin(
    exchange: Exchange,
    { question, epoch }: Authorized,
    run: { readonly session: GatewaySession; readonly approval: string; readonly hold: Hold | undefined },
  ): Promise<void> {
    const { session, approval, hold } = run;
    // First, so that what changes from now on is told to it, and what it holds is given back however it ends.
    Object.assign(exchange, { question, epoch, approval, hold, held: undefined });
    // What has changed before was told to a request that waited.
    if (session.changedAt > epoch && (await this.authorization.isDenied(question))) exchange.revoked = true;
  }

  private async takeBack({ session, message }: Incoming<McpRequest>, hold: Hold | undefined): Promise<void> {
    session.usage.takeBack(message);
    await hold?.giveBack();
  }

  /** Undefined when the approval has ended. */
  async operationOf({ id }: HeldApproval): Promise<ApprovedOperation | undefined> {
    try {
      return await this.approvals.operation(id);
    } catch (error) {
      if (error instanceof DomainError) return undefined;
      throw error;
    }
  }
}

const TOOL_CHANGED = ended(
  RpcErrorCode.ToolChanged,
  "the definition of the tool has changed since the call was held, so nothing ran; call it again to ask anew",
);
const STRICTER = ended(
  RpcErrorCode.NotApproved,
  "the call now asks for a stricter review than it had, so nothing ran; call it again to ask anew",
);

function ended(code: number, message: string): GatewayDecision {
  return { effect: "deny", reason: message, refusal: new GatewayError({ status: 200, code, message }) };
}

/** What was sealed, with what ties it to the leg, and without what only concerned us. */
function asSent(
  { message: sealed, parameterHeaders }: ApprovedOperation,
  { incoming: { message: leg }, isOwnExchange = false }: Run,
): Pick<Incoming<McpRequest>, "message" | "parameterHeaders"> {
  let message = parseMessage(sealed) as McpRequest;
  const progressToken = isOwnExchange ? undefined : leg.progressToken;
  if (!isOwnExchange)
    message = parseMessage(rewriteIds(message, { id: leg.id, progressToken })) as McpRequest;
  if (!progressToken) message = parseMessage(removeMember(message, "meta", "progressToken")) as McpRequest;
  const bare = removeMember(message, "clientCapabilities", "extensions", TASKS);
  return { message: parseMessage(bare) as McpRequest, parameterHeaders };
}

function editedBy(
  { id, edited, decidedBy: by, comment }: HeldApproval,
  { changed }: ApprovedOperation,
): Exchange["edited"] {
  return edited ? { id, by, comment, changed } : undefined;
}

function isSame(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  if (!one || !other) return one === other;
  return Buffer.compare(one, other) === 0;
}
