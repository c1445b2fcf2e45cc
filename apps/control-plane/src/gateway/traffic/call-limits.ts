import { Injectable, Logger } from "@nestjs/common";
import type { McpNotification, McpRequest } from "@drawbridge/mcp";
import type { AppliedLimit } from "@drawbridge/policy";
import { type Hold, type LimitRefusal, Limits, type Taken } from "../../limits/index.js";
import type { GatewayDecision } from "../decisions/decide.js";
import { type GatewayError, overLimit, unavailable } from "../gateway-error.js";
import type { Incoming } from "./incoming.js";
import { Recorder } from "./recorder.js";

type Operative = McpRequest | McpNotification;

/** Counts what is allowed against the limits of its rules, before it is sent. */
@Injectable()
export class CallLimits {
  private readonly logger = new Logger("gateway");

  constructor(
    private readonly limits: Limits,
    private readonly recorder: Recorder,
  ) {}

  /**
   * What a call has of its limits. Undefined where its rules have none, which costs nothing.
   * @throws GatewayError when there is no room in one of them, or nobody can say
   */
  async holdOf(
    incoming: Incoming<Operative>,
    { limits }: GatewayDecision,
    exchange: number,
  ): Promise<Hold | undefined> {
    if (!limits || limits.length === 0) return undefined;
    const taken = await this.take(incoming, limits, exchange);
    if (taken.ok) return taken.hold;
    incoming.session.usage.takeBack(incoming.message);
    throw await this.refuse(incoming, taken, exchange);
  }

  private async take(
    { session, message: { method, name } }: Incoming<Operative>,
    limits: readonly AppliedLimit[],
    exchange: number,
  ): Promise<Taken> {
    const { id: sessionId, principal, targetId } = session;
    try {
      return await this.limits.take(limits, { principal, sessionId, targetId, operation: [method, name] });
    } catch (error) {
      this.logger.error("limits could not be asked", error instanceof Error ? error.message : String(error));
      const reason = "the limits of the request could not be asked, so it was not sent";
      if (exchange > 0)
        this.recorder.owe(session, { kind: "not_sent", exchange, method, name, attributes: { reason } });
      throw unavailable(`${reason}; try again in a moment`);
    }
  }

  private async refuse(
    { session, message }: Incoming<Operative>,
    refusal: LimitRefusal,
    exchange: number,
  ): Promise<GatewayError> {
    const { reason, limit } = refusal;
    const { policy, rule } = limit;
    const error = overLimit(refusal);
    await this.recorder.recordOrOwe(session, {
      kind: exchange > 0 ? "not_sent" : "decision",
      direction: "target_to_client",
      exchange,
      method: message.method,
      name: message.name,
      attributes: { reason },
      payload: this.recorder.maskedBytes(error.body(message.kind === "request" ? message.id : null)),
      decision: { effect: "deny", policy, rule, reason },
    });
    return error;
  }
}
