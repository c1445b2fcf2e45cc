import { Injectable } from "@nestjs/common";
import { type McpRequest, parseMessage, removeMember, RpcErrorCode } from "@drawbridge/mcp";
import { Approvals, type HeldApproval, type OperationToHold } from "../../approvals/index.js";
import { DomainError } from "../../platform/errors.js";
import type { GatewayDecision } from "../decisions/decide.js";
import { GatewayError } from "../gateway-error.js";
import type { Exchange } from "../sessions/gateway-session.js";
import { Authorization } from "../traffic/authorization.js";
import type { Incoming } from "../traffic/incoming.js";
import { Recorder } from "../traffic/recorder.js";
import type { ComesBack } from "./request-states.js";

/** A call whose rule asks for an approval, as it was decided and recorded. */
export interface CallToHold {
  readonly incoming: Incoming<McpRequest>;
  readonly exchange: Exchange;
  readonly decision: GatewayDecision;
  /** It comes back for an approval by requestState. */
  readonly comesBack?: ComesBack | undefined;
}

/** Calls as approvers see them: made from requests, held durably, and written down as held. */
@Injectable()
export class OperationsToHold {
  constructor(
    private readonly approvals: Approvals,
    private readonly authorization: Authorization,
    private readonly recorder: Recorder,
  ) {}

  /** Of a call as it was decided. */
  async operationOf({ incoming, exchange, decision }: CallToHold): Promise<OperationToHold> {
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
    const shown = withoutProgressToken(parseMessage(payload) as McpRequest);
    return shown.ranges.params ? shown.bytes.subarray(...shown.ranges.params) : Buffer.from("{}");
  }

  /** @throws GatewayError when the caller has too many */
  async hold(incoming: Incoming<McpRequest>, operation: OperationToHold): Promise<HeldApproval> {
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
  async record(
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

  /** What the caller is told, once it is in the recording. */
  refused(about: Refused, refusal: GatewayError): Promise<GatewayError> {
    return this.refusedBy(about, { effect: "deny", reason: refusal.message, refusal });
  }

  /** The same of what is denied. */
  refusedBy({ incoming, exchange }: Refused, decision: GatewayDecision): Promise<GatewayError> {
    return this.authorization.refusalOf(incoming, decision, exchange.number);
  }
}

interface Refused {
  readonly incoming: Incoming<McpRequest>;
  readonly exchange: Pick<Exchange, "number">;
}

/** It says nothing of what would run, and often it is all that `_meta` holds. */
function withoutProgressToken(request: McpRequest): McpRequest {
  const without = parseMessage(removeMember(request, "meta", "progressToken")) as McpRequest;
  const { bytes, ranges } = without;
  const isEmpty =
    ranges.meta && /^\{\s*\}$/.test(Buffer.from(bytes.subarray(...ranges.meta)).toString("latin1"));
  return isEmpty ? (parseMessage(removeMember(without, "params", "_meta")) as McpRequest) : without;
}
