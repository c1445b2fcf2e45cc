import type { McpNotification } from "@drawbridge/mcp";
import type { EventAttributes } from "@drawbridge/recording";
import type { MessageFromTarget } from "../../agents/index.js";
import { TargetRights } from "../decisions/target-rights.js";
import type { Exchange, GatewaySession } from "../sessions/gateway-session.js";
import { aboutTold, type ClientStreams, saidByTarget, streamOf } from "./client-streams.js";
import type { StillAllowed } from "./still-allowed.js";
import { TargetLimits } from "./target-limits.js";
import type { TrafficDependencies } from "./traffic-dependencies.js";

/** What a target says without being asked: dropped or told, and recorded either way. */
export class TargetNotifications {
  private readonly rights: TargetRights;
  private readonly limits: TargetLimits;

  constructor(
    private readonly session: GatewaySession,
    private readonly dependencies: Pick<TrafficDependencies, "limits" | "recorder">,
    private readonly access: StillAllowed,
    private readonly streams: ClientStreams,
  ) {
    this.rights = new TargetRights(session);
    this.limits = new TargetLimits(session, dependencies, this.rights);
  }

  async take(notification: McpNotification, message: MessageFromTarget, exchange: Exchange | undefined) {
    const known = await this.access.known();
    const dropped =
      this.rights.whyDropped(notification, exchange, known) ??
      (await this.limits.refusalOf(this.rights.methodsOf(notification), exchange, known))?.reason;
    if (dropped !== undefined) {
      await this.record(notification, exchange, { dropped });
      return;
    }
    const on = streamOf(exchange);
    const recorded = await this.record(notification, on, aboutTold(message, exchange, on));
    if (!recorded) return;
    const live = await this.access.at(recorded.epoch, known);
    if (live !== known && this.rights.whyDropped(notification, exchange, live) !== undefined) return;
    await this.streams.tell(notification.bytes, on, recorded);
  }

  private record(notification: McpNotification, on: Exchange | undefined, attributes: EventAttributes) {
    const event = { kind: "notification", ...saidByTarget(notification, on), attributes } as const;
    return this.dependencies.recorder.tryToRecord(this.session, event);
  }
}
