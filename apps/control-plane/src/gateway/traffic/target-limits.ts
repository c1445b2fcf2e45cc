import { Logger } from "@nestjs/common";
import type { LiveSnapshot } from "../decisions/live-state.js";
import type { TargetRefusal, TargetRights } from "../decisions/target-rights.js";
import type { Exchange, GatewaySession } from "../sessions/gateway-session.js";
import type { TrafficDependencies } from "./traffic-dependencies.js";

/** Counts what a target asks of its client, or tells it, against the limits of the rules that allow that. */
export class TargetLimits {
  private readonly logger = new Logger("gateway");

  constructor(
    private readonly session: GatewaySession,
    private readonly dependencies: Pick<TrafficDependencies, "limits">,
    private readonly rights: TargetRights,
  ) {}

  /** Of methods that are allowed: the first for which there is no room, or of which nobody can say. */
  async refusalOf(
    methods: readonly string[],
    exchange: Exchange | undefined,
    live: LiveSnapshot,
  ): Promise<TargetRefusal | undefined> {
    for (const method of methods) {
      const limits = this.rights.limitsOf(method, exchange, live);
      const refusal = limits.length > 0 ? await this.take(method, limits) : undefined;
      if (refusal) return refusal;
    }
    return undefined;
  }

  private async take(
    method: string,
    limits: ReturnType<TargetRights["limitsOf"]>,
  ): Promise<TargetRefusal | undefined> {
    const { id: sessionId, principal, targetId } = this.session;
    try {
      const who = { principal, sessionId, targetId, operation: [method, undefined] } as const;
      const taken = await this.dependencies.limits.take(limits, who);
      if (!taken.ok) {
        const { policy, rule } = taken.limit;
        return { effect: "deny", method, policy, rule, reason: taken.reason };
      }
      // It is over when it is told: the client answers when it likes.
      await taken.hold.release();
      return undefined;
    } catch (error) {
      this.logger.error("limits could not be asked", error instanceof Error ? error.message : String(error));
      return { effect: "deny", method, reason: "its limits could not be asked" };
    }
  }
}
