import { errorResponse, type McpRequest, resultResponse, RpcErrorCode } from "@drawbridge/mcp";
import type { MessageFromTarget } from "../../agents/index.js";
import { TargetRights } from "../decisions/target-rights.js";
import type { Exchange, GatewaySession } from "../sessions/gateway-session.js";
import { aboutTold, type ClientStreams, saidByTarget, streamOf } from "./client-streams.js";
import type { StillAllowed } from "./still-allowed.js";
import { TargetLimits } from "./target-limits.js";
import type { TrafficDependencies } from "./traffic-dependencies.js";

/** What a target asks of the client: sampling, elicitation, roots. Denied unless a rule allows it. */
export class TargetRequests {
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

  async take(request: McpRequest, message: MessageFromTarget, exchange: Exchange | undefined): Promise<void> {
    if (request.method === "ping" && this.session.era === "legacy") {
      // The target wants to know whether somebody is there. We are; the client may have no stream to hear it on.
      await this.answer(resultResponse(request.id, {}));
      return;
    }
    const known = await this.access.known();
    let refusal =
      this.rights.refusalToRequest(request.method, exchange, known) ??
      (await this.limits.refusalOf([request.method], exchange, known));
    const on = streamOf(exchange);
    const recorded = await this.dependencies.recorder.tryToRecord(this.session, {
      kind: "server_request",
      ...saidByTarget(request, on),
      attributes: aboutTold(message, exchange, on),
      decision: refusal ?? { effect: "allow", reason: "the policy allows the target to ask this" },
    });
    if (recorded) {
      const live = await this.access.at(recorded.epoch, known);
      refusal ??= this.rights.refusalToRequest(request.method, exchange, live);
    }
    if (refusal || !recorded) {
      const error = { code: RpcErrorCode.MethodNotFound, message: `Method not found: ${request.method}` };
      await this.answer(errorResponse(request.id, error));
      return;
    }
    this.session.expectAnswer(request);
    await this.streams.tell(request.bytes, on, recorded);
  }

  private async answer(payload: Uint8Array): Promise<void> {
    const link = await this.session.link;
    await link?.send({ exchange: 0, payload, protocolVersion: this.session.protocolVersion ?? "" });
  }
}
